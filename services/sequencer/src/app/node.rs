//! Everything that the interface asks of a running sequencer.

use std::{sync::Arc, time::Duration};

use alloy_primitives::{Address, B256, Bytes, U256};
use cloister_state_tree::TreeError;
use cloister_stf::{CallOutcome, CallRequest, DecodeTxError};
use cloister_store_pg::tree::PageReadError;
use cloister_types::{AccountValue, Clock, StateKey};
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    audit_heads::{AuditHead, AuditHeadError, AuditHeads},
    batch_policy::{BatchLimits, CostModel},
    builder::{Command, OpenBatch},
    call::{CallFailure, Caller, Estimate},
    chain::{Chain, Head},
    estimate_error::EstimateError,
    model::{Batch, Block, LogFilter, PlacedTransaction},
    pool::{Included, Pool},
    proofs::{self, ProvedState, ProvedTransaction},
    proving_load::{LoadReport, ProvingLoad},
    rules::Rules,
    seal_queue::SealQueue,
    sealer::StateTree,
    submit::{SubmitError, Submitter},
};
use crate::{
    config::LimitsSection,
    error::{Kind, Refusal},
    metrics,
    store::{FoundLogs, Store, StoreError, tree_is_transient},
};

/// Batches over which the error of estimates is told.
const MEASURED_BATCHES: u32 = 100;
/// How long `SealBatch` waits for the batch to be sealed.
const SEAL_TIMEOUT: Duration = Duration::from_mins(1);

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QueryError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The tree could not be read.
    #[error("the state tree could not be read")]
    Tree(#[from] TreeError<PageReadError>),
    /// The batch is not sealed, or not known.
    #[error("batch `{batch}` is not sealed: the latest is `{latest}`")]
    NotSealed {
        /// Asked for.
        batch: u64,
        /// The latest.
        latest: u64,
    },
    /// The batch has no input: it is genesis, or not sealed.
    #[error("batch `{batch}` has no input: it is genesis, or not sealed yet")]
    NoBatchInput {
        /// Asked for.
        batch: u64,
    },
    /// A durable transaction cannot be decoded.
    #[error("a stored transaction cannot be decoded")]
    Decode(#[from] DecodeTxError),
    /// Rows that belong together do not fit.
    #[error("the database holds a batch that does not fit its transactions")]
    Inconsistent,
    /// A task failed.
    #[error("the answer failed unexpectedly")]
    Panic(#[from] tokio::task::JoinError),
    /// The batch was closed, but not sealed in time.
    #[error("batch `{batch}` is closed but not sealed yet: ask again in a moment")]
    SealPending {
        /// The batch.
        batch: u64,
    },
    /// The sequencer stops.
    #[error("the sequencer is stopping: try again in a moment")]
    Stopping,
    /// An audit ledger went back.
    #[error(transparent)]
    AuditHead(#[from] AuditHeadError),
}

impl Refusal for QueryError {
    fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            Self::Tree(error) if tree_is_transient(error) => "unavailable",
            Self::NotSealed { .. } => "batch_not_sealed",
            Self::NoBatchInput { .. } => "batch_input_unknown",
            Self::SealPending { .. } | Self::Stopping => "unavailable",
            Self::AuditHead(AuditHeadError::WentBack { .. }) => "audit_head_went_back",
            Self::AuditHead(AuditHeadError::Changed { .. }) => "audit_head_changed",
            Self::Tree(_) | Self::Decode(_) | Self::Inconsistent | Self::Panic(_) => "internal",
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Store(error) => error.kind(),
            Self::Tree(error) if tree_is_transient(error) => Kind::Unavailable,
            Self::NotSealed { .. } | Self::NoBatchInput { .. } | Self::AuditHead(_) => {
                Kind::Conflict
            }
            Self::SealPending { .. } | Self::Stopping => Kind::Unavailable,
            Self::Tree(_) | Self::Decode(_) | Self::Inconsistent | Self::Panic(_) => Kind::Internal,
        }
    }
}

/// How sealing stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SealingStatus {
    /// The open batch.
    pub open: OpenBatch,
    /// Batches that are not sealed, the open one included if it holds a block.
    pub unsealed: usize,
    /// The limits in force.
    pub limits: BatchLimits,
    /// By how much the age limit is stretched, in thousandths of itself.
    pub age_stretch_permille: u32,
    /// How instructions are estimated.
    pub costs: CostModel,
    /// How far estimates were off lately.
    pub error: EstimateError,
    /// The prover's last report, if it still holds.
    pub load: Option<LoadReport>,
}

