//! The policies of the repository and the engine, against each other.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail like tests"
)]

mod ask;
mod grid;
mod loading;
mod rules;
mod world;
