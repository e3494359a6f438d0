//! What the running parts know at present, for the API, the metrics and each other.

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
}

impl Snapshot {
    /// Why nothing moves, in words; empty when all is well.
    pub(crate) fn stalled_reason(&self) -> String {
        let reasons: Vec<&str> = [&self.commit_stall, &self.source_stall]
            .into_iter()
            .filter_map(Option::as_deref)
            .collect();
        reasons.join("; ")
    }
}

/// The shared snapshot, and a bell that rings when a batch came in.
#[derive(Debug, Default)]
pub(crate) struct Health {
    snapshot: Mutex<Snapshot>,
    batch_came: Notify,
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

    /// Tells the committer that there is a new batch.
    pub(crate) fn ring(&self) {
        self.batch_came.notify_one();
    }

    /// Waits for a new batch.
    pub(crate) async fn rung(&self) {
        self.batch_came.notified().await;
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
        health.commit_stalled(Some("no node"));
        assert_eq!(health.snapshot().stalled_reason(), "no node; no sequencer");
        health.commit_stalled(None);
        assert_eq!(health.snapshot().stalled_reason(), "no sequencer");
    }
}