/// A running sequencer.
#[derive(Debug)]
pub(crate) struct Node {
    /// The chain's rules.
    pub rules: Arc<Rules>,
    /// Batch 0.
    pub genesis: Batch,
    /// Digest of the policies in force.
    pub policy_root: B256,
    /// Limits of one call.
    pub limits: LimitsSection,
    /// The database.
    pub store: Store,
    /// What readers see.
    pub chain: Arc<Chain>,
    /// The state tree.
    pub tree: Arc<StateTree>,
    /// Where transactions wait.
    pub pool: Arc<Pool>,
    /// Admits transactions.
    pub submitter: Submitter,
    /// Executes calls.
    pub caller: Caller,
    /// Heads of the audit ledgers.
    pub audit_heads: Arc<AuditHeads>,
    /// The builder.
    pub commands: mpsc::Sender<Command>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Batches that are not sealed yet.
    pub queue: Arc<SealQueue>,
    /// The batch that the builder fills.
    pub open: watch::Receiver<OpenBatch>,
    /// Limits of a batch as configured.
    pub batch_limits: BatchLimits,
    /// How instructions are estimated.
    pub costs: CostModel,
    /// How far proving is behind.
    pub load: Arc<ProvingLoad>,
}

impl Node {
    /// What readers see.
    pub(crate) fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The chain's rules.
    pub(crate) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Batch 0.
    pub(crate) fn genesis(&self) -> &Batch {
        &self.genesis
    }

    /// Digest of the policies in force.
    pub(crate) fn policy_root(&self) -> B256 {
        self.policy_root
    }

    /// Limits of one call.
    pub(crate) fn limits(&self) -> &LimitsSection {
        &self.limits
    }

    /// See [`Submitter::submit`].
    pub(crate) async fn submit(&self, raw: Bytes) -> Result<Included, SubmitError> {
        self.submitter.submit(raw).await
    }

    /// See [`Caller::call`].
    pub(crate) async fn call(
        &self,
        request: CallRequest,
    ) -> Result<(Arc<Head>, CallOutcome), CallFailure> {
        self.caller.call(request).await
    }

    /// See [`Caller::estimate`].
    pub(crate) async fn estimate(
        &self,
        request: CallRequest,
    ) -> Result<(Arc<Head>, Estimate), CallFailure> {
        self.caller.estimate(request).await
    }

    /// An account with its code at the latest block; with `pending`, its nonce counts what waits.
    pub(crate) fn account(&self, address: &Address, pending: bool) -> (AccountValue, Bytes) {
        let head = self.chain.head();
        let mut value = head.state.account(address);
        if pending && let Some(nonce) = self.pool.lock().pending_nonce(address) {
            value.nonce = value.nonce.max(nonce);
        }
        (value, head.state.code_bytes(&value.code_hash))
    }

    /// A storage slot at the latest block.
    pub(crate) fn storage(&self, address: &Address, slot: &B256) -> U256 {
        self.chain
            .head()
            .state
            .slot(address, &U256::from_be_bytes(slot.0))
    }

    /// A durable transaction.
    pub(crate) async fn transaction(
        &self,
        hash: &B256,
    ) -> Result<Option<PlacedTransaction>, StoreError> {
        self.store.transaction(hash).await
    }

    /// A durable block.
    pub(crate) async fn block(&self, number: u64) -> Result<Option<Arc<Block>>, StoreError> {
        if number > self.chain.head().number {
            return Ok(None);
        }
        if let Some(block) = self.chain.recent(number) {
            return Ok(Some(block));
        }
        Ok(self.store.block(number).await?.map(Arc::new))
    }

    /// A durable block by its hash.
    pub(crate) async fn block_by_hash(
        &self,
        hash: &B256,
    ) -> Result<Option<Arc<Block>>, StoreError> {
        Ok(self.store.block_by_hash(hash).await?.map(Arc::new))
    }

    /// Logs by filter.
    pub(crate) async fn logs(&self, filter: &LogFilter) -> Result<FoundLogs, StoreError> {
        self.store.logs(filter).await
    }

    /// A sealed batch.
    pub(crate) async fn batch(&self, number: u64) -> Result<Option<Batch>, StoreError> {
        self.store.batch(number).await
    }

