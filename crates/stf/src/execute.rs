//! Execution of a whole batch over a witness: what the guest proves.
//!
//! Nothing in the input is believed. The witness must open the previous batch's state root, hold
//! every entry that execution needs and none that it does not; the blocks must continue the
//! previous batch and arrive at the headers that they claim; every transaction must be includable
//! (SSTF-2). The answer is the batch's header, or the reason why there is none; never a panic.

use alloc::vec::Vec;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use cloister_crypto::{
    BatchSalter, CryptoProvider,
    state::{leaf_commit, leaf_key},
};
use cloister_state_tree::{LeafCommit, LeafKey, MultiproofError, PartialTree, PartialTreeError};
use cloister_types::{
    AccountValue, ActivityHead, BatchHeader, BlockHeader, BlockNumber, ChainConfig, StateKey,
};
use revm::{
    primitives::{AddressMap, HashMap},
    state::Bytecode,
};

use crate::{
    batch::BatchBuilder,
    block::{
        BlockContext, BlockError, BlockExecutor, BlockTrace, ExecuteError, ExecutedTransaction,
    },
    envelope::{DecodeTxError, decode_and_recover},
    genesis::{config_key, config_value},
    input::{BatchInput, BlockInput, DecodeInputError, Opening, Witness},
    reject::TxRejected,
    seal::{LeafValue, SealError, SealInputs, SealedBatch, prepare},
    state::{StateError, StateReader, analysed_code},
};

