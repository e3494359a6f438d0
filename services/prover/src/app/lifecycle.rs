//! How far a batch is on its way to Ethereum.

use cloister_l1::U256;

use crate::app::health::Health;
use crate::app::model::{Commit, CommitDepth};
use crate::store::{Store, StoreError};

/// How far a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Durable at the institution; Ethereum does not know it.
    Sealed,
    /// Ethereum holds its root and hash and has checked nothing.
    Committed,
    /// Ethereum checked a proof.
    Proved,
    /// Proved, and Ethereum will not take it back.
    Finalized,
}

/// One batch's lifecycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchLifecycle {
    /// How far it is.
    pub stage: Stage,
    /// The transaction that committed it.
    pub commit: Option<Commit>,
}

/// The newest batch in each state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Overview {
    /// Newest sealed batch.
    pub sealed: u64,
    /// Newest batch whose commit is deep enough.
    pub committed: u64,
    /// Newest proved batch.
    pub proved: u64,
    /// Newest finalized batch.
    pub finalized: u64,
    /// The committer's balance in wei; zero while unknown.
    pub balance: U256,
    /// Why nothing moves; empty when all is well.
    pub stalled_reason: String,
}

/// The lifecycle of one batch; `None` when there is no such sealed batch.
///
/// # Errors
/// [`StoreError`] when the database does not answer.
pub(crate) async fn of_batch(
    store: &Store,
    health: &Health,
    number: u64,
) -> Result<Option<BatchLifecycle>, StoreError> {
    if number == 0 {
        // Genesis is what the contract was deployed with.
        return Ok(Some(BatchLifecycle {
            stage: Stage::Finalized,
            commit: None,
        }));
    }
    let Some(commit) = store.commit(number).await? else {
        return Ok(None);
    };
    let heads = health.snapshot().heads;
    let reached = |head: Option<u64>| head.is_some_and(|head| number <= head);
    let stage = match commit {
        None
        | Some(Commit {
            depth: CommitDepth::Included,
            ..
        }) => Stage::Sealed,
        Some(_) if reached(heads.map(|heads| heads.finalized.0)) => Stage::Finalized,
        Some(_) if reached(heads.map(|heads| heads.proved.0)) => Stage::Proved,
        Some(_) => Stage::Committed,
    };
    Ok(Some(BatchLifecycle { stage, commit }))
}

/// The newest batch in each state.
///
/// # Errors
/// [`StoreError`] when the database does not answer.
pub(crate) async fn overview(store: &Store, health: &Health) -> Result<Overview, StoreError> {
    let snapshot = health.snapshot();
    Ok(Overview {
        sealed: store.sealed().await?,
        committed: store.confirmed().await?,
        proved: snapshot.heads.map_or(0, |heads| heads.proved.0),
        finalized: snapshot.heads.map_or(0, |heads| heads.finalized.0),
        balance: snapshot.balance.unwrap_or_default(),
        stalled_reason: snapshot.stalled_reason(),
    })
}
