//! From the blocks of a batch to its header.
//!
//! The sequencer, over its whole tree, and [`crate::execute_batch`], over the witness, do exactly
//! this; only where the root comes from differs.

use alloc::{collections::BTreeMap, vec::Vec};
use alloy_primitives::{Address, B256, U256};
use cloister_crypto::{
    BatchSalter,
    activity::{
        CommittedTransaction, activity_entry, append, commit_transaction, transaction_root,
    },
    state::{leaf_commit, leaf_key},
};
use cloister_state_tree::{EMPTY, LeafCommit, LeafKey};
use cloister_types::{
    AccountValue, ActivityHead, ActivityKind, BatchHeader, BatchNumber, ChainConfig, LogRecord,
    PrivateHeader, StateKey, StateKind, state::encode_storage_value,
};

use crate::{
    addresses,
    batch::{BatchBuilder, BatchTransaction, BlockRef},
    state::StateError,
};

/// What a batch's header needs besides its blocks.
#[derive(Clone, Debug)]
pub struct SealInputs<'a> {
    /// The chain's rules.
    pub config: &'a ChainConfig,
    /// Header of the batch before; `None` for genesis.
    pub previous: Option<&'a BatchHeader>,
    /// Digest of the policies in force.
    pub policy_root: B256,
    /// Combined head of the audit ledgers.
    pub audit_head: B256,
    /// Salts of this batch.
    pub salter: &'a BatchSalter,
}

/// Why a batch cannot be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// There is no block in it.
    #[error("the batch holds no block")]
    Empty,
    /// There is no number after that of the previous batch.
    #[error("there is no batch after number {0}")]
    NumberOverflow(BatchNumber),
    /// More transactions than the header can count.
    #[error("the batch has {0} transactions, more than its header can count")]
    TooManyTransactions(usize),
    /// The activity chains before the batch could not be read.
    #[error("the activity chains cannot be read")]
    State(#[from] StateError),
}

/// What a leaf holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeafValue {
    /// An account.
    Account(AccountValue),
    /// A storage slot.
    Storage(U256),
    /// An activity chain.
    Activity(ActivityHead),
}

impl LeafValue {
    /// Kind of the entry that holds it.
    pub(crate) const fn kind(&self) -> StateKind {
        match self {
            Self::Account(_) => StateKind::Account,
            Self::Storage(_) => StateKind::Storage,
            Self::Activity(_) => StateKind::Activity,
        }
    }

    /// Encoding that the leaf commits to: 72, 32 or 40 bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.with_encoding(<[u8]>::to_vec)
    }

    /// Passes the encoding on without allocating.
    pub(crate) fn with_encoding<T>(&self, use_bytes: impl FnOnce(&[u8]) -> T) -> T {
        match self {
            Self::Account(value) => use_bytes(&value.encode()),
            Self::Storage(value) => use_bytes(&encode_storage_value(*value)),
            Self::Activity(value) => use_bytes(&value.encode()),
        }
    }
}

/// A leaf that the batch writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeafWrite {
    /// What it is about.
    pub key: StateKey,
    /// Its place in the tree.
    pub leaf_key: LeafKey,
    /// Its value.
    pub value: LeafValue,
    /// Its commitment.
    pub commit: LeafCommit,
}

/// A batch that lacks only the root of the tree after its writes.
#[derive(Clone, Debug)]
pub struct PreparedBatch {
    header: BatchHeader,
    /// What it writes, by place in the tree.
    pub leaves: Vec<LeafWrite>,
    /// Its transactions' leaves and log commitments, in order.
    pub transactions: Vec<CommittedTransaction>,
}

/// A sealed batch.
#[derive(Clone, Debug)]
pub struct SealedBatch {
    /// Its header.
    pub header: BatchHeader,
    /// What it writes, by place in the tree.
    pub leaves: Vec<LeafWrite>,
    /// Its transactions' leaves and log commitments, in order.
    pub transactions: Vec<CommittedTransaction>,
}