    /// The sealed batch that holds a block.
    pub(crate) async fn batch_of_block(&self, block: u64) -> Result<Option<Batch>, StoreError> {
        self.store.batch_of_block(block).await
    }

    /// Sealed batches from a number on.
    pub(crate) async fn batches_from(
        &self,
        number: u64,
        limit: u32,
    ) -> Result<Vec<Batch>, StoreError> {
        self.store.batches_from(number, limit).await
    }

    /// Part of a batch's encoded input.
    pub(crate) async fn batch_input_part(
        &self,
        batch: u64,
        offset: usize,
        length: usize,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.batch_input_part(batch, offset, length).await
    }

    /// Proves state entries at a sealed batch.
    pub(crate) async fn state_proof(
        &self,
        number: u64,
        keys: &[StateKey],
    ) -> Result<ProvedState, QueryError> {
        let latest = self.chain.sealed().number();
        let batch = match self.store.batch(number).await? {
            Some(batch) if number <= latest => batch,
            Some(_) | None => {
                return Err(QueryError::NotSealed {
                    batch: number,
                    latest,
                });
            }
        };
        let salter = &self.rules.salter;
        proofs::state(&self.store, &self.tree, salter, batch, keys).await
    }

    /// Proves a transaction; `None` when it is unknown or its batch is not sealed.
    pub(crate) async fn transaction_proof(
        &self,
        hash: &B256,
    ) -> Result<Option<ProvedTransaction>, QueryError> {
        let store = &self.store;
        let Some(transaction) = store.transaction(hash).await? else {
            return Ok(None);
        };
        let Some(batch) = store.batch(transaction.block.batch).await? else {
            return Ok(None);
        };
        proofs::transaction(store, &self.rules, batch, transaction)
            .await
            .map(Some)
    }

    /// Records the head of a service's audit ledger.
    pub(crate) async fn anchor(&self, ledger: &str, head: AuditHead) -> Result<(), QueryError> {
        self.audit_heads.check(ledger, head)?;
        let recorded = self.store.put_audit_head(ledger, head).await?;
        self.audit_heads.record(ledger, recorded);
        // Another report may have come between: then this one is judged against it.
        Ok(self.audit_heads.check(ledger, head)?)
    }

    /// The present time in UNIX milliseconds.
    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.now().0
    }

    /// Takes the prover's report with what it measured, by number of the batch; answers by how much
    /// the age limit of a batch is stretched now, in thousandths of itself.
    pub(crate) async fn report_load(
        &self,
        report: LoadReport,
        measured: &[(u64, u64)],
    ) -> Result<u32, StoreError> {
        self.load.report(report);
        for (batch, measured) in measured {
            if let Some(estimated) = self.store.put_measured(*batch, *measured).await? {
                metrics::batch_measured(estimated, *measured);
            }
        }
        Ok(self.load.stretch_permille(report.reported_at_ms))
    }

    /// How sealing stands.
    pub(crate) async fn sealing_status(&self) -> Result<SealingStatus, StoreError> {
        let measured = self.store.measured(MEASURED_BATCHES).await?;
        let now_ms = self.now_ms();
        let age_stretch_permille = self.load.stretch_permille(now_ms);
        Ok(SealingStatus {
            open: *self.open.borrow(),
            unsealed: self.queue.len(),
            limits: self.batch_limits.stretched(age_stretch_permille),
            age_stretch_permille,
            costs: self.costs,
            error: EstimateError::of(&measured),
            load: self.load.live(now_ms),
        })
    }

    /// Closes the open batch if it has blocks, and waits until the latest block's batch is sealed.
    pub(crate) async fn seal_now(&self) -> Result<u64, QueryError> {
        let mut sealed = self.chain.watch_sealed();
        let (answer, number) = oneshot::channel();
        let command = Command::CloseBatch(answer);
        self.commands
            .send(command)
            .await
            .map_err(|_| QueryError::Stopping)?;
        let number = number.await.map_err(|_| QueryError::Stopping)?;
        let wait = sealed.wait_for(|batch| batch.number() >= number);
        match tokio::time::timeout(SEAL_TIMEOUT, wait).await {
            Ok(Ok(_)) => Ok(number),
            Ok(Err(_)) => Err(QueryError::Stopping),
            Err(_) => Err(QueryError::SealPending { batch: number }),
        }
    }
}
