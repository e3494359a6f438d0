//! What one principal sees of a block: a pure function of the block and of what is visible.
//!
//! A transaction is seen in full by those whom policy lets see it, in part by those who may only
//! see some of its logs, and not at all by everybody else. Every number that could count what is
//! hidden (positions, cumulative gas, a bloom) is derived from what is shown (SGW-3).

use alloy_primitives::{Bloom, BloomInput};

use super::model::{Block, Log, Transaction};

/// Decides what is visible.
pub trait Visibility {
    /// Whether the whole transaction is.
    fn transaction(&mut self, transaction: &Transaction) -> bool;
    /// Whether one log of a transaction that is not wholly visible is.
    fn log(&mut self, transaction: &Transaction, log: &Log) -> bool;
}

/// A block as one principal sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockView {
    /// The visible transactions in order.
    pub transactions: Vec<TransactionView>,
    /// Gas of the visible transactions.
    pub gas_used: u64,
    /// Bloom over the visible logs.
    pub bloom: Bloom,
}

/// A transaction as one principal sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionView {
    /// Where it stands in the block's own list.
    pub source: usize,
    /// Position among the visible transactions.
    pub index: u64,
    /// Whether more than some of its logs is seen.
    pub full: bool,
    /// Its gas, or 0 when only logs are seen.
    pub gas_used: u64,
    /// Gas of the visible transactions up to this one.
    pub cumulative_gas_used: u64,
    /// The visible logs.
    pub logs: Vec<LogView>,
    /// Bloom over the visible logs.
    pub bloom: Bloom,
}

/// A visible log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogView {
    /// Where it stands in the transaction's own list.
    pub source: usize,
    /// Position among the block's visible logs.
    pub index: u64,
}

impl BlockView {
    /// The view of the transaction that stands at `source` in the block.
    #[must_use]
    pub fn of(&self, source: usize) -> Option<&TransactionView> {
        let found = self
            .transactions
            .binary_search_by_key(&source, |view| view.source)
            .ok()?;
        self.transactions.get(found)
    }
}

/// Leaves out what is not visible.
pub fn view(block: &Block, visibility: &mut impl Visibility) -> BlockView {
    let mut seen = BlockView {
        transactions: Vec::new(),
        gas_used: 0,
        bloom: Bloom::ZERO,
    };
    let mut next_log = 0;
    for (source, transaction) in block.transactions.iter().enumerate() {
        let full = visibility.transaction(transaction);
        let logs = visible_logs(transaction, full, &mut next_log, visibility);
        if !full && logs.is_empty() {
            continue;
        }
        let gas_used = if full {
            transaction.receipt.gas_used
        } else {
            0
        };
        let bloom = bloom(
            logs.iter()
                .filter_map(|log| transaction.receipt.logs.get(log.source)),
        );
        seen.gas_used += gas_used;
        seen.bloom.accrue_bloom(&bloom);
        seen.transactions.push(TransactionView {
            source,
            index: seen.transactions.len() as u64,
            full,
            gas_used,
            cumulative_gas_used: seen.gas_used,
            logs,
            bloom,
        });
    }
    seen
}

fn visible_logs(
    transaction: &Transaction,
    full: bool,
    next: &mut u64,
    visibility: &mut impl Visibility,
) -> Vec<LogView> {
    let mut logs = Vec::new();
    for (source, log) in transaction.receipt.logs.iter().enumerate() {
        if full || visibility.log(transaction, log) {
            logs.push(LogView {
                source,
                index: *next,
            });
            *next += 1;
        }
    }
    logs
}

fn bloom<'a>(logs: impl Iterator<Item = &'a Log>) -> Bloom {
    let mut bloom = Bloom::ZERO;
    for log in logs {
        bloom.accrue(BloomInput::Raw(log.address.as_slice()));
        for topic in &log.topics {
            bloom.accrue(BloomInput::Raw(topic.as_slice()));
        }
    }
    bloom
}

