//! Seals closed batches, one after another, off the critical path.
//!
//! ```text
//!  closed batch ─► openings before it ─► header ─► witness ─► execute again ─┬─ same ─► write ─► show
//!                                                                            └─ other ─► halt, alarm
//! ```
//!
//! Nothing of a batch is written before its second execution, over nothing but the witness, came to
//! the same header (SSQ-7): a sealed batch is one that a prover can prove.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use alloy_primitives::{B256, Bytes};
use cloister_crypto::{NativeCrypto, audit::combined_head, state::leaf_key};
use cloister_service_kit::{Check, Shutdown};
use cloister_state_tree::{LeafKey, Multiproof, Tree, TreeError, TreeUpdate};
use cloister_stf::{
    BatchBuilder, BatchError, BatchInput, BlockInput, LeafValue, Opening, SealError, SealInputs,
    StateError, WitnessError, WitnessSource, build_witness, cost::BatchMeter, execute_encoded,
    seal,
};
use cloister_store_pg::tree::{PageReadError, PgPageStore};
use cloister_types::{ActivityHead, BatchHeader, BatchNumber, Clock, DecodeError, StateKey};
use tokio::sync::watch;

use super::{
    audit_heads::AuditHeads,
    batch_policy::{CostModel, absorb, tree_leaves},
    chain::Chain,
    committer::{Unresolved, resolve},
    model::Batch,
    openings::{self, Openings},
    rules::Rules,
    seal_queue::{PendingBatch, SealQueue},
    state::State,
};
use crate::{
    error::chain as causes,
    metrics,
    store::{LeafRow, SealedBatch, Store, StoreError, tree_is_transient},
};

/// Pause before a step that failed for want of the database is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// The chain's state tree.
pub(crate) type StateTree = Tree<PgPageStore>;

