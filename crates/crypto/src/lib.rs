//! SHA-256 with domain separation, hiding salts and the provider through which the guest
//! accelerates signature recovery.
//!
//! This crate turns the bytes that `cloister-types` defines into keys, commitments and roots. It
//! knows nothing of the tree's shape, of execution, or of where secrets are kept.
//!
//! ```text
//!  StateSecret ──HMAC(batch number)──► BatchKey ──HMAC(leaf key | transaction field)──► Salt
//!                                                                                        │
//!  StateKey ──► leaf key        kind ‖ salt ‖ value ──► leaf commitment ──► cloister-state-tree
//!                               field ‖ salt ‖ bytes ─► field commitments ─► transaction leaf
//! ```
//!
//! Every hash begins with a byte of [`domain`] (SC-1). Where hashing is accelerated the choice is
//! made when the program is built: Keccak-256 by `alloy-primitives`' `native-keccak`, SHA-256 by
//! the one function in [`hash`].
//!
//! # Example
//!
//! ```
//! use cloister_crypto::{Salter, StateSecret, state};
//! use cloister_types::{Address, BatchNumber, StateKey, StateKind};
//!
//! let salter = Salter::new(&StateSecret::new([7; 32])).batch(BatchNumber(3));
//! let key = state::leaf_key(&StateKey::Activity(Address::ZERO));
//! let commit = state::leaf_commit(StateKind::Activity, &salter.leaf_salt(&key), &[0; 40]);
//! assert_ne!(commit, [0; 32]);
//! ```
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::indexing_slicing,
        clippy::wildcard_enum_match_arm
    )
)]

extern crate alloc;

pub mod activity;
pub mod audit;
pub mod big_endian;
pub mod domain;
pub mod equal;
pub mod hash;
pub mod provider;
pub mod salt;
pub mod state;
pub mod wide;

pub use alloy_primitives::keccak256;
pub use hash::{hash_pair, sha256};
pub use provider::{CryptoProvider, NativeCrypto, SignatureError};
pub use salt::{BatchKey, BatchSalter, Salter, StateSecret};