/// Why a batch is not valid.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The bytes are not a batch input.
    #[error("the batch input cannot be read")]
    Input(#[from] DecodeInputError),
    /// The configuration and a header name different chains.
    #[error("the batch is for chain {expected}, but the previous header is of chain {got}")]
    ForeignPrevious {
        /// The configuration's chain id.
        expected: u64,
        /// The previous header's chain id.
        got: u64,
    },
    /// The batch holds no block.
    #[error("the batch holds no block")]
    NoBlocks,
    /// The witness' entries are not in order, or its paths have another shape.
    #[error("the witness does not fit its paths")]
    Paths(#[from] MultiproofError),
    /// The witness is of another state.
    #[error("the witness has state root {got}, but the previous batch ended with {expected}")]
    StateRoot {
        /// Root in the previous header.
        expected: B256,
        /// Root of the witness.
        got: B256,
    },
    /// An entry's value or salt is not what its leaf commits to.
    #[error("the witness opens {0:?} to something else than its leaf commits to")]
    Opening(StateKey),
    /// Codes are not in ascending order of their hashes.
    #[error("code {0} of the witness is not in ascending order of hashes")]
    CodeOrder(usize),
    /// The chain has other rules.
    #[error("the configuration is not the one that the chain began with")]
    Configuration,
    /// A block does not continue the one before.
    #[error("block {number}: {field} is not the next")]
    Sequence {
        /// Number that the block claims.
        number: BlockNumber,
        /// Which part of the header.
        field: &'static str,
    },
    /// A transaction is not one that this chain takes.
    #[error("block {block}, transaction {index}: cannot be decoded")]
    Transaction {
        /// Block.
        block: BlockNumber,
        /// Position in the block.
        index: usize,
        /// Why.
        #[source]
        source: DecodeTxError,
    },
    /// A transaction cannot be included where it is.
    #[error("block {block}, transaction {index}: cannot be included")]
    Rejected {
        /// Block.
        block: BlockNumber,
        /// Position in the block.
        index: usize,
        /// Why.
        #[source]
        source: TxRejected,
    },
    /// The witness lacks an entry, or the machine failed.
    #[error("block {block}: cannot be executed")]
    Block {
        /// Block.
        block: BlockNumber,
        /// Why.
        #[source]
        source: BlockError,
    },
    /// Execution arrived at another header.
    #[error("block {}: execution arrives at another header than claimed", claimed.number)]
    Header {
        /// The header in the input.
        claimed: alloc::boxed::Box<BlockHeader>,
        /// The header by execution.
        executed: alloc::boxed::Box<BlockHeader>,
    },
    /// The witness holds an entry that execution never touched.
    #[error("the witness holds {0:?}, which the batch does not touch")]
    ExtraOpening(StateKey),
    /// The witness holds code that never ran.
    #[error("the witness holds code {0}, which the batch does not run")]
    ExtraCode(B256),
    /// The header could not be made.
    #[error("the batch cannot be sealed")]
    Seal(#[from] SealError),
    /// The tree could not be updated.
    #[error("the witness lacks paths")]
    Tree(#[from] PartialTreeError),
}

impl BatchError {
    /// The error's class, from 10 to 26: the code with which the guest ends.
    #[must_use]
    pub const fn class(&self) -> u8 {
        match self {
            Self::Input(_) => 10,
            Self::ForeignPrevious { .. } => 11,
            Self::NoBlocks => 12,
            Self::Paths(_) => 13,
            Self::StateRoot { .. } => 14,
            Self::Opening(_) => 15,
            Self::CodeOrder(_) => 16,
            Self::Configuration => 17,
            Self::Sequence { .. } => 18,
            Self::Transaction { .. } => 19,
            Self::Rejected { .. } => 20,
            Self::Block { .. } => 21,
            Self::Header { .. } => 22,
            Self::ExtraOpening(_) => 23,
            Self::ExtraCode(_) => 24,
            Self::Seal(_) => 25,
            Self::Tree(_) => 26,
        }
    }
}

/// A valid batch.
#[derive(Clone, Debug)]
pub struct BatchOutput {
    /// The sealed batch, with its header.
    pub batch: SealedBatch,
    /// Its blocks' transactions with what they did.
    pub blocks: Vec<Vec<ExecutedTransaction>>,
}

impl BatchOutput {
    /// The batch's header.
    #[must_use]
    pub const fn header(&self) -> &BatchHeader {
        &self.batch.header
    }
}

/// Decodes and executes a batch.
///
/// # Errors
/// [`BatchError`] for whatever is not a valid batch.
pub fn execute_encoded(
    input: &Bytes,
    crypto: &impl CryptoProvider,
) -> Result<BatchOutput, BatchError> {
    execute_batch(&BatchInput::decode(input)?, crypto)
}

/// Executes a batch over its witness, checks all of it and computes its header.
///
/// # Errors
/// [`BatchError`] for whatever is not a valid batch.
pub fn execute_batch(
    input: &BatchInput,
    crypto: &impl CryptoProvider,
) -> Result<BatchOutput, BatchError> {
    let BatchInput {
        config,
        previous,
        policy_root,
        audit_head,
        batch_key,
        blocks,
        witness,
    } = input;
    if previous.chain_id != config.chain_id {
        let (expected, got) = (config.chain_id, previous.chain_id);
        return Err(BatchError::ForeignPrevious { expected, got });
    }
    if blocks.is_empty() {
        return Err(BatchError::NoBlocks);
    }
    let (mut tree, mut state) = open(witness, previous)?;
    if state
        .storage(
            &crate::genesis::CONFIG_ADDRESS,
            &crate::genesis::CONFIG_SLOT,
        )
        .ok()
        != Some(config_value(config))
    {
        return Err(BatchError::Configuration);
    }
    let mut batch = BatchBuilder::new();
    let mut executed = Vec::with_capacity(blocks.len());
    let mut parent = Parent::of(previous);
    for block in blocks {
        let transactions = execute_block(config, &parent, block, &mut state, &mut batch, crypto)?;
        executed.push(transactions);
        parent = Parent {
            number: block.header.number,
            hash: block.header.hash(),
            timestamp: block.header.timestamp,
        };
    }
    refuse_extras(witness, &state, &batch)?;
    let salter = BatchSalter::new(batch_key);
    let inputs = SealInputs {
        config,
        previous: Some(previous),
        policy_root: *policy_root,
        audit_head: *audit_head,
        salter: &salter,
    };
    let prepared = prepare(&inputs, &batch, |address| state.activity(address))?;
    let root = tree.update(&prepared.tree_changes())?;
    Ok(BatchOutput {
        batch: prepared.seal(root),
        blocks: executed,
    })
}

/// The block that the next one must continue.
struct Parent {
    number: BlockNumber,
    hash: B256,
    timestamp: u64,
}

impl Parent {
    const fn of(previous: &BatchHeader) -> Self {
        let private = &previous.private;
        Self {
            number: private.last_block,
            hash: private.last_block_hash,
            timestamp: private.timestamp,
        }
    }

    fn check(&self, header: &BlockHeader) -> Result<(), BatchError> {
        let number = header.number;
        let check = |holds: bool, field| {
            if holds {
                Ok(())
            } else {
                Err(BatchError::Sequence { number, field })
            }
        };
        check(Some(number) == self.number.next(), "its number")?;
        check(header.parent_hash == self.hash, "its parent hash")?;
        check(header.timestamp >= self.timestamp, "its timestamp")
    }
}

fn execute_block(
    config: &ChainConfig,
    parent: &Parent,
    block: &BlockInput,
    state: &mut WitnessState,
    batch: &mut BatchBuilder,
    crypto: &impl CryptoProvider,
) -> Result<Vec<ExecutedTransaction>, BatchError> {
    let BlockInput {
        header: claimed,
        transactions,
    } = block;
    parent.check(claimed)?;
    let number = claimed.number;
    let failed = |source| BatchError::Block {
        block: number,
        source,
    };
    let context = BlockContext {
        number,
        parent_hash: parent.hash,
        timestamp: claimed.timestamp,
        beneficiary: claimed.beneficiary,
    };
    let mut executor = BlockExecutor::new(config, context, &*state).map_err(failed)?;
    for (index, raw) in transactions.iter().enumerate() {
        let tx =
            decode_and_recover(raw, config, crypto).map_err(|source| BatchError::Transaction {
                block: number,
                index,
                source,
            })?;
        executor.execute(&tx).map_err(|error| match error {
            ExecuteError::Rejected(source) => BatchError::Rejected {
                block: number,
                index,
                source,
            },
            ExecuteError::Block(source) => failed(source),
        })?;
    }
    let outcome = executor.finish();
    if outcome.header != *claimed {
        let (claimed, executed) = ((*claimed).into(), outcome.header.into());
        return Err(BatchError::Header { claimed, executed });
    }
    batch.absorb(&outcome.header, &outcome.transactions, &outcome.trace);
    state.apply(&outcome.trace);
    Ok(outcome.transactions)
}

/// Checks the witness against the previous state root and makes it readable.
fn open(
    witness: &Witness,
    previous: &BatchHeader,
) -> Result<(PartialTree, WitnessState), BatchError> {
    let Witness {
        openings,
        codes,
        multiproof,
    } = witness;
    let places: Vec<LeafKey> = openings
        .iter()
        .map(|(key, _)| LeafKey(leaf_key(key)))
        .collect();
    let tree = PartialTree::new(multiproof, &places)?;
    let (expected, got) = (previous.state_root, B256::new(tree.root()));
    if got != expected {
        return Err(BatchError::StateRoot { expected, got });
    }
    let mut state = WitnessState::default();
    for ((key, opening), place) in openings.iter().zip(&places) {
        let commit = opening.as_ref().map(|Opening { salt, value }| {
            value.with_encoding(|bytes| LeafCommit(leaf_commit(key.kind(), salt, bytes)))
        });
        let value = opening.as_ref().map(|opening| opening.value);
        if tree.get(place)? != commit || !state.insert(key, value) {
            return Err(BatchError::Opening(*key));
        }
    }
    let mut last = None;
    for (index, code) in codes.iter().enumerate() {
        let hash = keccak256(code);
        if last.is_some_and(|last| last >= hash) {
            return Err(BatchError::CodeOrder(index));
        }
        last = Some(hash);
        state.codes.insert(hash, analysed_code(code.clone()));
        state.witness_codes.push(hash);
    }
    Ok((tree, state))
}

fn refuse_extras(
    witness: &Witness,
    state: &WitnessState,
    batch: &BatchBuilder,
) -> Result<(), BatchError> {
    let needed = batch.witness_keys();
    debug_assert!(needed.contains(&config_key()));
    if let Some((key, _)) = witness
        .openings
        .iter()
        .find(|(key, _)| !needed.contains(key))
    {
        return Err(BatchError::ExtraOpening(*key));
    }
    let needed = batch.witness_codes();
    match state
        .witness_codes
        .iter()
        .find(|hash| !needed.contains(*hash))
    {
        Some(hash) => Err(BatchError::ExtraCode(*hash)),
        None => Ok(()),
    }
}

/// The opened witness, and the changes of the blocks executed so far.
#[derive(Debug, Default)]
struct WitnessState {
    accounts: AddressMap<AccountValue>,
    storage: HashMap<(Address, U256), U256>,
    activity: AddressMap<ActivityHead>,
    codes: HashMap<B256, Bytecode>,
    /// Hashes of the codes that came with the witness.
    witness_codes: Vec<B256>,
}

impl WitnessState {
    /// Takes an opened entry; answers whether its value is of the key's kind. Without a leaf it is
    /// empty or zero.
    fn insert(&mut self, key: &StateKey, value: Option<LeafValue>) -> bool {
        match (key, value) {
            (StateKey::Account(address), None) => {
                self.accounts.insert(*address, AccountValue::EMPTY);
            }
            (StateKey::Account(address), Some(LeafValue::Account(value))) => {
                self.accounts.insert(*address, value);
            }
            (StateKey::Storage(address, slot), None) => {
                self.storage.insert((*address, (*slot).into()), U256::ZERO);
            }
            (StateKey::Storage(address, slot), Some(LeafValue::Storage(value))) => {
                self.storage.insert((*address, (*slot).into()), value);
            }
            (StateKey::Activity(address), None) => {
                self.activity.insert(*address, ActivityHead::default());
            }
            (StateKey::Activity(address), Some(LeafValue::Activity(value))) => {
                self.activity.insert(*address, value);
            }
            (
                StateKey::Account(_) | StateKey::Storage(..) | StateKey::Activity(_),
                Some(LeafValue::Account(_) | LeafValue::Storage(_) | LeafValue::Activity(_)),
            ) => return false,
        }
        true
    }

    fn apply(&mut self, trace: &BlockTrace) {
        for change in &trace.accounts {
            self.accounts.insert(change.address, change.after);
        }
        for change in &trace.storage {
            self.storage
                .insert((change.address, change.slot), change.after);
        }
        for (hash, code) in &trace.created_codes {
            self.codes.insert(*hash, code.clone());
        }
    }

    fn activity(&self, address: &Address) -> Result<ActivityHead, StateError> {
        let key = StateKey::Activity(*address);
        self.activity
            .get(address)
            .copied()
            .ok_or(StateError::NotInWitness(key))
    }
}

impl StateReader for WitnessState {
    fn account(&self, address: &Address) -> Result<AccountValue, StateError> {
        let key = StateKey::Account(*address);
        self.accounts
            .get(address)
            .copied()
            .ok_or(StateError::NotInWitness(key))
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, StateError> {
        let value = self.storage.get(&(*address, *slot)).copied();
        value.ok_or_else(|| StateError::NotInWitness(StateKey::Storage(*address, (*slot).into())))
    }

    fn code(&self, hash: &B256) -> Result<Bytecode, StateError> {
        self.codes
            .get(hash)
            .cloned()
            .ok_or(StateError::CodeNotInWitness(*hash))
    }
}
