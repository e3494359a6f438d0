//! The zero-knowledge outer proof: a circuit with private traces, proved with Plonky3 so that the
//! proof says nothing but its public values, and can be checked with Keccak-256 alone.
//!
//! ```text
//!  AIRs ─merge─► Circuit ─► VerifyingKey ── digest begins every transcript
//!                  │  └────────────► Verifier ◄── Statement, proof bytes
//!  traces ─assemble┴─► Prover ─► proof bytes
//!                  └─► check: every constraint and bus, row by row, without a proof
//! ```
//!
//! What is here by feature:
//!
//! | Feature | Modules | For |
//! |---|---|---|
//! | none | [`circuit`], [`key`], [`merge`], [`statement`], [`release`] | what generates other verifiers |
//! | `verify` | `verify`, `shape`, `proof`, `security`, `table`, `config`, `evm` | who checks proofs |
//! | `prove` | `prove`, `trace`, `check` | who makes them |
//!
//! The crate knows nothing of batches or chains, and nothing of `OpenVM` but the form of its
//! statement: program, machine and public bytes.
//!
//! ```
//! use cloister_wrap::{merge::merge, key::VerifyingKey, release::PARAMETERS};
//!
//! let circuit = merge(Vec::new(), &[], PARAMETERS, vec![4]);
//! assert!(VerifyingKey::new(circuit).is_err(), "a circuit has tables");
//! ```

#[cfg(feature = "prove")]
pub mod check;
pub mod circuit;
#[cfg(feature = "verify")]
pub mod config;
#[cfg(feature = "verify")]
pub mod evm;
pub mod key;
pub mod merge;
#[cfg(feature = "openvm")]
pub mod openvm;
#[cfg(feature = "verify")]
pub mod proof;
#[cfg(feature = "prove")]
pub mod prove;
pub mod release;
#[cfg(feature = "verify")]
pub mod salted;
#[cfg(feature = "verify")]
pub mod security;
#[cfg(feature = "verify")]
pub mod shape;
pub mod statement;
#[cfg(feature = "verify")]
pub mod table;
#[cfg(feature = "prove")]
pub mod trace;
#[cfg(feature = "verify")]
pub mod verify;
