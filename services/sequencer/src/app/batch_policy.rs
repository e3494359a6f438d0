//! When the open batch closes.
//!
//! The decision uses only what the block rows hold, and what executing them again tells, so that a
//! restart takes up where it was: a batch that is over a limit closes before the next block, and no
//! block is ever moved to another batch.
//!
//! A batch closes as soon as it *reaches* a limit, so it is over it by less than one transaction. A
//! transaction that alone would be over `max_transaction_instructions` never gets into a block
//! (SSQ-8), which bounds what a prover is ever asked to prove.

use cloister_stf::{
    BlockOutcome, Metered,
    cost::{BatchMeter, CostTable, Work},
    seal::log_addresses,
};

use super::{model::Block, state::State};

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
    /// Estimated guest instructions.
    pub max_instructions: u64,
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
    /// Estimated guest instructions of the whole batch so far.
    pub instructions: u64,
}

impl BatchTally {
    /// Counts one more block, with which the batch is estimated at so many instructions.
    pub(crate) fn add(
        &mut self,
        transactions: u32,
        bytes: u64,
        built_at_ms: u64,
        instructions: u64,
    ) {
        self.blocks = self.blocks.saturating_add(1);
        self.transactions = self.transactions.saturating_add(transactions);
        self.bytes = self.bytes.saturating_add(bytes);
        self.first_built_at_ms.get_or_insert(built_at_ms);
        self.instructions = self.instructions.max(instructions);
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
            || self.instructions >= limits.max_instructions
    }

    /// What the next block may hold until the batch reaches a limit.
    pub(crate) fn room(&self, limits: &BatchLimits) -> Room {
        Room {
            transactions: limits.max_transactions.saturating_sub(self.transactions),
            bytes: limits.max_bytes.saturating_sub(self.bytes),
            instructions: limits.max_instructions.saturating_sub(self.instructions),
        }
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

/// What is left in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    /// Transactions.
    pub transactions: u32,
    /// Envelopes of all transactions, in bytes.
    pub bytes: u64,
    /// Estimated guest instructions.
    pub instructions: u64,
}

/// How instructions are estimated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CostModel {
    /// Coefficients of the guest image in use.
    pub table: &'static CostTable,
    /// Most instructions of a batch of one transaction.
    pub max_transaction_instructions: u64,
}

/// A transaction that would be too costly to prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooCostly {
    /// Most instructions of a batch of one transaction.
    pub limit: u64,
    /// What it is estimated at.
    pub got: u64,
}

impl CostModel {
    /// The table's name: guest image and revision.
    pub(crate) fn name(&self) -> String {
        format!("{}.{}", self.table.image, self.table.revision)
    }

    /// What a transaction adds to its batch at most, in instructions, if it may be included at all.
    ///
    /// # Errors
    /// [`TooCostly`] when a batch of it alone would be over the limit (SSQ-8).
    pub(crate) fn admit(&self, metered: &Metered, tree_leaves: u64) -> Result<u64, TooCostly> {
        let limit = self.max_transaction_instructions;
        let got = self.table.instructions(&metered.alone(tree_leaves));
        if got > limit {
            return Err(TooCostly { limit, got });
        }
        Ok(self.table.instructions(&metered.in_batch(tree_leaves)))
    }
}

/// The batch being filled: what its limits are compared with, and what that is computed from.
#[derive(Debug, Clone, Default)]
pub(crate) struct BatchFill {
    tally: BatchTally,
    meter: BatchMeter,
}

impl BatchFill {
    /// What it holds so far.
    pub(crate) const fn tally(&self) -> &BatchTally {
        &self.tally
    }

    /// Counts one more block.
    pub(crate) fn add(
        &mut self,
        block: &Block,
        outcome: &BlockOutcome,
        work: &Work,
        state_after: &State,
        table: &CostTable,
    ) {
        absorb(&mut self.meter, outcome, work, state_after);
        let work = self.meter.work(tree_leaves(state_after));
        self.tally.add(
            block.transaction_count(),
            block.transaction_bytes(),
            block.built_at_ms,
            table.instructions(&work),
        );
    }
}

/// Adds a block to a meter.
pub(crate) fn absorb(
    meter: &mut BatchMeter,
    outcome: &BlockOutcome,
    work: &Work,
    state_after: &State,
) {
    let active = outcome.transactions.iter().flat_map(|transaction| {
        let logs = transaction.fields.logs.iter().flat_map(log_addresses);
        transaction.concerned.iter().copied().chain(logs)
    });
    meter.absorb(work, &outcome.trace, active, |hash| {
        state_after.code_bytes(hash).len()
    });
}

