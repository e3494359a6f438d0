//! A chain in memory: state, tree, blocks and sealed batches, each batch with the input that its
//! proof is about.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256, Bytes};
use anyhow::{Context as _, Result, anyhow};
use cloister_crypto::{NativeCrypto, Salter, StateSecret, state::leaf_key};
use cloister_state_tree::{LeafKey, MemoryStore, Multiproof, Tree};
use cloister_stf::{
    BatchBuilder, BatchInput, BlockContext, BlockExecutor, BlockInput, BlockOutcome, BlockTrace,
    DecodeTxError, ExecuteError, Genesis, LeafValue, MemoryState, Opening, SealInputs, SealedBatch,
    StateError, StateReader, TxRejected, WitnessSource, build_witness, decode_and_recover,
    seal::prepare,
};
use cloister_types::{ActivityHead, BatchHeader, BatchNumber, BlockHeader, ChainConfig, StateKey};

/// Digest of the policies in every batch.
pub const POLICY_ROOT: B256 = B256::repeat_byte(0x63);
/// Head of the audit ledgers in every batch.
pub const AUDIT_HEAD: B256 = B256::repeat_byte(0x64);

/// Why a transaction of a block was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It is not one that the chain takes.
    #[error(transparent)]
    Undecodable(#[from] DecodeTxError),
    /// It cannot be included where it is.
    #[error("{reason}")]
    Rejected {
        /// Why.
        reason: TxRejected,
        /// Who signed it.
        sender: Address,
    },
}

impl Refusal {
    /// Stable name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Undecodable(error) => error.code(),
            Self::Rejected { reason, .. } => reason.code(),
        }
    }
}

/// What came of a block.
#[derive(Debug)]
pub enum BlockResult {
    /// All transactions were taken.
    Executed(Box<BlockOutcome>),
    /// One was not.
    Refused(Refusal),
}

/// A sequencer in memory.
#[derive(Debug)]
pub struct Chain {
    /// The chain's rules.
    pub config: ChainConfig,
    /// State at the head.
    pub state: MemoryState,
    /// Head.
    pub head: BlockHeader,
    /// Last sealed batch.
    pub sealed: BatchHeader,
    salter: Salter,
    open: BatchBuilder,
    blocks: Vec<BlockInput>,
    sealed_state: MemoryState,
    activity: BTreeMap<Address, ActivityHead>,
    versions: BTreeMap<StateKey, BatchNumber>,
    tree: Tree<MemoryStore>,
}

impl Chain {
    /// A chain whose batch 0 is this genesis.
    ///
    /// # Errors
    /// When it cannot be sealed.
    pub fn start(config: ChainConfig, genesis: &Genesis) -> Result<Self> {
        let mut chain = Self {
            config,
            state: MemoryState::from_genesis(genesis),
            head: genesis.block,
            sealed: BatchHeader::default(),
            salter: Salter::new(&StateSecret::new([9; 32])),
            open: BatchBuilder::genesis(genesis),
            blocks: Vec::new(),
            sealed_state: MemoryState::default(),
            activity: BTreeMap::new(),
            versions: BTreeMap::new(),
            tree: Tree::new(MemoryStore::new()),
        };
        chain.commit(None)?;
        Ok(chain)
    }

    /// Takes another block as the last of the sealed batch, so that the next block has the number,
    /// time and parent that a test wants. Only before the first block.
    pub fn pretend_parent(&mut self, parent: &BlockContext, hash: B256) {
        self.sealed.private.last_block = parent.number;
        self.sealed.private.timestamp = parent.timestamp;
        self.sealed.private.last_block_hash = hash;
    }

    /// Executes a block and makes it the head; a refused transaction leaves all as it was.
    ///
    /// # Errors
    /// When execution itself fails.
    pub fn block(&mut self, context: BlockContext, raws: &[Bytes]) -> Result<BlockResult> {
        let mut executor = BlockExecutor::new(&self.config, context, &self.state)?;
        for raw in raws {
            let tx = match decode_and_recover(raw, &self.config, &NativeCrypto) {
                Ok(tx) => tx,
                Err(error) => return Ok(BlockResult::Refused(error.into())),
            };
            match executor.execute(&tx) {
                Ok(_) => {}
                Err(ExecuteError::Rejected(reason)) => {
                    let sender = *tx.sender();
                    return Ok(BlockResult::Refused(Refusal::Rejected { reason, sender }));
                }
                Err(ExecuteError::Block(error)) => return Err(error.into()),
            }
        }
        let outcome = executor.finish();
        self.open
            .absorb(&outcome.header, &outcome.transactions, &outcome.trace);
        self.state.apply(&outcome.trace);
        self.head = outcome.header;
        self.blocks.push(BlockInput {
            header: outcome.header,
            transactions: raws.to_vec(),
        });
        Ok(BlockResult::Executed(Box::new(outcome)))
    }

    /// Executes a block of which every transaction must be taken.
    ///
    /// # Errors
    /// When one is not, or execution fails.
    pub fn block_of(&mut self, raws: &[Bytes]) -> Result<BlockOutcome> {
        let context = BlockContext::child_of(&self.head, self.head.timestamp.saturating_add(1));
        match self.block(context, raws)? {
            BlockResult::Executed(outcome) => Ok(*outcome),
            BlockResult::Refused(refusal) => Err(anyhow!("{}: {refusal}", refusal.code())),
        }
    }

