//! `cloister` as a process, in front of real parts: an Ethereum node with the deployed contracts, an
//! HTTPS server, ledgers in files.
#![expect(clippy::expect_used, reason = "helpers of tests fail as tests do")]

mod audit;
mod l1;
mod proxy;
mod tool;
mod verify;
#[path = "../../../disclosure/tests/it/world.rs"]
#[expect(
    dead_code,
    reason = "shared with the tests of the package format, which need all of it"
)]
mod world;
