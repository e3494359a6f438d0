//! Proofs of batches: what is proved, how a proof is checked, and the engine that makes one.
//!
//! The engine ([`client`] starts it, `cloister-prover-engine` is it) is a process of its own: what
//! it takes of memory goes back when it ends, and whatever kills it leaves the service standing.
//! The two speak [`protocol`], lines of JSON; artefacts travel as files. `cloister-wrapper` of
//! another crate speaks it too.
//!
//! ```text
//!  batch input ─ execute ─► segments ─ prove each ─► leaves ─► internal nodes ─► final STARK
//!                   │                                   └── tree::layers ──┘         │
//!                   └─ batch hash must equal the sequencer's header            verify ◄┤
//!                                                                   cloister-wrapper ◄┘
//! ```
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub mod artefact;
pub mod client;
#[cfg(feature = "engine")]
pub mod engine;
pub mod image;
pub mod protocol;
#[cfg(feature = "serve")]
pub mod serve;
pub mod tree;
#[cfg(feature = "verify")]
pub mod verify;
