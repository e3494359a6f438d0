//! The chain as the gateway sees it: decoded once, filtered and rendered from here.

use alloy_consensus::TxEnvelope;
use alloy_primitives::{Address, B256, Bytes, U256};

/// A block with everything in it, before anything is left out.
#[derive(Debug, Clone)]
pub struct Block {
    /// Height.
    pub number: u64,
    /// Hash.
    pub hash: B256,
    /// Hash of the block before.
    pub parent_hash: B256,
    /// UNIX seconds.
    pub timestamp: u64,
    /// Most gas that a block may use.
    pub gas_limit: u64,
    /// Wei per gas.
    pub base_fee_wei: u64,
    /// Who receives tips.
    pub beneficiary: Address,
    /// The PREVRANDAO value.
    pub prev_randao: B256,
    /// The batch that the block belongs to.
    pub batch: u64,
    /// All transactions in order.
    pub transactions: Vec<Transaction>,
}

/// A transaction with its receipt.
#[derive(Debug, Clone)]
pub struct Transaction {
    /// Hash.
    pub hash: B256,
    /// Who signed it.
    pub sender: Address,
    /// The decoded envelope.
    pub envelope: TxEnvelope,
    /// The envelope as it was submitted.
    pub raw: Bytes,
    /// Height of its block.
    pub block_number: u64,
    /// Position in its block.
    pub index: u32,
    /// The batch that its block belongs to.
    pub batch: u64,
    /// What it did.
    pub receipt: Receipt,
}

/// What a transaction did.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// Whether it succeeded.
    pub succeeded: bool,
    /// Gas used by it alone.
    pub gas_used: u64,
    /// Wei per gas that was paid.
    pub effective_gas_price: u128,
    /// The contract that it created.
    pub contract_address: Option<Address>,
    /// Its logs in order.
    pub logs: Vec<Log>,
}

/// One log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The contract that emitted it.
    pub address: Address,
    /// Topics, at most four.
    pub topics: Vec<B256>,
    /// Data.
    pub data: Bytes,
}

/// A call that is not a transaction: `eth_call` and `eth_estimateGas`.
#[derive(Debug, Clone, Default)]
pub struct Call {
    /// In whose name.
    pub from: Address,
    /// Absent: contract creation.
    pub to: Option<Address>,
    /// Wei sent along.
    pub value: U256,
    /// 0: the sequencer's limit.
    pub gas: u64,
    /// Call data or init code.
    pub input: Bytes,
    /// Access list (EIP-2930).
    pub access_list: Vec<(Address, Vec<B256>)>,
    /// Wei per gas, when the caller names a price.
    pub gas_price: Option<u128>,
}

/// Nonce, balance and code of an account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Transactions sent, or contracts created.
    pub nonce: u64,
    /// Wei.
    pub balance: U256,
    /// Code; empty unless it was asked for.
    pub code: Bytes,
}

/// How far a log query reaches.
#[derive(Debug, Clone, Default)]
pub struct LogQuery {
    /// First block.
    pub from_block: u64,
    /// Last block.
    pub to_block: u64,
    /// Empty: any contract.
    pub addresses: Vec<Address>,
    /// By position; an empty position matches any topic.
    pub topics: Vec<Vec<B256>>,
}

impl LogQuery {
    /// Whether `log` is asked for.
    #[must_use]
    pub fn matches(&self, log: &Log) -> bool {
        let address = self.addresses.is_empty() || self.addresses.contains(&log.address);
        let topics = self.topics.iter().enumerate().all(|(position, any_of)| {
            any_of.is_empty()
                || log
                    .topics
                    .get(position)
                    .is_some_and(|topic| any_of.contains(topic))
        });
        address && topics
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(address: u8, topics: &[u8]) -> Log {
        Log {
            address: Address::repeat_byte(address),
            topics: topics.iter().map(|byte| B256::repeat_byte(*byte)).collect(),
            data: Bytes::new(),
        }
    }

    #[test]
    fn an_empty_query_matches_every_log() {
        assert!(LogQuery::default().matches(&log(1, &[])));
    }

    #[test]
    fn topics_match_by_position() {
        let query = LogQuery {
            topics: vec![vec![], vec![B256::repeat_byte(2), B256::repeat_byte(3)]],
            ..LogQuery::default()
        };
        assert!(query.matches(&log(1, &[1, 3])));
        assert!(!query.matches(&log(1, &[2, 1])));
        assert!(!query.matches(&log(1, &[2])));
    }

    #[test]
    fn addresses_are_alternatives() {
        let query = LogQuery {
            addresses: vec![Address::repeat_byte(1), Address::repeat_byte(2)],
            ..LogQuery::default()
        };
        assert!(query.matches(&log(2, &[])));
        assert!(!query.matches(&log(3, &[])));
    }
}
