//! The disclosure service over HTTPS, with a real Postgres, a real OpenID provider, mutual TLS to a
//! sequencer and a prover of our own over the real tree, and packages checked by the real verifier.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod chain;
mod faults;
mod grants;
mod installation;
mod packages;
#[path = "../../../../crates/disclosure/tests/it/world.rs"]
#[expect(
    dead_code,
    reason = "shared with the tests of the package format, which need all of it"
)]
mod world;
