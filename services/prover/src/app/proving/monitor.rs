//! Watches the queue for operators, and deletes what is not needed any more.

use std::sync::Arc;
use std::time::Duration;

use cloister_service_kit::{Result, Shutdown};
use cloister_types::Clock;
use tokio::time::sleep;

use crate::app::health::Health;
use crate::artefacts::{ArtefactError, Artefacts};
use crate::store::{Backlog, Store};

/// Looks at the queue between two tries to delete, when there was nothing left to delete.
const PRUNE_EVERY: u32 = 30;

/// Sets metrics and the reasons for alarms.
#[derive(Debug)]
pub(crate) struct Monitor {
    /// The queue.
    pub store: Store,
    /// Where reasons go.
    pub health: Arc<Health>,
    /// For the age of the oldest batch.
    pub clock: Arc<dyn Clock>,
    /// How often to look.
    pub poll: Duration,
}

impl Monitor {
    /// Works until the shutdown.
    pub(crate) async fn run(self, shutdown: Shutdown) -> Result<()> {
        while !shutdown.is_stopping() {
            match self.store.backlog().await {
                Ok(backlog) => {
                    let now = self.clock.now().seconds();
                    crate::metrics::backlog(&backlog, now);
                    self.health.proof_stalled(reason(&backlog).as_deref());
                }
                Err(error) => tracing::warn!(%error, "cannot look at the queue"),
            }
            shutdown.unless_stopping(sleep(self.poll)).await;
        }
        Ok(())
    }
}

/// Why proving does not move, in words.
fn reason(backlog: &Backlog) -> Option<String> {
    let mut reasons = Vec::new();
    if let Some((batch, why)) = &backlog.rejected {
        reasons.push(format!(
            "batch {batch} is REJECTED and commits are halted: {why}"
        ));
    }
    if let Some(batch) = backlog.dead_batch {
        let jobs = backlog.dead_jobs;
        reasons.push(format!(
            "{jobs} proof jobs are dead, the first of batch {batch}; look at `cloister prover jobs list --state dead`"
        ));
    }
    if let Some((batch, why)) = &backlog.input_error {
        reasons.push(format!("the input of batch {batch} is missing: {why}"));
    }
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

/// Deletes until the shutdown what proofs do not need any more.
pub(crate) async fn prune(
    store: Store,
    artefacts: Artefacts,
    keep: Duration,
    poll: Duration,
    shutdown: Shutdown,
) -> Result<()> {
    let pause = poll.saturating_mul(PRUNE_EVERY);
    while !shutdown.is_stopping() {
        match pass(&store, &artefacts, keep).await {
            Ok(0) => {
                shutdown.unless_stopping(sleep(pause)).await;
            }
            Ok(count) => tracing::info!(count, "deleted artefacts and rows of proved batches"),
            Err(error) => {
                tracing::warn!(%error, "cannot delete what is not needed any more");
                shutdown.unless_stopping(sleep(pause)).await;
            }
        }
    }
    Ok(())
}

/// One bounded pass; how much there was.
async fn pass(store: &Store, artefacts: &Artefacts, keep: Duration) -> Result<u64, ArtefactError> {
    let mut count = store.release_partial_proofs().await?;
    count = count.saturating_add(store.release_old_batches(keep).await?);
    for id in store.orphans().await? {
        artefacts.remove(id).await?;
        count = count.saturating_add(1);
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_every_trouble_and_none() {
        assert_eq!(reason(&Backlog::default()), None);
        let backlog = Backlog {
            rejected: Some((3, "another hash".to_owned())),
            dead_jobs: 2,
            dead_batch: Some(4),
            input_error: Some((5, "gone".to_owned())),
            ..Backlog::default()
        };
        assert_eq!(
            reason(&backlog).expect("trouble"),
            "batch 3 is REJECTED and commits are halted: another hash; 2 proof jobs are dead, the \
             first of batch 4; look at `cloister prover jobs list --state dead`; the input of \
             batch 5 is missing: gone"
        );
    }
}
