//! The plan for `OpenVM` 2.0.2's root circuit: heights. A change here makes another verifying key.
//!
//! Two tables: every height between costs each query columns of its own. A final proof's traces
//! differ in height with the batch. Those that take at most 2^8 rows for the golden batch go to the
//! table of 2^9, all others to that of 2^15, so each has room for twice what it took. Two fill
//! theirs, by what no batch changes: `StackingClaimsAir` (the width of `OpenVM`'s stacked matrix)
//! and `SymbolicExpressionAir` (the constraints that are verified). Traces that do not fit are made
//! smaller by one more internal round.

use crate::merge::Place;

/// AIRs of the root circuit.
const AIRS: usize = 42;

/// Rows of the tables, as powers of two.
const LOW: u32 = 9;
const HIGH: u32 = 15;

/// AIRs whose own constraints, or `OpenVM`'s making of traces, fix the height: number and height.
const FIXED: [(usize, u32); 5] = [
    (0, 0),  // RootVerifierPvsAir: one row
    (1, 3),  // UserPvsCommitAir: a Merkle tree over the public values
    (2, 5),  // UserPvsInMemoryAir: a path from it to the root of the memory
    (21, 8), // RangeCheckerAir<8>
    (40, 5), // PowerCheckerAir<2, 32>
];

/// AIRs of the high table.
const TALL: [usize; 14] = [3, 8, 13, 14, 16, 17, 18, 26, 31, 35, 36, 37, 39, 41];

/// Heights, in the order of the circuit's AIRs.
#[must_use]
pub fn places() -> Vec<Place> {
    (0..AIRS)
        .map(|air| {
            let fixed = FIXED.iter().find(|(number, _)| *number == air);
            let log_table = if TALL.contains(&air) { HIGH } else { LOW };
            Place {
                log_height: fixed.map_or(log_table, |(_, log_height)| *log_height),
                log_table,
            }
        })
        .collect()
}
