//! The hiding sparse SHA-256 Merkle tree that commits to the chain's state.
//!
//! Every account, storage slot and activity head has a leaf at the path of its key. The tree knows
//! keys and commitments only: it refuses to know what a leaf means, which salt hides its value,
//! what a batch is and which database keeps its pages.
//!
//! ```text
//!            root                     EMPTY       = 32 zero bytes
//!           /    \                    leaf node   = SHA-256(0x01 ‖ key ‖ commit)
//!       inner     leaf c              inner node  = SHA-256(0x02 ‖ left ‖ right)
//!      /     \                        path        = bits of the key, most significant first
//!  leaf a    leaf b                   a subtree of exactly one leaf is that leaf
//!
//!  Tree ── update ──► TreeUpdate { root, pages } ── caller stores pages ── commit
//!   │                                   (PageStore: memory, Postgres)
//!   ├── prove      ──► Proof            one key, for a verifier anywhere
//!   └── multiproof ──► Multiproof ──► PartialTree      many keys, for the state transition
//! ```
//!
//! Leaves are never removed: a value that returns to zero keeps its leaf. So an absent leaf and a
//! leaf of zero both mean zero, and updating needs no sibling beyond a key's own path.
//!
//! Hashing, proofs and partial trees are `no_std`; the feature `std` adds the tree over a page
//! store.
//!
//! # Example
//! ```
//! use cloister_state_tree::{LeafCommit, LeafKey, MemoryStore, Tree};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (alice, bob) = (LeafKey([0x11; 32]), LeafKey([0x99; 32]));
//! let tree = Tree::new(MemoryStore::new());
//! let update = tree.update(0, &[(alice, LeafCommit([7; 32]))])?;
//! tree.store().insert(&update);
//! tree.commit(update)?;
//!
//! let proof = tree.prove(0, &alice)?;
//! assert_eq!(proof.verify(&tree.root(), &alice)?, Some(LeafCommit([7; 32])));
//! assert_eq!(tree.prove(0, &bob)?.verify(&tree.root(), &bob)?, None);
//! # Ok(())
//! # }
//! ```
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

#[cfg(feature = "std")]
mod arena;
#[cfg(feature = "std")]
mod cache;
mod hash;
mod multiproof;
#[cfg(feature = "std")]
mod page;
mod parser;
mod partial;
mod proof;
mod reader;
#[cfg(feature = "std")]
mod store;
#[cfg(feature = "std")]
mod tree;

pub use hash::{EMPTY, Hash, LeafCommit, LeafKey, MAX_DEPTH, inner_hash, leaf_hash};
pub use multiproof::{MAX_MULTIPROOF_NODES, Multiproof, MultiproofError};
#[cfg(feature = "std")]
pub use page::{MAX_PAGE_HEIGHT, PAGE_HEIGHT, Page, PageError, PageId};
pub use partial::{PartialTree, PartialTreeError};
pub use proof::{MAX_PROOF_BYTES, Proof, ProofError, Terminal};
#[cfg(feature = "std")]
pub use store::{MemoryStore, PageStore};
#[cfg(feature = "std")]
pub use tree::{DEFAULT_CACHED_PAGES, Tree, TreeError, TreeUpdate};
