//! What the use cases ask of the chain.

use async_trait::async_trait;
use cloister_disclosure::LifecycleAtIssue;
use cloister_disclosure::build::OpenedLeaf;
use cloister_types::{B256, BatchHeader, StateKey, TransactionOpening};

/// Why the chain did not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChainError {
    /// It is away; trying again may help.
    #[error("{0}")]
    Unavailable(String),
    /// It answered what it must not.
    #[error("{0}")]
    Broken(String),
}

/// A transaction with its way into its batch.
#[derive(Debug, Clone)]
pub(crate) struct OpenedTransaction {
    pub(crate) header: BatchHeader,
    pub(crate) opening: TransactionOpening,
    pub(crate) index: u32,
    pub(crate) siblings: Vec<B256>,
}

/// Sequencer and prover, as far as packages need them.
#[async_trait]
pub(crate) trait Chain: Send + Sync + std::fmt::Debug {
    /// The newest batch on Ethereum; 0 is genesis, which the contract holds from its start.
    async fn committed_batch(&self) -> Result<u64, ChainError>;

    /// How far a batch is; `None` when it is not sealed.
    async fn lifecycle(&self, batch: u64) -> Result<Option<LifecycleAtIssue>, ChainError>;

    /// A state key opened at a batch, with the batch's header.
    async fn open_state(
        &self,
        batch: u64,
        key: StateKey,
    ) -> Result<(BatchHeader, OpenedLeaf), ChainError>;

    /// A transaction opened in its batch; `None` when it is unknown or not sealed yet.
    async fn open_transaction(&self, hash: B256) -> Result<Option<OpenedTransaction>, ChainError>;

    /// Hands over the head of this service's audit ledger.
    async fn anchor_audit(&self, count: u64, head: B256) -> Result<(), ChainError>;
}
