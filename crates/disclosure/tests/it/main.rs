//! Packages from building to verdict, over a small world made with the real tree and commitments.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod golden;
mod mutations;
mod verdicts;
mod world;