    /// Seals the open batch: the input of its proof, and what the sequencer made of it.
    ///
    /// # Errors
    /// When it cannot be sealed.
    pub fn seal(&mut self) -> Result<(BatchInput, SealedBatch)> {
        let blocks = std::mem::take(&mut self.blocks);
        let input = self.input(&self.open, blocks)?;
        let previous = self.sealed;
        Ok((input, self.commit(Some(&previous))?))
    }

    /// The input of a batch of one block that holds a transaction which is refused, with all that
    /// the refusal looks at.
    ///
    /// # Errors
    /// When the witness cannot be built.
    pub fn refused_input(
        &self,
        context: &BlockContext,
        raw: &Bytes,
        refusal: &Refusal,
    ) -> Result<BatchInput> {
        let empty = BlockExecutor::new(&self.config, *context, &self.state)?.finish();
        let mut batch = self.open.clone();
        batch.absorb(&empty.header, &[], &empty.trace);
        if let Refusal::Rejected { sender, .. } = refusal {
            let code = self.state.account(sender)?.code_hash;
            let looked_at = BlockTrace {
                accessed: BTreeSet::from([StateKey::Account(*sender)]),
                read_codes: self
                    .state
                    .codes
                    .keys()
                    .copied()
                    .filter(|hash| *hash == code)
                    .collect(),
                ..BlockTrace::default()
            };
            batch.absorb(&empty.header, &[], &looked_at);
        }
        let block = BlockInput {
            header: empty.header,
            transactions: vec![raw.clone()],
        };
        self.input(&batch, vec![block])
    }

    fn input(&self, batch: &BatchBuilder, blocks: Vec<BlockInput>) -> Result<BatchInput> {
        let number = self
            .sealed
            .number
            .next()
            .context("no batch number is left")?;
        Ok(BatchInput {
            config: self.config,
            previous: self.sealed,
            policy_root: POLICY_ROOT,
            audit_head: AUDIT_HEAD,
            batch_key: self.salter.batch_key(number),
            blocks,
            witness: build_witness(batch, self)?,
        })
    }

    fn commit(&mut self, previous: Option<&BatchHeader>) -> Result<SealedBatch> {
        let number = match previous {
            None => BatchNumber::GENESIS,
            Some(header) => header.number.next().context("no batch number is left")?,
        };
        let inputs = SealInputs {
            config: &self.config,
            previous,
            policy_root: POLICY_ROOT,
            audit_head: AUDIT_HEAD,
            salter: &self.salter.batch(number),
        };
        let open = std::mem::take(&mut self.open);
        let prepared = prepare(&inputs, &open, |address| {
            Ok(self.activity.get(address).copied().unwrap_or_default())
        })?;
        let update = self.tree.update(number.0, &prepared.tree_changes())?;
        let sealed = prepared.seal(update.root());
        self.tree.store().insert(&update);
        self.tree.commit(update)?;
        for leaf in &sealed.leaves {
            self.versions.insert(leaf.key, number);
            if let (StateKey::Activity(address), LeafValue::Activity(head)) = (leaf.key, leaf.value)
            {
                self.activity.insert(address, head);
            }
        }
        self.sealed = sealed.header;
        self.sealed_state = self.state.clone();
        Ok(sealed)
    }

    /// Paths of these keys, sorted, after the given batch.
    ///
    /// # Errors
    /// When the tree has no such batch.
    pub fn multiproof_at(&self, batch: u64, keys: &[LeafKey]) -> Result<Multiproof> {
        Ok(self.tree.multiproof(batch, keys)?)
    }

    /// Value and salt of an entry as of the last sealed batch.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn opening_of(&self, key: &StateKey) -> Result<Option<Opening>, StateError> {
        let Some(version) = self.versions.get(key) else {
            return Ok(None);
        };
        let salt = self.salter.batch(*version).leaf_salt(&leaf_key(key));
        let state = &self.sealed_state;
        let value = match key {
            StateKey::Account(address) => LeafValue::Account(state.account(address)?),
            StateKey::Storage(address, slot) => {
                LeafValue::Storage(state.storage(address, &(*slot).into())?)
            }
            StateKey::Activity(address) => {
                LeafValue::Activity(self.activity.get(address).copied().unwrap_or_default())
            }
        };
        Ok(Some(Opening { salt, value }))
    }
}

impl WitnessSource for Chain {
    type Error = StateError;

    fn opening(&self, key: &StateKey, _: &LeafKey) -> Result<Option<Opening>, StateError> {
        self.opening_of(key)
    }

    fn code(&self, hash: &B256) -> Result<Bytes, StateError> {
        Ok(self.sealed_state.code(hash)?.original_bytes())
    }

    fn multiproof(&self, keys: &[LeafKey]) -> Result<Multiproof, StateError> {
        self.tree
            .multiproof(self.sealed.number.0, keys)
            .map_err(|error| StateError::source(error.to_string()))
    }
}
