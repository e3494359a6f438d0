//! Blocks on their way to becoming a batch.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use alloy_primitives::{Address, B256, U256};
use cloister_types::{AccountValue, BlockHeader, BlockNumber, StateKey, TransactionFields};
use revm::state::Bytecode;

use crate::{
    block::{BlockTrace, ExecutedTransaction},
    genesis::{Genesis, config_key},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Net<T> {
    pub(crate) before: T,
    pub(crate) after: T,
}

/// First or last block of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockRef {
    pub(crate) number: BlockNumber,
    pub(crate) hash: B256,
    pub(crate) timestamp: u64,
}

/// A transaction of the batch, with the addresses that it concerns.
#[derive(Clone, Debug)]
pub(crate) struct BatchTransaction {
    pub(crate) fields: TransactionFields,
    pub(crate) concerned: Vec<Address>,
}

/// Collects the blocks of a batch: their transactions, the net change of every value, and what
/// they depend on.
#[derive(Clone, Debug, Default)]
pub struct BatchBuilder {
    pub(crate) first: Option<BlockRef>,
    pub(crate) last: Option<BlockRef>,
    pub(crate) accounts: BTreeMap<Address, Net<AccountValue>>,
    pub(crate) storage: BTreeMap<(Address, U256), Net<U256>>,
    pub(crate) transactions: Vec<BatchTransaction>,
    accessed: BTreeSet<StateKey>,
    read_codes: BTreeSet<B256>,
    created_codes: BTreeMap<B256, Bytecode>,
    /// Sum of the lengths of what transactions carry, as a measure for sealing by size.
    weight_bytes: usize,
}

impl BatchBuilder {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The batch that holds nothing but genesis.
    #[must_use]
    pub fn genesis(genesis: &Genesis) -> Self {
        let mut batch = Self::new();
        batch.absorb(&genesis.block, &[], &genesis.trace);
        batch
    }

    /// Adds the next block.
    pub fn absorb(
        &mut self,
        header: &BlockHeader,
        transactions: &[ExecutedTransaction],
        trace: &BlockTrace,
    ) {
        let block = BlockRef {
            number: header.number,
            hash: header.hash(),
            timestamp: header.timestamp,
        };
        self.first.get_or_insert(block);
        self.last = Some(block);
        for change in &trace.accounts {
            let fresh = Net {
                before: change.before,
                after: change.after,
            };
            self.accounts.entry(change.address).or_insert(fresh).after = change.after;
        }
        for change in &trace.storage {
            let fresh = Net {
                before: change.before,
                after: change.after,
            };
            self.storage
                .entry((change.address, change.slot))
                .or_insert(fresh)
                .after = change.after;
        }
        self.accessed.extend(&trace.accessed);
        let created = &self.created_codes;
        self.read_codes.extend(
            trace
                .read_codes
                .iter()
                .filter(|hash| !created.contains_key(*hash)),
        );
        for (hash, code) in &trace.created_codes {
            if !self.read_codes.contains(hash) {
                self.created_codes.insert(*hash, code.clone());
            }
        }
        for tx in transactions {
            let fields = tx.fields.clone();
            for log in &fields.logs {
                let topics = log.topics.len().saturating_mul(32);
                self.weigh(log.data.len().saturating_add(topics));
            }
            self.weigh(fields.input.len().saturating_add(200));
            self.transactions.push(BatchTransaction {
                fields,
                concerned: tx.concerned.clone(),
            });
        }
    }

    const fn weigh(&mut self, bytes: usize) {
        self.weight_bytes = self.weight_bytes.saturating_add(bytes);
    }

    /// Whether it holds no block.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Number of blocks.
    #[must_use]
    pub const fn block_count(&self) -> u64 {
        match (&self.first, &self.last) {
            (Some(first), Some(last)) => last
                .number
                .0
                .saturating_sub(first.number.0)
                .saturating_add(1),
            _ => 0,
        }
    }

    /// Number of transactions.
    #[must_use]
    pub const fn transaction_count(&self) -> usize {
        self.transactions.len()
    }

    /// About how many bytes its transactions and logs carry.
    #[must_use]
    pub const fn weight_bytes(&self) -> usize {
        self.weight_bytes
    }

    /// Transactions in order.
    pub fn transactions(&self) -> impl Iterator<Item = &TransactionFields> {
        self.transactions.iter().map(|tx| &tx.fields)
    }

    /// Addresses whose activity chains the batch extends.
    #[must_use]
    pub fn active_addresses(&self) -> BTreeSet<Address> {
        self.transactions
            .iter()
            .flat_map(|tx| {
                let logs = tx.fields.logs.iter().flat_map(crate::seal::log_addresses);
                tx.concerned.iter().copied().chain(logs)
            })
            .collect()
    }

    /// Every state entry whose opening the witness must hold: what execution read or wrote, the
    /// activity chains that it extends, and the chain's configuration.
    #[must_use]
    pub fn witness_keys(&self) -> BTreeSet<StateKey> {
        let mut keys = self.accessed.clone();
        keys.extend(self.active_addresses().into_iter().map(StateKey::Activity));
        keys.insert(config_key());
        keys
    }

    /// Hashes of the codes that the witness must hold.
    #[must_use]
    pub const fn witness_codes(&self) -> &BTreeSet<B256> {
        &self.read_codes
    }

    /// An account before the batch, if the batch changed it.
    #[must_use]
    pub fn account_before(&self, address: &Address) -> Option<&AccountValue> {
        self.accounts.get(address).map(|net| &net.before)
    }

    /// A slot before the batch, if the batch changed it.
    #[must_use]
    pub fn storage_before(&self, address: &Address, slot: &U256) -> Option<&U256> {
        self.storage.get(&(*address, *slot)).map(|net| &net.before)
    }
}