/// Why a batch was not sealed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealFailure {
    /// The database failed.
    #[error("the database failed while a batch was sealed")]
    Store(#[from] StoreError),
    /// The tree could not be read.
    #[error("the state tree failed")]
    Tree(#[from] TreeError<PageReadError>),
    /// The witness could not be built.
    #[error("the witness could not be built")]
    Witness(#[source] WitnessError<TreeError<PageReadError>>),
    /// An opening in the database cannot be read.
    #[error("an opening cannot be read")]
    Opening(#[from] DecodeError),
    /// The header could not be made.
    #[error("the batch has no header")]
    Seal(#[from] SealError),
    /// The second execution refused the batch.
    #[error("the second execution refuses the batch")]
    Refused(#[from] BatchError),
    /// The second execution came to another header.
    #[error("the second execution comes to batch hash `{got}`, sealing came to `{expected}`")]
    Different {
        /// By sealing.
        expected: B256,
        /// By the second execution.
        got: B256,
    },
    /// The batch is not the one after the last sealed one.
    #[error("batch {got} cannot be sealed after batch {sealed}")]
    OutOfOrder {
        /// The last sealed batch.
        sealed: u64,
        /// The batch.
        got: u64,
    },
    /// Another batch with this number is in the database.
    #[error("another batch `{got}` with this number is in the database")]
    OtherBatch {
        /// What is there.
        got: B256,
    },
    /// Sealing panicked.
    #[error("sealing failed unexpectedly")]
    Panic(#[from] tokio::task::JoinError),
}

impl SealFailure {
    /// Whether waiting may help.
    fn is_transient(&self) -> bool {
        match self {
            Self::Store(error) => error.is_transient(),
            Self::Tree(error) | Self::Witness(WitnessError(error)) => tree_is_transient(error),
            Self::Opening(_)
            | Self::Seal(_)
            | Self::Refused(_)
            | Self::Different { .. }
            | Self::OutOfOrder { .. }
            | Self::OtherBatch { .. }
            | Self::Panic(_) => false,
        }
    }
}

/// The sealer's parts.
#[derive(Debug)]
pub(crate) struct Sealer {
    /// The chain's rules.
    pub rules: Arc<Rules>,
    /// The database.
    pub store: Store,
    /// The writer term of this process.
    pub term: i64,
    /// The state tree at the last sealed batch.
    pub tree: Arc<StateTree>,
    /// What readers see.
    pub chain: Arc<Chain>,
    /// Closed batches.
    pub queue: Arc<SealQueue>,
    /// Heads of the audit ledgers.
    pub audit_heads: Arc<AuditHeads>,
    /// Digest of the policies in force.
    pub policy_root: B256,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Estimates what a batch costs in the guest.
    pub costs: CostModel,
    /// Tells operators that sealing halted.
    pub check: Check,
}

impl Sealer {
    /// Runs until the service stops. A batch that cannot be sealed halts sealing, raises the alarm
    /// and leaves the rest of the service answering.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        metrics::sealing_halted(false);
        self.check.ready();
        while let Some(batch) = shutdown.unless_stopping(self.queue.next()).await {
            match self.seal(&batch).await {
                Ok(()) => self.check.ready(),
                Err(failure) if failure.is_transient() => {
                    tracing::warn!(
                        batch = batch.number,
                        error = causes(&failure),
                        "a batch waits for the database"
                    );
                    tokio::time::sleep(PAUSE).await;
                }
                Err(failure) => {
                    self.halt(batch.number, &failure);
                    shutdown.stopping().await;
                }
            }
        }
    }

    fn halt(&self, number: u64, failure: &SealFailure) {
        let reason = causes(failure);
        tracing::error!(
            batch = number,
            error = reason,
            "sealing halted: no batch is sealed any more"
        );
        metrics::sealing_halted(true);
        self.check
            .not_ready(format!("batch {number} cannot be sealed: {reason}"));
    }

    async fn seal(&self, batch: &Arc<PendingBatch>) -> Result<(), SealFailure> {
        let timer = metrics::seal_timer();
        let sealed = self.chain.sealed();
        if batch.number != sealed.number().saturating_add(1) {
            return Err(SealFailure::OutOfOrder {
                sealed: sealed.number(),
                got: batch.number,
            });
        }
        let collected = collect(Arc::clone(batch)).await?;
        let before = self.openings(&collected, sealed.number()).await?;
        let work = Work {
            rules: Arc::clone(&self.rules),
            tree: Arc::clone(&self.tree),
            previous: sealed.header,
            policy_root: self.policy_root,
            audit_head: self.audit_head(),
            sealed_at: self.clock.now().seconds(),
            costs: self.costs,
            batch: Arc::clone(batch),
            collected,
            before,
        };
        let rows = tokio::task::spawn_blocking(move || work.compute()).await??;
        self.write(&rows).await?;
        let SealedBatch {
            batch: sealed,
            tree,
            instructions,
            ..
        } = rows;
        self.tree.commit(tree)?;
        let number = sealed.number();
        let transactions = sealed.header.private.transaction_count;
        tracing::info!(batch = number, transactions, instructions, "batch sealed");
        self.chain.publish_sealed(sealed);
        self.queue.sealed(number);
        metrics::batch_sealed(number, self.queue.len(), instructions);
        timer.done();
        Ok(())
    }

    /// What the batch depends on, as the last sealed batch left it.
    async fn openings(
        &self,
        collected: &BatchBuilder,
        version: u64,
    ) -> Result<Openings, SealFailure> {
        let keys: Vec<StateKey> = collected.witness_keys().into_iter().collect();
        Ok(openings::read(&self.store, &self.rules.salter, version, &keys).await?)
    }

    fn audit_head(&self) -> B256 {
        let heads: BTreeMap<String, (u64, B256)> = self
            .audit_heads
            .snapshot()
            .into_iter()
            .map(|(ledger, head)| (ledger, (head.count, head.head)))
            .collect();
        combined_head(&heads)
    }

    async fn write(&self, rows: &SealedBatch) -> Result<(), SealFailure> {
        let number = rows.batch.number();
        let write = || self.store.write_batch(rows, self.term);
        let read_back = || async { Ok(self.store.batch(number).await?.map(|batch| batch.hash)) };
        // Blocks have their own signal of availability.
        let (available, _) = watch::channel(true);
        match resolve(write, read_back, rows.batch.hash, &available).await {
            Ok(()) => Ok(()),
            Err(Unresolved::Store(error)) => Err(error.into()),
            Err(Unresolved::Other(got)) => Err(SealFailure::OtherBatch { got }),
        }
    }
}

/// Joins the blocks of a batch.
async fn collect(batch: Arc<PendingBatch>) -> Result<BatchBuilder, SealFailure> {
    let work = move || {
        let mut builder = BatchBuilder::new();
        for block in &batch.blocks {
            let outcome = &block.outcome;
            builder.absorb(&outcome.header, &outcome.transactions, &outcome.trace);
        }
        builder
    };
    Ok(tokio::task::spawn_blocking(work).await?)
}

/// Everything that sealing computes from.
struct Work {
    rules: Arc<Rules>,
    tree: Arc<StateTree>,
    previous: BatchHeader,
    policy_root: B256,
    audit_head: B256,
    sealed_at: u64,
    costs: CostModel,
    batch: Arc<PendingBatch>,
    collected: BatchBuilder,
    before: Openings,
}

impl Work {
    fn compute(self) -> Result<SealedBatch, SealFailure> {
        let number = BatchNumber(self.batch.number);
        let salter = self.rules.salter.batch(number);
        let inputs = SealInputs {
            config: &self.rules.config,
            previous: Some(&self.previous),
            policy_root: self.policy_root,
            audit_head: self.audit_head,
            salter: &salter,
        };
        let prepared = seal::prepare(&inputs, &self.collected, |address| {
            self.before.activity(address)
        })?;
        let update = self.tree.update(number.0, &prepared.tree_changes())?;
        let sealed = prepared.seal(update.root());
        let input = self.input()?;
        let expected = sealed.header.hash();
        let again = execute_encoded(&input, &NativeCrypto)?;
        if *again.header() != sealed.header {
            return Err(SealFailure::Different {
                expected,
                got: again.header().hash(),
            });
        }
        let cost = Some((input.to_vec(), self.instructions()));
        Ok(rows(&sealed, self.sealed_at, cost, update))
    }

    /// What the guest is estimated to need.
    fn instructions(&self) -> u64 {
        let mut meter = BatchMeter::default();
        let state = &self.batch.state_after;
        for block in &self.batch.blocks {
            absorb(&mut meter, &block.outcome, &block.work, state);
        }
        self.costs
            .table
            .instructions(&meter.work(tree_leaves(state)))
    }

    fn input(&self) -> Result<Bytes, SealFailure> {
        let source = Source {
            tree: &self.tree,
            version: self.previous.number.0,
            before: &self.before,
            state: &self.batch.state_after,
        };
        let witness = build_witness(&self.collected, &source).map_err(SealFailure::Witness)?;
        let blocks = self
            .batch
            .blocks
            .iter()
            .map(|block| BlockInput {
                header: block.block.header,
                transactions: block
                    .block
                    .transactions
                    .iter()
                    .map(|one| one.raw.clone())
                    .collect(),
            })
            .collect();
        let input = BatchInput {
            config: self.rules.config,
            previous: self.previous,
            policy_root: self.policy_root,
            audit_head: self.audit_head,
            batch_key: self.rules.salter.batch_key(BatchNumber(self.batch.number)),
            blocks,
            witness,
        };
        Ok(input.encode().into())
    }
}

/// The rows of a sealed batch. `proving` is its input with the instructions that the guest is
/// estimated to need; genesis is not proved.
pub(crate) fn rows(
    sealed: &seal::SealedBatch,
    sealed_at: u64,
    proving: Option<(Vec<u8>, u64)>,
    tree: TreeUpdate,
) -> SealedBatch {
    let version = sealed.header.number.0;
    let (input, instructions) = proving.unzip();
    SealedBatch {
        batch: Batch {
            header: sealed.header,
            hash: sealed.header.hash(),
            sealed_at,
        },
        transaction_leaves: sealed.transactions.iter().map(|one| one.leaf).collect(),
        input,
        instructions,
        leaves: sealed
            .leaves
            .iter()
            .map(|leaf| {
                (
                    leaf.leaf_key,
                    LeafRow {
                        key: leaf.key,
                        value: leaf.value,
                        version,
                    },
                )
            })
            .collect(),
        tree,
    }
}

/// The state and tree before a batch.
struct Source<'a> {
    tree: &'a StateTree,
    version: u64,
    before: &'a Openings,
    state: &'a State,
}

impl WitnessSource for Source<'_> {
    type Error = TreeError<PageReadError>;

    fn opening(&self, _key: &StateKey, leaf_key: &LeafKey) -> Result<Option<Opening>, Self::Error> {
        Ok(self.before.get(leaf_key))
    }

    fn code(&self, hash: &B256) -> Result<Bytes, Self::Error> {
        Ok(self.state.code_bytes(hash))
    }

    fn multiproof(&self, keys: &[LeafKey]) -> Result<Multiproof, Self::Error> {
        self.tree.multiproof(self.version, keys)
    }
}

impl Openings {
    fn activity(&self, address: &alloy_primitives::Address) -> Result<ActivityHead, StateError> {
        let key = StateKey::Activity(*address);
        match self
            .get(&LeafKey(leaf_key(&key)))
            .map(|opening| opening.value)
        {
            Some(LeafValue::Activity(head)) => Ok(head),
            Some(_) => Err(StateError::NotInWitness(key)),
            None => Ok(ActivityHead::default()),
        }
    }
}
