//! Named checks that decide whether traffic should come here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The checks behind `/readyz`: ready when each of them is. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    checks: Arc<Mutex<BTreeMap<&'static str, Option<String>>>>,
}

impl Readiness {
    /// Adds a check by name, not ready until its owner says so.
    #[must_use]
    pub fn check(&self, name: &'static str) -> Check {
        self.lock().insert(name, Some("starting".to_owned()));
        Check {
            name,
            readiness: self.clone(),
        }
    }

    /// Whether all checks are ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.lock().values().all(Option::is_none)
    }

    /// Each check with the reason why it is not ready.
    #[must_use]
    pub fn report(&self) -> BTreeMap<&'static str, Option<String>> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Option<String>>> {
        // No code panics while it holds the lock, and the map is valid at every step.
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, name: &'static str, reason: Option<String>) {
        let changed = {
            let mut checks = self.lock();
            let before = checks.insert(name, reason.clone());
            before.is_none_or(|before| before.is_some() != reason.is_some())
        };
        match reason {
            _ if !changed => {}
            None => tracing::info!(check = name, "ready"),
            Some(reason) => tracing::warn!(check = name, reason, "not ready"),
        }
    }
}

/// One named check; its owner keeps it up to date.
#[derive(Clone, Debug)]
pub struct Check {
    name: &'static str,
    readiness: Readiness,
}

impl Check {
    /// All is well.
    pub fn ready(&self) {
        self.readiness.set(self.name, None);
    }

    /// Something is missing; `reason` is for operators.
    pub fn not_ready(&self, reason: impl Into<String>) {
        self.readiness.set(self.name, Some(reason.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_ready_when_every_check_is() {
        let readiness = Readiness::default();
        assert!(readiness.is_ready());
        let database = readiness.check("database");
        let peer = readiness.check("sequencer");
        assert!(!readiness.is_ready());
        database.ready();
        assert_eq!(
            readiness.report(),
            BTreeMap::from([
                ("database", None),
                ("sequencer", Some("starting".to_owned()))
            ])
        );
        peer.ready();
        assert!(readiness.is_ready());
        database.not_ready("away");
        assert!(!readiness.is_ready());
    }
}
