//! What the sequencer holds of blocks, transactions and batches, apart from how it is stored or
//! sent.

use alloy_primitives::{Address, B256, Bytes};
use cloister_types::{BatchHeader, BlockHeader, LogRecord};

/// A block as it is acknowledged: header, transactions with receipts, and its batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    /// The header.
    pub header: BlockHeader,
    /// Its hash.
    pub hash: B256,
    /// Number of the batch that it belongs to.
    pub batch: u64,
    /// UNIX milliseconds at which it was made.
    pub built_at_ms: u64,
    /// Transactions in order.
    pub transactions: Vec<Transaction>,
}

impl Block {
    /// Sum of the transactions' envelopes in bytes.
    pub(crate) fn transaction_bytes(&self) -> u64 {
        self.transactions
            .iter()
            .map(|transaction| transaction.raw.len() as u64)
            .sum()
    }

    /// Number of transactions.
    pub(crate) fn transaction_count(&self) -> u32 {
        u32::try_from(self.transactions.len()).unwrap_or(u32::MAX)
    }
}

/// A transaction with its receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transaction {
    /// Transaction hash.
    pub hash: B256,
    /// Who signed it.
    pub sender: Address,
    /// EIP-2718 envelope.
    pub raw: Bytes,
    /// Position in the block.
    pub index: u32,
    /// Whether it succeeded.
    pub succeeded: bool,
    /// Gas that it used.
    pub gas_used: u64,
    /// Gas that the block used up to and with it.
    pub cumulative_gas_used: u64,
    /// What it paid, in wei per gas.
    pub effective_gas_price: u128,
    /// The contract that it created.
    pub contract_address: Option<Address>,
    /// Position in the block of its first log.
    pub first_log_index: u32,
    /// Its logs.
    pub logs: Vec<Log>,
}

/// A log and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Log {
    /// Position in the block.
    pub index: u32,
    /// The log.
    pub record: LogRecord,
}

/// A transaction with the block that holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlacedTransaction {
    /// The block's place and what a receipt says of it.
    pub block: BlockPlace,
    /// The transaction.
    pub transaction: Transaction,
}

/// What a transaction's answer says of its block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockPlace {
    /// Height.
    pub number: u64,
    /// Hash.
    pub hash: B256,
    /// UNIX seconds.
    pub timestamp: u64,
    /// Wei per gas.
    pub base_fee_wei: u64,
    /// Number of the batch.
    pub batch: u64,
}

impl BlockPlace {
    /// The place of `block`.
    pub(crate) fn of(header: &BlockHeader, hash: B256, batch: u64) -> Self {
        Self {
            number: header.number.0,
            hash,
            timestamp: header.timestamp,
            base_fee_wei: header.base_fee_wei,
            batch,
        }
    }
}

/// A sealed batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Batch {
    /// The header.
    pub header: BatchHeader,
    /// Its hash.
    pub hash: B256,
    /// UNIX seconds at which it was sealed.
    pub sealed_at: u64,
}

impl Batch {
    /// Number of the batch.
    pub(crate) fn number(&self) -> u64 {
        self.header.number.0
    }
}

/// A filter of logs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LogFilter {
    /// First block.
    pub from_block: u64,
    /// Last block.
    pub to_block: u64,
    /// Emitting contracts; any when empty.
    pub addresses: Vec<Address>,
    /// For each position the topics that match; any when empty.
    pub topics: [Vec<B256>; 4],
    /// Most logs in the answer.
    pub limit: u32,
}