/// About how many leaves the state tree has: accounts and slots, and for each account about one
/// activity chain.
pub(crate) fn tree_leaves(state: &State) -> u64 {
    let (accounts, slots) = state.sizes();
    let leaves = accounts.saturating_mul(2).saturating_add(slots);
    u64::try_from(leaves).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use cloister_stf::cost::{COST_TABLES, Feature};
    use proptest::prelude::*;

    use super::*;

    const LIMITS: BatchLimits = BatchLimits {
        max_blocks: 3,
        max_transactions: 10,
        max_bytes: 1_000,
        max_age_ms: 60_000,
        max_instructions: 5_000,
    };

    fn tally(blocks: &[(u32, u64, u64)]) -> BatchTally {
        let mut tally = BatchTally::default();
        for (transactions, bytes, at) in blocks {
            tally.add(*transactions, *bytes, *at, 1);
        }
        tally
    }

    fn costing(instructions: u64) -> BatchTally {
        let mut tally = BatchTally::default();
        tally.add(1, 1, 0, instructions);
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
        assert!(!costing(4_999).is_full(&LIMITS, 0));
        assert!(costing(5_000).is_full(&LIMITS, 0));
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
        let room = Room {
            transactions: 6,
            bytes: 700,
            instructions: 4_999,
        };
        assert_eq!(tally(&[(4, 300, 0)]).room(&LIMITS), room);
    }

    // Defends SSQ-8.
    #[test]
    fn refuses_a_transaction_that_alone_is_over_the_limit() {
        let metered = Metered {
            work: Work::default().with(Feature::Kzg, 1),
            ..Metered::default()
        };
        let table = COST_TABLES.last().unwrap();
        let got = table.instructions(&metered.alone(1_000));
        let model = |limit| CostModel {
            table,
            max_transaction_instructions: limit,
        };
        let limit = got - 1;
        assert_eq!(
            model(limit).admit(&metered, 1_000),
            Err(TooCostly { limit, got })
        );
        let added = model(got).admit(&metered, 1_000).unwrap();
        // Alone it also bears what every batch costs.
        assert!(added >= table.coefficient(Feature::Kzg) && added < got);
    }

    /// Blocks with (transactions, bytes, milliseconds since the one before, instructions added).
    fn blocks() -> impl Strategy<Value = Vec<(u32, u64, u64, u64)>> {
        prop::collection::vec((0u32..8, 0u64..600, 0u64..40_000, 0u64..3_000), 0..12)
    }

    fn limits() -> impl Strategy<Value = BatchLimits> {
        (1u32..6, 1u32..20, 1u64..2_000, 1u64..90_000, 1u64..9_000).prop_map(
            |(max_blocks, max_transactions, max_bytes, max_age_ms, max_instructions)| BatchLimits {
                max_blocks,
                max_transactions,
                max_bytes,
                max_age_ms,
                max_instructions,
            },
        )
    }

    /// Tallies before and after each block, with the time of the last one.
    fn filled(blocks: &[(u32, u64, u64, u64)]) -> (BatchTally, u64) {
        let (mut tally, mut now, mut instructions) = (BatchTally::default(), 0, 0);
        for (transactions, bytes, later, more) in blocks {
            now += later;
            instructions += more;
            tally.add(*transactions, *bytes, now, instructions);
        }
        (tally, now)
    }

    proptest! {
        #[test]
        fn a_batch_is_full_exactly_when_a_limit_is_reached(blocks in blocks(), limits in limits()) {
            let (tally, now) = filled(&blocks);
            let first = tally.first_built_at_ms.unwrap_or(now);
            let sum: (u32, u64, u64) = blocks.iter().fold((0, 0, 0), |sum, block| {
                (sum.0 + block.0, sum.1 + block.1, sum.2 + block.3)
            });
            let reached = [
                blocks.len() >= limits.max_blocks as usize,
                sum.0 >= limits.max_transactions,
                sum.1 >= limits.max_bytes,
                sum.2 >= limits.max_instructions,
                now - first >= limits.max_age_ms,
            ];
            let expected = !blocks.is_empty() && reached.contains(&true);
            prop_assert_eq!(tally.is_full(&limits, now), expected);
        }

        #[test]
        fn a_full_batch_stays_full(blocks in blocks(), limits in limits(), later in 0u64..100_000) {
            let (tally, now) = filled(&blocks);
            if tally.is_full(&limits, now) {
                prop_assert!(tally.is_full(&limits, now + later));
                let mut more = tally;
                more.add(1, 1, now + later, tally.instructions);
                prop_assert!(more.is_full(&limits, now + later));
            }
        }

        // Defends SSQ-9.
        #[test]
        fn stretching_delays_only_what_age_alone_closes(
            blocks in blocks(), limits in limits(), permille in 1_000u32..100_000,
        ) {
            let (tally, now) = filled(&blocks);
            let stretched = limits.stretched(permille);
            if tally.is_full(&limits, now) && !tally.is_full(&stretched, now) {
                let ageless = BatchLimits { max_age_ms: u64::MAX, ..limits };
                prop_assert!(!tally.is_full(&ageless, now));
            }
            // However long the stretch, it is over after so many times the configured age.
            let age = limits.max_age_ms * u64::from(permille) / 1_000;
            let first = tally.first_built_at_ms.unwrap_or(0);
            prop_assert_eq!(tally.is_full(&stretched, first + age), !blocks.is_empty());
        }

        #[test]
        fn a_batch_that_is_not_full_has_room(blocks in blocks(), limits in limits()) {
            let (tally, now) = filled(&blocks);
            if !tally.is_full(&limits, now) {
                let room = tally.room(&limits);
                prop_assert!(room.transactions > 0 && room.bytes > 0 && room.instructions > 0);
            }
        }
    }
}
