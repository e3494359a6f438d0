//! The crate against a provider on a loopback port and tokens signed by another implementation.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail like tests"
)]

mod discovery;
mod fake;
mod flows;
mod hostile;
mod rotation;
mod tokens;
