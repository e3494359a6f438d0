//! The gateway as a process, with a real sequencer, Postgres and identity provider.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail like tests"
)]

mod chain;
mod contracts;
mod deployments;
mod faults;
mod grid;
mod login;
mod readiness;
mod requests;
mod sessions;
mod support;
mod visibility;
mod wallets;
