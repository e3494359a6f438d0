//! What the running parts know at present, for the API, the metrics and each other.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cloister_l1::{Heads, U256};
use tokio::sync::Notify;

/// What is known at present. Lost when the process ends; nothing depends on it but answers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    /// The contract's heads, as last read.
    pub heads: Option<Heads>,
    /// The committer's balance in wei, as last read.
    pub balance: Option<U256>,
    /// Newest batch that the sequencer named.
    pub sealed_at_source: Option<u64>,
    /// Why batches do not come in.
    pub source_stall: Option<String>,
    /// Why commits do not go out.
    pub commit_stall: Option<String>,
    /// Why proofs do not go out to Ethereum.
    pub prove_stall: Option<String>,
    /// Why proofs are not made.
    pub proof_stall: Option<String>,
    /// Workers that can do nothing, and why.
    pub worker_trouble: BTreeMap<String, String>,
}

impl Snapshot {
    /// Why nothing moves, in words; empty when all is well.
    pub(crate) fn stalled_reason(&self) -> String {
        let worker = self
            .worker_trouble
            .first_key_value()
            .map(|(name, reason)| format!("worker {name}: {reason}"));
        let reasons: Vec<&str> = [
            self.commit_stall.as_deref(),
            self.prove_stall.as_deref(),
            self.source_stall.as_deref(),
            self.proof_stall.as_deref(),
            worker.as_deref(),
        ]
        .into_iter()
        .flatten()
        .collect();
        reasons.join("; ")
    }
}

/// The shared snapshot, and bells that wake those who wait for work.
#[derive(Debug, Default)]
pub(crate) struct Health {
    snapshot: Mutex<Snapshot>,
    commit_due: Notify,
    input_wanted: Notify,
    job_released: Notify,
}

impl Health {
    /// A copy of what is known.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.lock().clone()
    }

    /// Changes what is known.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Snapshot)) {
        change(&mut self.lock());
    }

    /// Sets why batches do not come in; says so once in the log.
    pub(crate) fn source_stalled(&self, reason: Option<&str>) {
        let changed = replace(&mut self.lock().source_stall, reason);
        if changed {
            log("intake", reason);
        }
    }

    /// Sets why commits do not go out; says so once in the log.
    pub(crate) fn commit_stalled(&self, reason: Option<&str>) {
        crate::metrics::stalled(reason.is_some());
        let changed = replace(&mut self.lock().commit_stall, reason);
        if changed {
            log("commits", reason);
        }
    }

    /// Sets why proofs do not go out to Ethereum; says so once in the log.
    pub(crate) fn prove_stalled(&self, reason: Option<&str>) {
        crate::metrics::prove_stalled(reason.is_some());
        let changed = replace(&mut self.lock().prove_stall, reason);
        if changed {
            log("proofs on Ethereum", reason);
        }
    }

    /// Sets why proofs are not made; says so once in the log.
    pub(crate) fn proof_stalled(&self, reason: Option<&str>) {
        crate::metrics::proof_stalled(reason.is_some());
        let changed = replace(&mut self.lock().proof_stall, reason);
        if changed {
            if let Some(reason) = reason {
                tracing::error!(what = "proofs", reason, "stalled");
            } else {
                log("proofs", None);
            }
        }
    }

    /// Sets why a worker can do nothing; says so once in the log.
    pub(crate) fn worker_trouble(&self, worker: &str, reason: Option<&str>) {
        let mut snapshot = self.lock();
        let before = match reason {
            Some(reason) => snapshot
                .worker_trouble
                .insert(worker.to_owned(), reason.to_owned()),
            None => snapshot.worker_trouble.remove(worker),
        };
        drop(snapshot);
        if before.as_deref() != reason {
            if let Some(reason) = reason {
                tracing::warn!(worker, reason, "a worker is in trouble");
            } else {
                tracing::info!(worker, "a worker works again");
            }
        }
    }

    /// Tells the committer that there is a batch to commit.
    pub(crate) fn ring(&self) {
        self.commit_due.notify_one();
    }

    /// Waits for a batch to commit.
    pub(crate) async fn rung(&self) {
        self.commit_due.notified().await;
    }

    /// Says that a batch came in, whose input is wanted.
    pub(crate) fn want_input(&self) {
        self.input_wanted.notify_one();
    }

    /// Waits for a batch whose input is wanted.
    pub(crate) async fn input_wanted(&self) {
        self.input_wanted.notified().await;
    }

    /// Tells the workers of this process that a job may be ready. Those of others look for
    /// themselves.
    pub(crate) fn release_job(&self) {
        self.job_released.notify_waiters();
    }

    /// Waits for a job that may be ready.
    pub(crate) async fn job_released(&self) {
        self.job_released.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Snapshot> {
        // No code panics while it holds the lock, and the value is valid at every step.
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn replace(place: &mut Option<String>, reason: Option<&str>) -> bool {
    let changed = place.as_deref() != reason;
    if changed {
        *place = reason.map(str::to_owned);
    }
    changed
}

fn log(what: &'static str, reason: Option<&str>) {
    if let Some(reason) = reason {
        tracing::warn!(what, reason, "stalled");
    } else {
        tracing::info!(what, "moving");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_both_reasons_and_none() {
        let health = Health::default();
        assert_eq!(health.snapshot().stalled_reason(), "");
        health.source_stalled(Some("no sequencer"));
        health.prove_stalled(Some("no verifier"));
        health.commit_stalled(Some("no node"));
        assert_eq!(
            health.snapshot().stalled_reason(),
            "no node; no verifier; no sequencer"
        );
        health.prove_stalled(None);
        assert_eq!(health.snapshot().stalled_reason(), "no node; no sequencer");
        health.commit_stalled(None);
        assert_eq!(health.snapshot().stalled_reason(), "no sequencer");
        health.source_stalled(None);
        health.proof_stalled(Some("a job is dead"));
        health.worker_trouble("w1", Some("no disk"));
        assert_eq!(
            health.snapshot().stalled_reason(),
            "a job is dead; worker w1: no disk"
        );
        health.worker_trouble("w1", None);
        assert_eq!(health.snapshot().stalled_reason(), "a job is dead");
    }
}
