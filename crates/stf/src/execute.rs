//! Execution of a whole batch over a witness: what the guest proves.
//!
//! Nothing in the input is believed. The witness must open the previous batch's state root, hold
//! every entry that execution needs and none that it does not; the blocks must continue the
//! previous batch and arrive at the headers that they claim; every transaction must be includable
//! (SSTF-2). The answer is the batch's header, or the reason why there is none; never a panic.

use alloc::vec::Vec;
use alloy_primitives::{B256, Bytes};
use cloister_crypto::{
    BatchSalter, CryptoProvider,
    activity::{CommittedTransaction, commit_transaction},
};
use cloister_state_tree::{LeafCommit, MultiproofError, PartialTreeError};
use cloister_types::{BatchHeader, BlockHeader, BlockNumber, ChainConfig, StateKey};

use crate::{
    batch::BlockRef,
    block::{BlockContext, BlockError, ExecuteError, ExecutedTransaction, Execution, MOST_ROOM},
    envelope::{DecodeTxError, decode_and_recover},
    genesis::{CONFIG_ADDRESS, CONFIG_SLOT, config_value},
    input::{BatchInput, BlockInput, DecodeInputError, Opening, Parts},
    opened::{OpenedState, Openings},
    reject::TxRejected,
    seal::{SealError, SealInputs, activity_entries, header},
    table::Seed,
};
use revm::Database as _;

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
    header: BatchHeader,
    /// What it writes to the tree: positions among the witness' entries, ascending, and what is
    /// there from then on.
    pub writes: Vec<(usize, LeafCommit)>,
    /// Its transactions' leaves and log commitments, in order.
    pub transactions: Vec<CommittedTransaction>,
}

impl BatchOutput {
    /// The batch's header.
    #[must_use]
    pub const fn header(&self) -> &BatchHeader {
        &self.header
    }
}

/// Executes a batch over its witness, checks all of it and computes its header.
///
/// # Errors
/// [`BatchError`] for whatever is not a valid batch.
pub fn execute_batch(
    input: &BatchInput,
    crypto: &impl CryptoProvider,
) -> Result<BatchOutput, BatchError> {
    // An encoding cannot say that an entry holds what its key does not.
    let is_other = |(key, opening): &&(StateKey, Option<Opening>)| {
        opening.is_some_and(|opening| opening.value.kind() != key.kind())
    };
    if let Some((key, _)) = input.witness.openings.iter().find(is_other) {
        return Err(BatchError::Opening(*key));
    }
    execute_encoded(&input.encode().into(), crypto)
}

/// As [`execute_batch`], of a batch as it is encoded: the state's entries are read once, into the
/// form in which they are executed over.
///
/// # Errors
/// [`BatchError`] for whatever is not a valid batch.
pub fn execute_encoded(
    input: &Bytes,
    crypto: &impl CryptoProvider,
) -> Result<BatchOutput, BatchError> {
    let Parts {
        config,
        previous,
        policy_root,
        audit_head,
        batch_key,
        blocks,
        openings,
        codes,
        multiproof,
    } = Parts::decode(input, |reader, count, batch_key| {
        // Nobody but the operator and its provers knows the key.
        Openings::read(reader, count, Seed::of_secret(batch_key.expose()))
    })?;
    let config = &config;
    if previous.chain_id != config.chain_id {
        let (expected, got) = (config.chain_id, previous.chain_id);
        return Err(BatchError::ForeignPrevious { expected, got });
    }
    if blocks.is_empty() {
        return Err(BatchError::NoBlocks);
    }
    let (mut tree, mut state) = openings.open(&multiproof, codes, &previous)?;
    if state.storage(CONFIG_ADDRESS, CONFIG_SLOT).ok() != Some(config_value(config)) {
        return Err(BatchError::Configuration);
    }
    let salter = BatchSalter::new(&batch_key);
    let mut parent = Parent::of(&previous);
    let mut first = None;
    let count: usize = blocks.iter().map(|block| block.transactions.len()).sum();
    let mut transactions = Vec::with_capacity(count.min(MOST_ROOM));
    let mut execution = Execution::new(config, state, ());
    for block in &blocks {
        for tx in &execute_block(config, &parent, block, &mut execution, crypto)? {
            let committed = commit_transaction(&tx.fields, &salter);
            activity_entries(
                &tx.fields.logs,
                &tx.concerned,
                &committed,
                |address, entry| execution.state().extend_chain(address, entry),
            )
            .map_err(SealError::State)?;
            transactions.push(committed);
        }
        parent = Parent::is(&block.header);
        first.get_or_insert(parent);
    }
    let writes = execution.state().finish(&tree, &salter)?;
    let inputs = SealInputs {
        config,
        previous: Some(&previous),
        policy_root,
        audit_head,
        salter: &salter,
    };
    let first = first.ok_or(BatchError::NoBlocks)?;
    let mut header = header(&inputs, first, parent, &transactions)?;
    let commits = writes.iter().map(|(position, commit)| (*position, commit));
    header.state_root = B256::new(tree.write(commits)?);
    Ok(BatchOutput {
        header,
        writes,
        transactions,
    })
}

/// The block that the next one must continue.
type Parent = BlockRef;

impl Parent {
    const fn of(previous: &BatchHeader) -> Self {
        let private = &previous.private;
        Self {
            number: private.last_block,
            hash: private.last_block_hash,
            timestamp: private.timestamp,
        }
    }

    fn is(header: &BlockHeader) -> Self {
        Self {
            number: header.number,
            hash: header.hash(),
            timestamp: header.timestamp,
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
    execution: &mut Execution<OpenedState, ()>,
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
    execution
        .begin(config, context, transactions.len())
        .map_err(failed)?;
    for (index, raw) in transactions.iter().enumerate() {
        let tx =
            decode_and_recover(raw, config, crypto).map_err(|source| BatchError::Transaction {
                block: number,
                index,
                source,
            })?;
        execution.execute(tx).map_err(|error| match error {
            ExecuteError::Rejected(source) => BatchError::Rejected {
                block: number,
                index,
                source,
            },
            ExecuteError::Block(source) => failed(source),
        })?;
    }
    let (executed, transactions) = execution.end();
    if executed != *claimed {
        let (claimed, executed) = ((*claimed).into(), executed.into());
        return Err(BatchError::Header { claimed, executed });
    }
    Ok(transactions)
}
