//! Disclosure packages, version 1: building them, and verifying them without the institution.
//!
//! A package is a signed file that claims one thing about one batch of a private chain (the state
//! of an account, a storage slot, a token balance, a transaction with its receipt) and carries
//! everything needed to check it against what the chain's `Rollup` contract on Ethereum holds. The
//! verifier is pure: no network, no clock, no panic; every length in a file is only a claim.
//!
//! It does not know who may see what (grants and policies are the disclosure service's), how the
//! anchor is read from Ethereum, or whether the institution's word on a grant is true.
//!
//! ```text
//!  package file (JWS, EdDSA)
//!   └─ manifest ─ claim: values + salts ──► leaf ── path ──► state root ┐
//!               │        fields + salts ──► leaf ── path ──► tx root ─┐ │
//!               │                          private header ── digest ──┴►│
//!               └─ batch: public header ── keccak256 ──► batch hash ────┴─ = AnchorRecord
//!                                                                            (from Ethereum)
//! ```
//!
//! What a path reveals: the hashes beside it, which hide the values below them by salts, and how
//! full the tree is around the key. The path of a key *without* a leaf may end at another key's
//! leaf and then shows that key, the hash of an address or slot: who guesses the address can
//! confirm that it was used, but learns nothing of its value.
//!
//! # Example
//!
//! ```
//! use cloister_disclosure::{Expectations, Package, VerifyError};
//!
//! let refused = Package::open(b"{}").map(|_| ());
//! assert!(matches!(refused, Err(VerifyError::Envelope(_))));
//! # let _ = Expectations::default();
//! ```

pub mod build;
mod claim;
mod envelope;
mod error;
mod hashing;
mod key;
pub mod manifest;
mod report;
mod slot;
pub mod text;
mod verify;

pub use envelope::{MAX_PACKAGE_BYTES, TYPE, Unsigned};
pub use error::{BuildError, VerifyError};
pub use key::{IssuerKey, Jwk, KeyError, SigningKey, Thumbprint};
pub use manifest::{Claim, GrantStatement, LifecycleAtIssue, Manifest};
pub use report::{Report, Statement};
pub use slot::{BalanceLayout, Derivation};
pub use verify::{AnchorRecord, AnchorState, CheckedProof, Expectations, Package, verify};
