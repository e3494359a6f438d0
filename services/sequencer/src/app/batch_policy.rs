//! When the open batch closes.
//!
//! The decision uses only what the block rows hold, so that a restart takes up where it was: a
//! batch that is over a limit closes before the next block, and no block is ever moved to another
//! batch.

/// Limits of a batch. It closes as soon as it reaches one of them.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::struct_field_names,
    reason = "named as in the configuration file"
)]
pub(crate) struct BatchLimits {
    /// Blocks.
    pub max_blocks: u32,
    /// Transactions of all blocks.
    pub max_transactions: u32,
    /// Envelopes of all transactions, in bytes.
    pub max_bytes: u64,
    /// Age of the first block, in milliseconds.
    pub max_age_ms: u64,
}

impl BatchLimits {
    /// The same limits with the age stretched, in thousandths of itself.
    pub(crate) fn stretched(&self, permille: u32) -> Self {
        let max_age_ms = u128::from(self.max_age_ms).saturating_mul(u128::from(permille)) / 1_000;
        Self {
            max_age_ms: u64::try_from(max_age_ms).unwrap_or(u64::MAX),
            ..*self
        }
    }
}

/// What the open batch holds so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct BatchTally {
    /// Blocks.
    pub blocks: u32,
    /// Transactions of all blocks.
    pub transactions: u32,
    /// Envelopes of all transactions, in bytes.
    pub bytes: u64,
    /// When the first block was made, in UNIX milliseconds.
    pub first_built_at_ms: Option<u64>,
}

impl BatchTally {
    /// Counts one more block.
    pub(crate) fn add(&mut self, transactions: u32, bytes: u64, built_at_ms: u64) {
        self.blocks = self.blocks.saturating_add(1);
        self.transactions = self.transactions.saturating_add(transactions);
        self.bytes = self.bytes.saturating_add(bytes);
        self.first_built_at_ms.get_or_insert(built_at_ms);
    }

    /// Whether nothing is in the batch yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.blocks == 0
    }

    /// Whether the batch takes no further block.
    pub(crate) fn is_full(&self, limits: &BatchLimits, now_ms: u64) -> bool {
        let old = self
            .first_built_at_ms
            .is_some_and(|first| now_ms.saturating_sub(first) >= limits.max_age_ms);
        old || self.blocks >= limits.max_blocks
            || self.transactions >= limits.max_transactions
            || self.bytes >= limits.max_bytes
    }

    /// How many transactions and bytes the next block may hold at most without pushing a batch
    /// that has blocks over its limits; the first block may always fill a whole batch.
    pub(crate) fn room(&self, limits: &BatchLimits) -> (u32, u64) {
        (
            limits.max_transactions.saturating_sub(self.transactions),
            limits.max_bytes.saturating_sub(self.bytes),
        )
    }

    /// Milliseconds until age alone closes the batch.
    pub(crate) fn closes_in_ms(&self, limits: &BatchLimits, now_ms: u64) -> Option<u64> {
        self.first_built_at_ms.map(|first| {
            first
                .saturating_add(limits.max_age_ms)
                .saturating_sub(now_ms)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: BatchLimits = BatchLimits {
        max_blocks: 3,
        max_transactions: 10,
        max_bytes: 1_000,
        max_age_ms: 60_000,
    };

    fn tally(blocks: &[(u32, u64, u64)]) -> BatchTally {
        let mut tally = BatchTally::default();
        for (transactions, bytes, at) in blocks {
            tally.add(*transactions, *bytes, *at);
        }
        tally
    }

    #[test]
    fn an_empty_batch_never_closes() {
        assert!(!BatchTally::default().is_full(&LIMITS, u64::MAX));
        assert_eq!(BatchTally::default().closes_in_ms(&LIMITS, 5), None);
    }

    #[test]
    fn closes_at_each_limit_and_not_before() {
        assert!(!tally(&[(1, 1, 0), (1, 1, 0)]).is_full(&LIMITS, 0));
        assert!(tally(&[(1, 1, 0), (1, 1, 0), (1, 1, 0)]).is_full(&LIMITS, 0));
        assert!(!tally(&[(9, 1, 0)]).is_full(&LIMITS, 0));
        assert!(tally(&[(10, 1, 0)]).is_full(&LIMITS, 0));
        assert!(!tally(&[(1, 999, 0)]).is_full(&LIMITS, 0));
        assert!(tally(&[(1, 1_000, 0)]).is_full(&LIMITS, 0));
        assert!(!tally(&[(1, 1, 5)]).is_full(&LIMITS, 60_004));
        assert!(tally(&[(1, 1, 5)]).is_full(&LIMITS, 60_005));
    }

    #[test]
    fn age_counts_from_the_first_block() {
        let tally = tally(&[(1, 1, 1_000), (1, 1, 50_000)]);
        assert_eq!(tally.closes_in_ms(&LIMITS, 50_000), Some(11_000));
        assert_eq!(tally.closes_in_ms(&LIMITS, 70_000), Some(0));
    }

    #[test]
    fn a_clock_that_goes_back_does_not_close_a_batch() {
        assert!(!tally(&[(1, 1, 90_000)]).is_full(&LIMITS, 10));
    }

    #[test]
    fn stretching_moves_the_age_alone() {
        let stretched = LIMITS.stretched(2_500);
        assert_eq!(stretched.max_age_ms, 150_000);
        assert!(!tally(&[(1, 1, 0)]).is_full(&stretched, 149_999));
        assert!(tally(&[(1, 1, 0)]).is_full(&stretched, 150_000));
        assert!(tally(&[(1, 1_000, 0)]).is_full(&stretched, 0));
        assert_eq!(LIMITS.stretched(1_000).max_age_ms, LIMITS.max_age_ms);
        let long = BatchLimits {
            max_age_ms: u64::MAX,
            ..LIMITS
        };
        assert_eq!(long.stretched(10_000).max_age_ms, u64::MAX);
    }

    #[test]
    fn leaves_room_for_what_is_missing_to_the_limits() {
        assert_eq!(tally(&[(4, 300, 0)]).room(&LIMITS), (6, 700));
    }
}