impl PreparedBatch {
    /// The batch's number.
    #[must_use]
    pub const fn number(&self) -> BatchNumber {
        self.header.number
    }

    /// What to write to the tree, sorted by key.
    #[must_use]
    pub fn tree_changes(&self) -> Vec<(LeafKey, LeafCommit)> {
        self.leaves
            .iter()
            .map(|leaf| (leaf.leaf_key, leaf.commit))
            .collect()
    }

    /// Ends the header with the tree's root after these changes.
    #[must_use]
    pub fn seal(self, state_root: [u8; 32]) -> SealedBatch {
        let Self {
            mut header,
            leaves,
            transactions,
        } = self;
        header.state_root = B256::new(state_root);
        SealedBatch {
            header,
            leaves,
            transactions,
        }
    }
}

/// Computes everything of a batch but the tree's root.
///
/// `activity_before` gives the activity chain of an address before the batch.
///
/// # Errors
/// [`SealError`].
pub fn prepare(
    inputs: &SealInputs<'_>,
    batch: &BatchBuilder,
    activity_before: impl FnMut(&Address) -> Result<ActivityHead, StateError>,
) -> Result<PreparedBatch, SealError> {
    let (Some(first), Some(last)) = (batch.first, batch.last) else {
        return Err(SealError::Empty);
    };
    let transactions: Vec<CommittedTransaction> = batch
        .transactions
        .iter()
        .map(|tx| commit_transaction(&tx.fields, inputs.salter))
        .collect();
    let activity = extend_activity(&batch.transactions, &transactions, activity_before)?;
    let leaves = leaves(batch, activity, inputs.salter);
    let header = header(inputs, first, last, &transactions)?;
    Ok(PreparedBatch {
        header,
        leaves,
        transactions,
    })
}

/// The header of what blocks, from the first to the last one, amount to; only the root of the tree
/// after them is missing.
pub(crate) fn header(
    inputs: &SealInputs<'_>,
    first: BlockRef,
    last: BlockRef,
    transactions: &[CommittedTransaction],
) -> Result<BatchHeader, SealError> {
    let number = match inputs.previous {
        None => BatchNumber::GENESIS,
        Some(previous) => previous
            .number
            .next()
            .ok_or(SealError::NumberOverflow(previous.number))?,
    };
    let count = transactions.len();
    let transaction_count =
        u32::try_from(count).map_err(|_| SealError::TooManyTransactions(count))?;
    let roots: Vec<B256> = transactions.iter().map(|tx| tx.leaf).collect();
    Ok(BatchHeader {
        chain_id: inputs.config.chain_id,
        number,
        previous_hash: inputs.previous.map_or(B256::ZERO, BatchHeader::hash),
        state_root: B256::ZERO,
        message_root: B256::new(EMPTY),
        l1_message_count: 0,
        l1_message_hash: B256::ZERO,
        private: PrivateHeader {
            state_root_before: inputs
                .previous
                .map_or(B256::new(EMPTY), |header| header.state_root),
            transaction_root: transaction_root(&roots),
            transaction_count,
            policy_root: inputs.policy_root,
            audit_head: inputs.audit_head,
            first_block: first.number,
            first_block_hash: first.hash,
            last_block: last.number,
            last_block_hash: last.hash,
            timestamp: last.timestamp,
        },
    })
}

/// Addresses whose activity chains a log extends, ascending, each once: who emitted it, and every
/// topic from the second on that has the form of an address (12 zero bytes, then more than 0xffff).
#[must_use]
pub fn log_addresses(log: &LogRecord) -> Vec<Address> {
    let mut sorted = Vec::with_capacity(4);
    sorted.push(log.address);
    for topic in log.topics.iter().skip(1) {
        if let Some(address) = address_in_topic(topic) {
            addresses::insert(&mut sorted, address);
        }
    }
    sorted
}

