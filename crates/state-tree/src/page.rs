//! Pages: the unit in which the tree is stored and versioned.
//!
//! A page is a subtree of [`PAGE_HEIGHT`] levels. Single leaves stand where their path becomes
//! unique; a subtree of two and more leaves at the lower border is a page of its own and known
//! here by its hash. Stored form, version 1:
//!
//! ```text
//! version u8 = 1
//! height u8
//! nodes             in preorder: 0 = empty, 1 = inner (children follow), 2 = page below (hash 32),
//!                   3 = leaf (key 32 ‖ commit 32)
//! ```
//!
//! Inner hashes are not stored: they are recomputed when a page is read, so that a page's root hash
//! is always the truth about its content and is compared with what the page above says (STREE-5).

use crate::arena::{Arena, Change, Edge, Kind, Node, ROOT};
use crate::hash::{Hash, Keyed, LeafCommit, LeafKey, MAX_DEPTH, split, write_hex};
use crate::reader::{Reader, Truncated};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

/// Version byte of [`Page::encode`].
const VERSION: u8 = 1;

/// Levels of the tree in one page, chosen by measurement (`docs/decisions/0010-tree-pages.md`).
pub const PAGE_HEIGHT: u8 = 4;

/// Greatest height that a page may have: 2^8 subtrees at its border.
pub const MAX_PAGE_HEIGHT: u8 = 8;

/// Where a page hangs: the depth of its top and the path to there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PageId {
    depth: u8,
    prefix: Hash,
}

impl PageId {
    /// The page at the top of the tree.
    pub const ROOT: Self = Self {
        depth: 0,
        prefix: [0; 32],
    };

    /// The page whose top is at `depth` bits (0 to 255) on the path of a key.
    #[must_use]
    pub fn on_path(key: &LeafKey, depth: u8) -> Self {
        let mut prefix = [0; 32];
        let (whole, bits) = (usize::from(depth / 8), depth % 8);
        prefix[..whole].copy_from_slice(&key.0[..whole]);
        if bits > 0 {
            prefix[whole] = key.0[whole] & !(0xff >> bits);
        }
        Self { depth, prefix }
    }

    /// Depth of the page's top in the tree, in bits.
    #[must_use]
    pub fn depth(&self) -> u8 {
        self.depth
    }

    /// A short unique name: the depth and as many bytes of the path as the depth needs.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let length = usize::from(self.depth).div_ceil(8);
        let mut out = Vec::with_capacity(1 + length);
        out.push(self.depth);
        out.extend_from_slice(&self.prefix[..length]);
        out
    }

    /// Whether a key's path leads through the page.
    fn covers(&self, key: &LeafKey) -> bool {
        key.shares_prefix(&LeafKey(self.prefix), usize::from(self.depth))
    }
}

impl core::hash::Hash for PageId {
    fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
        // Eight bytes of path tell apart all pages that a real tree has; the rest only costs.
        let (words, _) = self.prefix.as_chunks::<8>();
        state.write_u64(words.first().map_or(0, |word| u64::from_be_bytes(*word)));
        state.write_u8(self.depth);
    }
}

impl fmt::Display for PageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.depth)?;
        write_hex(f, &self.prefix[..usize::from(self.depth).div_ceil(8)])
    }
}

impl fmt::Debug for PageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PageId({self})")
    }
}

/// A subtree of [`PAGE_HEIGHT`] levels, immutable and cheap to clone.
#[derive(Clone, Debug)]
pub struct Page {
    height: u8,
    arena: Arc<Arena>,
}

/// Why stored bytes are not the page that they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// The page has a version that this program does not know.
    #[error("stored page of unknown version {0}, expected {VERSION}")]
    UnknownVersion(u8),
    /// The page's height is outside of what this program takes.
    #[error("stored page of height {0}, expected 1 to {MAX_PAGE_HEIGHT}")]
    BadHeight(u8),
    /// The page ends before its last node.
    #[error("stored page is cut short")]
    Truncated,
    /// The page goes on after its last node.
    #[error("stored page has {0} bytes too many")]
    TrailingBytes(usize),
    /// A node that cannot be where it is.
    #[error("stored page has a node of kind {tag} at depth {depth}, where it cannot be")]
    UnexpectedNode {
        /// The node's tag.
        tag: u8,
        /// Depth in the tree.
        depth: usize,
    },
    /// A leaf whose key does not lead to where it is.
    #[error("stored page has the leaf of key `{0}` off its path")]
    LeafOffPath(LeafKey),
}

impl From<Truncated> for PageError {
    fn from(_: Truncated) -> Self {
        Self::Truncated
    }
}

impl Page {
    pub(crate) fn new(height: u8, arena: Arena) -> Self {
        Self {
            height,
            arena: Arc::new(arena),
        }
    }

    pub(crate) fn arena(&self) -> &Arena {
        &self.arena
    }

    /// Levels of the tree in this page.
    #[must_use]
    pub fn height(&self) -> u8 {
        self.height
    }