#[cfg(test)]
pub(crate) mod tests {
    use alloy_consensus::{Signed, TxEnvelope, TxLegacy};
    use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};

    use super::*;
    use crate::app::model::Receipt;

    /// A transaction from `sender` to `to` that emitted a log of each of `logs`.
    pub(crate) fn transaction(index: u32, sender: u8, to: u8, logs: &[u8]) -> Transaction {
        let legacy = TxLegacy {
            chain_id: Some(1_331),
            to: TxKind::Call(Address::repeat_byte(to)),
            gas_limit: 100_000,
            value: U256::from(7),
            input: Bytes::from_static(&[1, 2, 3, 4]),
            ..TxLegacy::default()
        };
        let signature = Signature::new(U256::from(1), U256::from(1), false);
        let hash = B256::repeat_byte(0x80 + u8::try_from(index).unwrap());
        Transaction {
            hash,
            sender: Address::repeat_byte(sender),
            envelope: TxEnvelope::Legacy(Signed::new_unchecked(legacy, signature, hash)),
            raw: Bytes::from_static(&[0xf8]),
            block_number: 5,
            index,
            batch: 1,
            receipt: Receipt {
                succeeded: true,
                gas_used: 21_000 + u64::from(index),
                effective_gas_price: 9,
                contract_address: None,
                logs: logs
                    .iter()
                    .map(|address| Log {
                        address: Address::repeat_byte(*address),
                        topics: vec![B256::repeat_byte(*address)],
                        data: Bytes::new(),
                    })
                    .collect(),
            },
        }
    }

    /// A block that holds `transactions`.
    pub(crate) fn block(transactions: Vec<Transaction>) -> Block {
        Block {
            number: 5,
            hash: B256::repeat_byte(5),
            parent_hash: B256::repeat_byte(4),
            timestamp: 1_700_000_000,
            gas_limit: 100_000_000,
            base_fee_wei: 0,
            beneficiary: Address::ZERO,
            prev_randao: B256::repeat_byte(9),
            batch: 1,
            transactions,
        }
    }

    /// Sees the transactions of one sender and the logs of one contract.
    pub(crate) struct Only {
        pub(crate) sender: Address,
        pub(crate) logs_of: Address,
    }

    impl Visibility for Only {
        fn transaction(&mut self, transaction: &Transaction) -> bool {
            transaction.sender == self.sender
        }

        fn log(&mut self, _: &Transaction, log: &Log) -> bool {
            log.address == self.logs_of
        }
    }

    fn alice() -> Only {
        Only {
            sender: Address::repeat_byte(0xa),
            logs_of: Address::repeat_byte(0xc),
        }
    }

    #[test]
    fn hidden_transactions_leave_no_trace_in_what_is_shown() {
        // SGW-3: the same visible part in two worlds gives the same view but for `source`.
        let lonely = block(vec![
            transaction(0, 0xa, 1, &[1]),
            transaction(1, 0xb, 1, &[0xc]),
            transaction(2, 0xa, 1, &[2, 3]),
        ]);
        let mut crowded = lonely.clone();
        crowded
            .transactions
            .insert(0, transaction(7, 0xb, 1, &[1, 2, 3]));
        crowded.transactions.insert(2, transaction(8, 0xe, 1, &[]));
        let mut first = view(&lonely, &mut alice());
        let mut second = view(&crowded, &mut alice());
        for seen in [&mut first, &mut second] {
            for transaction in &mut seen.transactions {
                transaction.source = 0;
            }
        }
        assert_eq!(first, second);
    }

    #[test]
    fn a_participant_sees_all_logs_and_others_only_the_visible_ones() {
        let seen = view(
            &block(vec![
                transaction(0, 0xa, 1, &[1, 2]),
                transaction(1, 0xb, 1, &[1, 0xc, 2]),
            ]),
            &mut alice(),
        );
        let [full, partial] = seen.transactions.as_slice() else {
            panic!("{seen:?}")
        };
        assert!(full.full);
        assert_eq!(full.logs.len(), 2);
        assert!(!partial.full);
        assert_eq!(
            partial.logs,
            [LogView {
                source: 1,
                index: 2
            }]
        );
        assert_eq!((partial.gas_used, partial.cumulative_gas_used), (0, 21_000));
    }

    #[test]
    fn the_bloom_holds_visible_logs_only() {
        let seen = view(
            &block(vec![transaction(0, 0xb, 1, &[0xc, 0xd])]),
            &mut alice(),
        );
        let holds = |address: u8| {
            seen.bloom
                .contains_input(BloomInput::Raw(Address::repeat_byte(address).as_slice()))
        };
        assert!(holds(0xc));
        assert!(!holds(0xd));
        assert_eq!(seen.bloom, seen.transactions[0].bloom);
    }

    #[test]
    fn a_block_without_anything_visible_is_an_empty_block() {
        let seen = view(&block(vec![transaction(0, 0xb, 1, &[1])]), &mut alice());
        assert_eq!(seen, view(&block(Vec::new()), &mut alice()));
    }

    #[test]
    fn a_view_is_found_by_where_it_stands_in_the_block() {
        let seen = view(
            &block(vec![
                transaction(0, 0xb, 1, &[]),
                transaction(1, 0xa, 1, &[]),
            ]),
            &mut alice(),
        );
        assert!(seen.of(0).is_none());
        assert_eq!(seen.of(1).map(|view| view.index), Some(0));
    }
}
