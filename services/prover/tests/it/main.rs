//! The real binary against a real Postgres and a real Ethereum node. Only the sequencer is stood in
//! for, because batches must be forced.
//!
//! Whether a batch was committed once is asked of the chain itself: its `BatchCommitted` events and
//! the committer's nonce.
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests may end a test by a panic too"
)]

mod api;
mod chain;
mod crash;
mod faults;
mod fees;
mod identity;
mod jobs;
mod operators;
mod proofs;
mod proving;
mod proxy;
mod reorg;
#[path = "../../../../crates/wrap/tests/it/sample.rs"]
#[expect(dead_code, reason = "parts are for the tests that it belongs to")]
mod sample;
mod sequencer;
mod takeover;
mod world;
mod wrap_world;
mod wraps;
