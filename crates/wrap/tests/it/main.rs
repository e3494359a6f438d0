//! Proofs of a small circuit that has one of everything that `OpenVM`'s root circuit has.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod deletion;
mod evm;
mod fixture;
#[path = "../common/forge.rs"]
mod forge;
mod forged;
mod hiding;
mod lessons;
mod malformed;
mod mutations;
mod reference;
mod salted;
mod sample;
mod security;
mod sound;
mod zero_knowledge;
