//! The guest's ground: start, memory, exit, and the machine's accelerators for hashes and
//! signatures.
//!
//! SHA-256 is accelerated in `cloister_crypto::hash`, Keccak-256 here for all of `alloy-primitives`,
//! recovery of signers by `GuestCrypto`. Each gives the same answers as the software that the
//! sequencer runs; what the host hints is checked or not used.
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod curve;
pub mod generator;
#[cfg(target_os = "zkvm")]
mod keccak;
#[cfg(target_os = "zkvm")]
mod machine;
pub mod provider;
pub mod selftest;
#[cfg(test)]
mod tests;
#[cfg(target_os = "zkvm")]
pub mod runtime;

#[cfg(target_os = "zkvm")]
pub use provider::{GuestCrypto, install};
