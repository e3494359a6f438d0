//! Identifiers, chain configuration and the frozen version-1 encodings every other crate speaks.
//!
//! This crate defines *bytes*: what a block header, a batch header, a state value and the opening
//! of a transaction look like. It knows nothing of SHA-256, salts, trees, execution or storage;
//! `cloister-crypto` hashes these bytes and `cloister-stf` decides what they hold.
//!
//! ```text
//!  block::BlockHeader ──hash──┐
//!                             ▼
//!  batch::PrivateHeader ──digest──► batch::PublicHeader ──hash──► what Ethereum stores
//!                                        ▲
//!  state::StateKey / AccountValue / … ───┘ (state root, by cloister-state-tree)
//!  activity::TransactionFields / TransactionOpening (transaction root, by cloister-crypto)
//! ```
//!
//! All integers are big-endian and of fixed width. An unknown version is an error value.
//!
//! # Example
//!
//! ```
//! use cloister_types::{BlockHeader, BlockNumber};
//!
//! let header = BlockHeader { number: BlockNumber(7), ..BlockHeader::default() };
//! assert_eq!(BlockHeader::decode(&header.encode())?, header);
//! # Ok::<(), cloister_types::DecodeError>(())
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
pub mod batch;
pub mod block;
pub mod clock;
pub mod codec;
pub mod config;
pub mod ids;
pub mod state;

pub use activity::{
    ActivityKind, Field, FieldOpening, LogOpening, LogRecord, Salt, TransactionFields,
    TransactionOpening,
};
pub use batch::{BatchHeader, PrivateHeader, PublicHeader};
pub use block::BlockHeader;
pub use clock::{Clock, UnixMillis};
#[cfg(feature = "std")]
pub use clock::{ManualClock, SystemClock};
pub use codec::DecodeError;
pub use config::{ChainConfig, Fork};
pub use ids::{BatchNumber, BlockNumber};
pub use state::{AccountValue, ActivityHead, StateKey, StateKind};

pub use alloy_primitives::{Address, B256, Bytes, U256};
