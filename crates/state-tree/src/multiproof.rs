//! The paths of many keys in one, every shared node only once; frozen encoding, version 1.
//!
//! ```text
//! version u8 = 1
//! tag count u32     big-endian, 1 to 2^24
//! hash count u32    big-endian
//! tags              one byte per node, in preorder (node, left, right)
//! hashes            32 bytes each, in the order in which the tags need them
//!
//! tag  meaning                                                         hashes
//! 0    empty subtree                                                   none
//! 1    inner node on the path of at least one key; both children follow none
//! 2    subtree beside the paths, by its hash                           1: hash
//! 3    leaf of the only key that leads here; the key is not repeated   1: commit
//! 4    any other leaf at the end of a path                             2: key, commit
//! ```
//!
//! The keys themselves are not part of the encoding: who reads a multiproof knows what was asked.

use crate::hash::Hash;
#[cfg(feature = "std")]
use crate::hash::{LeafCommit, LeafKey};
use crate::reader::{Reader, Truncated};
use alloc::vec::Vec;

/// Version byte of [`Multiproof::encode`].
const VERSION: u8 = 1;

/// Most nodes that a multiproof may have.
pub const MAX_MULTIPROOF_NODES: usize = 1 << 24;

pub(crate) const TAG_EMPTY: u8 = 0;
pub(crate) const TAG_INNER: u8 = 1;
pub(crate) const TAG_OPAQUE: u8 = 2;
pub(crate) const TAG_OWN_LEAF: u8 = 3;
pub(crate) const TAG_OTHER_LEAF: u8 = 4;

/// The paths of a set of keys; read with [`crate::PartialTree::new`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Multiproof {
    pub(crate) tags: Vec<u8>,
    pub(crate) hashes: Vec<Hash>,
}

/// Why bytes are not a multiproof, or a multiproof not one for the given keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MultiproofError {
    /// The encoding has a version that this program does not know.
    #[error("multiproof of unknown version {0}, expected {VERSION}")]
    UnknownVersion(u8),
    /// More nodes than a multiproof may have.
    #[error("multiproof claims {got} nodes, but at most {MAX_MULTIPROOF_NODES} are taken")]
    TooLarge {
        /// Nodes claimed.
        got: u32,
    },
    /// The content ends before all announced nodes and hashes are there.
    #[error("multiproof is cut short")]
    Truncated,
    /// The content goes on after its last node.
    #[error("multiproof has {0} bytes, nodes or hashes too many")]
    Trailing(usize),
    /// A tag that has no meaning, or not at this place.
    #[error("multiproof has tag {tag} at node {node}, which has no meaning there")]
    UnexpectedTag {
        /// The tag.
        tag: u8,
        /// Position of the node in preorder.
        node: usize,
    },
    /// A leaf whose key does not lie where the leaf is.
    #[error("multiproof has a leaf off its path at node {node}")]
    LeafOffPath {
        /// Position of the node in preorder.
        node: usize,
    },
    /// A subtree of at most one leaf that is not in its shortest form.
    #[error("multiproof is not in its shortest form at node {node}")]
    NotShortest {
        /// Position of the node in preorder.
        node: usize,
    },
    /// The keys are not in strictly ascending order.
    #[error(
        "the keys are not in strictly ascending order at position {at}; sort them and remove repetitions"
    )]
    KeysNotSorted {
        /// Position of the first key that is not greater than the one before.
        at: usize,
    },
}

impl From<Truncated> for MultiproofError {
    fn from(_: Truncated) -> Self {
        Self::Truncated
    }
}

#[cfg(feature = "std")]
impl Multiproof {
    /// An empty proof to which nodes are added in preorder.
    pub(crate) fn new() -> Self {
        Self {
            tags: Vec::new(),
            hashes: Vec::new(),
        }
    }

    pub(crate) fn push_empty(&mut self) {
        self.tags.push(TAG_EMPTY);
    }

    pub(crate) fn push_inner(&mut self) {
        self.tags.push(TAG_INNER);
    }

    pub(crate) fn push_opaque(&mut self, hash: &Hash) {
        self.tags.push(TAG_OPAQUE);
        self.hashes.push(*hash);
    }

    /// Adds the leaf to which `keys` lead.
    pub(crate) fn push_leaf(&mut self, leaf: &(LeafKey, LeafCommit), keys: &[LeafKey]) {
        if keys == [leaf.0] {
            self.tags.push(TAG_OWN_LEAF);
        } else {
            self.tags.push(TAG_OTHER_LEAF);
            self.hashes.push(leaf.0.0);
        }
        self.hashes.push(leaf.1.0);
    }
}

impl Multiproof {
    /// How many nodes the multiproof has.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.tags.len()
    }

    /// The frozen encoding, version 1.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(9 + self.tags.len() + 32 * self.hashes.len());
        out.push(VERSION);
        for count in [self.tags.len(), self.hashes.len()] {
            // Longer than 2^32 is beyond any limit: such an encoding does not decode.
            out.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes());
        }
        out.extend_from_slice(&self.tags);
        out.extend_from_slice(self.hashes.as_flattened());
        out
    }

    /// Reads [`Multiproof::encode`]'s form. Allocates no more than the input is long.
    ///
    /// The shape is checked later, against the keys, by [`crate::PartialTree::new`].
    ///
    /// # Errors
    /// [`MultiproofError`] when the bytes are not exactly one multiproof of version 1.
    pub fn decode(bytes: &[u8]) -> Result<Self, MultiproofError> {
        let mut reader = Reader::new(bytes);
        let version = reader.byte()?;
        if version != VERSION {
            return Err(MultiproofError::UnknownVersion(version));
        }
        let (tag_count, hash_count) = (reader.u32()?, reader.u32()?);
        if tag_count as usize > MAX_MULTIPROOF_NODES {
            return Err(MultiproofError::TooLarge { got: tag_count });
        }
        let tags = reader.take(tag_count as usize)?.to_vec();
        let hashes = reader.hashes(hash_count as usize)?;
        match reader.rest() {
            0 => Ok(Self { tags, hashes }),
            more => Err(MultiproofError::Trailing(more)),
        }
    }
}
