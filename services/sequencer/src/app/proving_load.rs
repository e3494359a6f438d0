//! How far proving is behind, as the prover reports it, and what follows for sealing.
//!
//! While more waits than the thresholds say, the age limit of a batch is stretched, in proportion
//! and at most by a fixed factor: fewer, larger batches cost less to prove. Nothing else follows
//! from a report (SSQ-9): no limit of size moves, and no transaction waits for its acknowledgement.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The age limit as configured, in thousandths of itself.
pub(crate) const UNSTRETCHED: u32 = 1_000;

/// What the prover reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LoadReport {
    /// Sealed batches without a final proof.
    pub waiting_batches: u64,
    /// How long ago the oldest of them was sealed, in milliseconds.
    pub oldest_age_ms: u64,
    /// When the report came, in UNIX milliseconds.
    pub reported_at_ms: u64,
    /// For how long it holds, in milliseconds.
    pub time_to_live_ms: u64,
}

impl LoadReport {
    /// Until when it holds, in UNIX milliseconds.
    pub(crate) const fn valid_until_ms(&self) -> u64 {
        self.reported_at_ms.saturating_add(self.time_to_live_ms)
    }

    /// Whether it holds. A clock that went back does not make it hold longer than its time to
    /// live.
    const fn is_live(&self, now_ms: u64) -> bool {
        self.reported_at_ms <= now_ms && now_ms < self.valid_until_ms()
    }
}

/// From when on batches are sealed less often, and how much less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StretchRule {
    /// Waiting batches up to which nothing changes.
    pub waiting_batches: u64,
    /// Age of the oldest waiting batch up to which nothing changes, in milliseconds.
    pub oldest_age_ms: u64,
    /// Most that the age limit is stretched, in thousandths of itself; at least [`UNSTRETCHED`].
    pub max_stretch_permille: u32,
}

impl StretchRule {
    /// By how much the age limit is stretched, in thousandths of itself: as many times as the load
    /// exceeds the nearer threshold.
    fn stretch_permille(&self, report: &LoadReport) -> u32 {
        let over = |got: u64, threshold: u64| {
            got.saturating_mul(u64::from(UNSTRETCHED))
                .checked_div(threshold)
                .unwrap_or(u64::MAX)
        };
        let waiting = over(report.waiting_batches, self.waiting_batches);
        let age = over(report.oldest_age_ms, self.oldest_age_ms);
        let most = self.max_stretch_permille.max(UNSTRETCHED);
        u32::try_from(waiting.max(age))
            .unwrap_or(u32::MAX)
            .clamp(UNSTRETCHED, most)
    }
}

/// The last report, for as long as it holds.
#[derive(Debug)]
pub(crate) struct ProvingLoad {
    rule: StretchRule,
    last: Mutex<Option<LoadReport>>,
}

impl ProvingLoad {
    /// Nothing was reported yet.
    pub(crate) const fn new(rule: StretchRule) -> Self {
        Self {
            rule,
            last: Mutex::new(None),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<LoadReport>> {
        // No code panics while it holds the lock.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a report in the place of the one before.
    pub(crate) fn report(&self, report: LoadReport) {
        *self.lock() = Some(report);
    }

    /// The report that holds, if any.
    pub(crate) fn live(&self, now_ms: u64) -> Option<LoadReport> {
        self.lock().filter(|report| report.is_live(now_ms))
    }

    /// By how much the age limit is stretched now, in thousandths of itself.
    pub(crate) fn stretch_permille(&self, now_ms: u64) -> u32 {
        self.live(now_ms)
            .map_or(UNSTRETCHED, |report| self.rule.stretch_permille(&report))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULE: StretchRule = StretchRule {
        waiting_batches: 4,
        oldest_age_ms: 600_000,
        max_stretch_permille: 10_000,
    };

    fn report(waiting_batches: u64, oldest_age_ms: u64) -> LoadReport {
        LoadReport {
            waiting_batches,
            oldest_age_ms,
            reported_at_ms: 1_000,
            time_to_live_ms: 30_000,
        }
    }

    fn stretch(waiting_batches: u64, oldest_age_ms: u64) -> u32 {
        RULE.stretch_permille(&report(waiting_batches, oldest_age_ms))
    }

    #[test]
    fn nothing_is_stretched_up_to_the_thresholds() {
        assert_eq!(stretch(0, 0), UNSTRETCHED);
        assert_eq!(stretch(4, 600_000), UNSTRETCHED);
    }

    #[test]
    fn either_threshold_alone_stretches_in_proportion() {
        assert_eq!(stretch(6, 0), 1_500);
        assert_eq!(stretch(0, 1_200_000), 2_000);
        assert_eq!(stretch(6, 1_200_000), 2_000);
    }

    // Defends SSQ-9.
    #[test]
    fn the_report_ends_with_its_time_to_live() {
        let load = ProvingLoad::new(RULE);
        assert_eq!(load.stretch_permille(1_000), UNSTRETCHED);
        load.report(report(8, 0));
        assert_eq!(load.stretch_permille(1_000), 2_000);
        assert_eq!(load.stretch_permille(30_999), 2_000);
        assert_eq!(load.stretch_permille(31_000), UNSTRETCHED);
        assert_eq!(load.live(31_000), None);
    }

    #[test]
    fn a_clock_that_goes_back_ends_a_report() {
        let load = ProvingLoad::new(RULE);
        load.report(report(8, 0));
        assert_eq!(load.stretch_permille(999), UNSTRETCHED);
    }

    #[test]
    fn a_new_report_takes_the_place_of_the_one_before() {
        let load = ProvingLoad::new(RULE);
        load.report(report(8, 0));
        load.report(report(0, 0));
        assert_eq!(load.stretch_permille(1_000), UNSTRETCHED);
    }

    proptest! {
        // Defends SSQ-9.
        #[test]
        fn the_stretch_is_bounded_and_grows_with_the_load(
            waiting: u64, age: u64, more: u64, rule in (0u64..1_000, 0u64..1_000_000, 0u32..100_000),
        ) {
            let rule = StretchRule {
                waiting_batches: rule.0,
                oldest_age_ms: rule.1,
                max_stretch_permille: rule.2,
            };
            let got = rule.stretch_permille(&report(waiting, age));
            prop_assert!(got >= UNSTRETCHED);
            prop_assert!(got <= rule.max_stretch_permille.max(UNSTRETCHED));
            let heavier = report(waiting.saturating_add(more), age.saturating_add(more));
            prop_assert!(rule.stretch_permille(&heavier) >= got);
        }
    }
}
