//! How far a batch is on its way to Ethereum.

use cloister_l1::U256;

use crate::app::health::Health;
use crate::app::model::{Anchoring, Commit, Depth, Included};
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BatchLifecycle {
    /// How far it is.
    pub stage: Stage,
    /// The transaction that committed it.
    pub commit: Option<Commit>,
    /// The transactions that brought its proof, in order; the last one proved it.
    pub proof: Vec<Included>,
}

/// The newest batch in each state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Overview {
    /// Newest sealed batch.
    pub sealed: u64,
    /// Newest batch whose commit is deep enough.
    pub committed: u64,
    /// Newest batch whose proof is deep enough.
    pub proved: u64,
    /// Newest finalized batch, likewise.
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
    number: u64,
) -> Result<Option<BatchLifecycle>, StoreError> {
    if number == 0 {
        // Genesis is what the contract was deployed with.
        return Ok(Some(BatchLifecycle {
            stage: Stage::Finalized,
            commit: None,
            proof: Vec::new(),
        }));
    }
    let Some(anchoring) = store.anchoring(number).await? else {
        return Ok(None);
    };
    let mut proof = store.proof_transactions(number).await?;
    if let Some(found) = anchoring.proof
        && proof
            .iter()
            .all(|part| part.transaction != found.transaction)
    {
        // Somebody else proved it, maybe while we were at it.
        proof.push(Included {
            transaction: found.transaction,
            block: found.block,
            gas_used: found.gas_used,
        });
    }
    Ok(Some(BatchLifecycle {
        stage: stage(&anchoring),
        commit: anchoring.commit,
        proof,
    }))
}

/// SPR-9: as far as Ethereum's word is deep enough.
fn stage(anchoring: &Anchoring) -> Stage {
    let deep = |depth: Option<Depth>| depth.is_some_and(|depth| depth >= Depth::Confirmed);
    if !deep(anchoring.commit.map(|commit| commit.depth)) {
        Stage::Sealed
    } else if !deep(anchoring.proof.map(|proof| proof.depth)) {
        Stage::Committed
    } else if !deep(anchoring.finality.map(|finality| finality.depth)) {
        Stage::Proved
    } else {
        Stage::Finalized
    }
}

/// The newest batch in each state.
///
/// # Errors
/// [`StoreError`] when the database does not answer.
pub(crate) async fn overview(store: &Store, health: &Health) -> Result<Overview, StoreError> {
    let snapshot = health.snapshot();
    let (proved, finalized) = store.proved_and_finalized().await?;
    Ok(Overview {
        sealed: store.sealed().await?,
        committed: store.confirmed().await?,
        proved,
        finalized,
        balance: snapshot.balance.unwrap_or_default(),
        stalled_reason: snapshot.stalled_reason(),
    })
}

#[cfg(test)]
mod tests {
    use cloister_l1::B256;

    use super::*;
    use crate::app::model::{Finality, Proof};

    #[test]
    fn spr_9_says_no_more_than_what_is_deep_enough() {
        use Depth::{Confirmed, Final, Included};
        let with = |commit, proof, finality| {
            stage(&Anchoring {
                commit: Some(Commit {
                    transaction: B256::ZERO,
                    block: 1,
                    gas_used: 1,
                    depth: commit,
                }),
                proof: Some(Proof {
                    transaction: B256::ZERO,
                    block: 2,
                    gas_used: 1,
                    version: 1,
                    depth: proof,
                }),
                finality: Some(Finality {
                    block: 3,
                    depth: finality,
                }),
            })
        };
        assert_eq!(with(Included, Included, Included), Stage::Sealed);
        assert_eq!(with(Final, Included, Included), Stage::Committed);
        assert_eq!(with(Final, Confirmed, Included), Stage::Proved);
        assert_eq!(with(Final, Final, Confirmed), Stage::Finalized);
        let nowhere = Anchoring {
            commit: None,
            proof: None,
            finality: None,
        };
        assert_eq!(stage(&nowhere), Stage::Sealed);
    }
}