fn address_in_topic(topic: &B256) -> Option<&Address> {
    // The last two bytes decide nothing: up to 0xffff is no address.
    let (zeros, address) = topic.0.split_first_chunk::<12>()?;
    let (above, _) = address.split_first_chunk::<18>()?;
    let form_of_address =
        zeros.iter().all(|byte| *byte == 0) && above.iter().any(|byte| *byte != 0);
    form_of_address.then(|| address.first_chunk().map(From::from))?
}

/// Lies at a word's boundary, from where the guest takes words instead of bytes.
#[repr(C, align(4))]
struct Aligned(B256);

/// Passes on the entries that a transaction adds, in order: the transaction for each address that
/// it concerns, then each of its logs for each address that the log concerns.
///
/// # Errors
/// As `add`.
pub(crate) fn activity_entries<E>(
    logs: &[LogRecord],
    concerned: &[Address],
    committed: &CommittedTransaction,
    mut add: impl FnMut(&Address, &B256) -> Result<(), E>,
) -> Result<(), E> {
    let entry = Aligned(activity_entry(ActivityKind::Transaction, &committed.leaf));
    for address in concerned {
        add(address, &entry.0)?;
    }
    for (log, commitment) in logs.iter().zip(&committed.logs) {
        let entry = Aligned(activity_entry(ActivityKind::Log, commitment));
        for address in &log_addresses(log) {
            add(address, &entry.0)?;
        }
    }
    Ok(())
}

fn extend_activity(
    transactions: &[BatchTransaction],
    committed: &[CommittedTransaction],
    mut before: impl FnMut(&Address) -> Result<ActivityHead, StateError>,
) -> Result<BTreeMap<Address, ActivityHead>, StateError> {
    use alloc::collections::btree_map::Entry;
    let mut chains: BTreeMap<Address, ActivityHead> = BTreeMap::new();
    for (tx, committed) in transactions.iter().zip(committed) {
        let add = |address: &Address, entry: &B256| {
            let chain = match chains.entry(*address) {
                Entry::Occupied(place) => place.into_mut(),
                Entry::Vacant(place) => {
                    let head = before(place.key())?;
                    place.insert(head)
                }
            };
            *chain = append(chain, entry);
            Ok(())
        };
        activity_entries(&tx.fields.logs, &tx.concerned, committed, add)?;
    }
    Ok(chains)
}

/// Leaves of every value that is not what it was before the batch. A value that came back to what
/// it was keeps its leaf and salt, so that what is written depends on values alone (SSTF-6).
fn leaves(
    batch: &BatchBuilder,
    activity: BTreeMap<Address, ActivityHead>,
    salter: &BatchSalter,
) -> Vec<LeafWrite> {
    let accounts = batch
        .accounts
        .iter()
        .filter(|(_, net)| net.before != net.after)
        .map(|(address, net)| (StateKey::Account(*address), LeafValue::Account(net.after)));
    let storage = batch
        .storage
        .iter()
        .filter(|(_, net)| net.before != net.after)
        .map(|((address, slot), net)| {
            (
                StateKey::Storage(*address, B256::from(*slot)),
                LeafValue::Storage(net.after),
            )
        });
    let activity = activity
        .into_iter()
        .map(|(address, head)| (StateKey::Activity(address), LeafValue::Activity(head)));
    let mut leaves: Vec<LeafWrite> = accounts
        .chain(storage)
        .chain(activity)
        .map(|(key, value)| leaf_write(key, LeafKey(leaf_key(&key)), value, salter))
        .collect();
    leaves.sort_unstable_by_key(|leaf| leaf.leaf_key);
    leaves
}

fn leaf_write(
    key: StateKey,
    leaf_key: LeafKey,
    value: LeafValue,
    salter: &BatchSalter,
) -> LeafWrite {
    let salt = salter.leaf_salt(&leaf_key.0);
    let commit = value.with_encoding(|bytes| leaf_commit(key.kind(), &salt, bytes));
    LeafWrite {
        key,
        leaf_key,
        value,
        commit: LeafCommit(commit),
    }
}
