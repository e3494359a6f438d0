//! The heads of the services' audit ledgers, bound by the next sealed batch.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use alloy_primitives::B256;

/// How many rows a ledger has, and the head of their hash chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AuditHead {
    /// Rows so far.
    pub count: u64,
    /// Head of the chain.
    pub head: B256,
}

/// Why a head was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AuditHeadError {
    /// The ledger had more rows before.
    #[error("ledger `{ledger}` had `{known}` rows before, now it claims `{got}`: it lost rows")]
    WentBack {
        /// Name of the ledger.
        ledger: String,
        /// Rows recorded before.
        known: u64,
        /// Rows claimed now.
        got: u64,
    },
    /// The same number of rows has another head.
    #[error("ledger `{ledger}` has another head for the same `{count}` rows: a row was changed")]
    Changed {
        /// Name of the ledger.
        ledger: String,
        /// The number of rows.
        count: u64,
    },
}

/// The recorded heads by name of the ledger.
#[derive(Debug, Default)]
pub(crate) struct AuditHeads {
    heads: Mutex<BTreeMap<String, AuditHead>>,
}

impl AuditHeads {
    /// Starts from what the database holds.
    pub(crate) fn new(heads: impl IntoIterator<Item = (String, AuditHead)>) -> Self {
        Self {
            heads: Mutex::new(heads.into_iter().collect()),
        }
    }

    /// Whether `head` may follow what is recorded. SSQ-6: a ledger never goes back.
    ///
    /// # Errors
    /// [`AuditHeadError`] when it may not.
    pub(crate) fn check(&self, ledger: &str, head: AuditHead) -> Result<(), AuditHeadError> {
        let heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        match heads.get(ledger) {
            Some(known) if head.count < known.count => Err(AuditHeadError::WentBack {
                ledger: ledger.to_owned(),
                known: known.count,
                got: head.count,
            }),
            Some(known) if head.count == known.count && head.head != known.head => {
                Err(AuditHeadError::Changed {
                    ledger: ledger.to_owned(),
                    count: head.count,
                })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Takes over a head that is durable.
    pub(crate) fn record(&self, ledger: &str, head: AuditHead) {
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        match heads.get_mut(ledger) {
            Some(known) if known.count > head.count => {}
            Some(known) => *known = head,
            None => {
                heads.insert(ledger.to_owned(), head);
            }
        }
    }

    /// All heads, sorted by name.
    pub(crate) fn snapshot(&self) -> Vec<(String, AuditHead)> {
        let heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        heads
            .iter()
            .map(|(ledger, head)| (ledger.clone(), *head))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(count: u64, byte: u8) -> AuditHead {
        AuditHead {
            count,
            head: B256::repeat_byte(byte),
        }
    }

    // Defends SSQ-6.
    #[test]
    fn a_ledger_goes_only_forward() {
        let heads = AuditHeads::new([("gateway".to_owned(), head(5, 5))]);
        assert_eq!(heads.check("gateway", head(6, 6)), Ok(()));
        assert_eq!(heads.check("gateway", head(5, 5)), Ok(()));
        assert_eq!(
            heads.check("gateway", head(4, 4)),
            Err(AuditHeadError::WentBack {
                ledger: "gateway".to_owned(),
                known: 5,
                got: 4
            })
        );
        assert_eq!(
            heads.check("gateway", head(5, 6)),
            Err(AuditHeadError::Changed {
                ledger: "gateway".to_owned(),
                count: 5
            })
        );
        assert_eq!(heads.check("disclosure", head(0, 0)), Ok(()));
    }

    #[test]
    fn a_late_answer_does_not_take_the_head_back() {
        let heads = AuditHeads::default();
        heads.record("gateway", head(2, 2));
        heads.record("gateway", head(1, 1));
        assert_eq!(heads.snapshot(), [("gateway".to_owned(), head(2, 2))]);
    }
}