    /// Hash of the page's topmost node.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.arena.root()
    }

    /// The stored form, version 1; a page of height 4 takes at most 1,057 bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + 65 * self.arena.leaf_count());
        out.push(VERSION);
        out.push(self.height);
        self.encode_node(ROOT, &mut out);
        out
    }

    fn encode_node(&self, at: u32, out: &mut Vec<u8>) {
        let node = self.arena.node(at);
        match node.kind {
            Kind::Empty => out.push(0),
            Kind::Inner(left, right) => {
                out.push(1);
                self.encode_node(left, out);
                self.encode_node(right, out);
            }
            Kind::Opaque => {
                out.push(2);
                out.extend_from_slice(&node.hash);
            }
            Kind::Leaf(leaf) => {
                let (key, commit) = self.arena.leaf(leaf);
                out.push(3);
                out.extend_from_slice(&key.0);
                out.extend_from_slice(&commit.0);
            }
        }
    }

    /// Reads [`Page::encode`]'s form and recomputes every hash in the page.
    ///
    /// # Errors
    /// [`PageError`] when the bytes are not a page that can hang at `id`.
    pub fn decode(id: &PageId, bytes: &[u8]) -> Result<Self, PageError> {
        let mut reader = Reader::new(bytes);
        let version = reader.byte()?;
        if version != VERSION {
            return Err(PageError::UnknownVersion(version));
        }
        let height = reader.byte()?;
        if height == 0 || height > MAX_PAGE_HEIGHT {
            return Err(PageError::BadHeight(height));
        }
        let nodes = (bytes.len() / 16).min(2 << height);
        let mut parser = Parser {
            arena: Arena::with_capacity(nodes, bytes.len() / 65),
            reader,
            id,
            border: usize::from(id.depth) + usize::from(height),
        };
        let mut path = LeafKey(id.prefix);
        parser.node(ROOT, usize::from(id.depth), &mut path)?;
        match parser.reader.rest() {
            0 => Ok(Self::new(height, parser.arena)),
            more => Err(PageError::TrailingBytes(more)),
        }
    }

    /// Calls `found` with each page below this one to which some of the sorted items lead.
    pub(crate) fn pages_below<'a, T: Keyed>(
        &self,
        id: &PageId,
        items: &'a [T],
        found: &mut impl FnMut(PageId, Hash, &'a [T]),
    ) {
        self.below(ROOT, usize::from(id.depth), items, found);
    }

    fn below<'a, T: Keyed>(
        &self,
        at: u32,
        depth: usize,
        items: &'a [T],
        found: &mut impl FnMut(PageId, Hash, &'a [T]),
    ) {
        let Some(first) = items.first() else { return };
        let node = self.arena.node(at);
        match node.kind {
            Kind::Inner(left, right) => {
                let (to_left, to_right) = split(items, depth);
                self.below(left, depth + 1, to_left, found);
                self.below(right, depth + 1, to_right, found);
            }
            Kind::Opaque => found(PageId::on_path(first.key(), level(depth)), node.hash, items),
            Kind::Empty | Kind::Leaf(_) => (),
        }
    }

    /// A copy with changes applied that all lead through the page.
    pub(crate) fn with<E: Edge>(
        &self,
        depth: u8,
        changes: &[Change],
        edge: &mut E,
    ) -> Result<Self, E::Error> {
        let mut arena = self.arena.copy_for(changes.len());
        arena.apply(ROOT, usize::from(depth), changes, edge)?;
        Ok(Self::new(self.height, arena))
    }
}

/// A depth at which a page can hang, as it is stored.
pub(crate) fn level(depth: usize) -> u8 {
    debug_assert!(
        depth < MAX_DEPTH,
        "two keys differ before their last bit's depth"
    );
    u8::try_from(depth).unwrap_or(u8::MAX)
}

/// Turns stored bytes into nodes.
struct Parser<'a> {
    arena: Arena,
    reader: Reader<'a>,
    id: &'a PageId,
    border: usize,
}

impl Parser<'_> {
    fn node(&mut self, at: u32, depth: usize, path: &mut LeafKey) -> Result<(), PageError> {
        match self.reader.byte()? {
            0 => Ok(()),
            1 if depth < self.border && depth < MAX_DEPTH => {
                let left = self.arena.push(Node::EMPTY);
                let right = self.arena.push(Node::EMPTY);
                self.node(left, depth + 1, path)?;
                let (byte, bit) = (depth / 8, 0x80 >> (depth % 8));
                path.0[byte] |= bit;
                self.node(right, depth + 1, path)?;
                path.0[byte] &= !bit;
                self.arena.set_inner(at, left, right);
                Ok(())
            }
            2 if depth == self.border && depth < MAX_DEPTH => {
                let hash = self.reader.hash()?;
                self.arena.set(
                    at,
                    Node {
                        hash,
                        kind: Kind::Opaque,
                    },
                );
                Ok(())
            }
            3 => {
                let key = LeafKey(self.reader.hash()?);
                let commit = LeafCommit(self.reader.hash()?);
                if !self.id.covers(&key) || !key.shares_prefix(path, depth) {
                    return Err(PageError::LeafOffPath(key));
                }
                self.arena.set_leaf(at, (key, commit));
                Ok(())
            }
            tag => Err(PageError::UnexpectedNode { tag, depth }),
        }
    }
}
