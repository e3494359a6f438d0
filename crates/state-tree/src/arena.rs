//! A piece of the tree in memory: nodes that refer to each other by index.
//!
//! A stored page is such a piece. What lies below the piece is
//! known by its hash only ([`Kind::Opaque`]); an [`Edge`] says what happens when a change reaches
//! that border.

use crate::hash::{EMPTY, Hash, LeafCommit, LeafKey, MAX_DEPTH, split};
use alloc::vec::Vec;
use cloister_crypto::{domain, hash::hash_pair_to};

/// A change: this key's leaf gets this commitment.
pub(crate) type Change = (LeafKey, LeafCommit);

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A subtree without leaves.
    Empty,
    /// A subtree known by its hash only.
    Opaque,
    /// A leaf: its index among the leaves.
    Leaf(u32),
    /// An inner node: the indices of its left and right child.
    Inner(u32, u32),
}

/// A node with its hash. The hash is first, and so at a word's boundary.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Node {
    pub(crate) hash: Hash,
    pub(crate) kind: Kind,
}

impl Node {
    /// The node of an empty subtree.
    pub(crate) const EMPTY: Self = Self {
        hash: EMPTY,
        kind: Kind::Empty,
    };
}

/// Nodes and leaves of a piece of the tree; node 0 is its root.
#[derive(Clone, Debug)]
pub(crate) struct Arena {
    nodes: Vec<Node>,
    leaves: Vec<Change>,
}

/// What a change meets at the border of a piece.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Below {
    /// Nothing is there yet.
    Empty,
    /// A single leaf, which up to now needed no subtree of its own.
    Leaf(Change),
    /// A subtree that the piece knows by its hash.
    Opaque,
}

/// The lower border of a piece.
pub(crate) trait Edge {
    /// Why a change cannot go on below the border.
    type Error;

    /// Whether subtrees of two and more leaves at this depth lie outside of the piece.
    fn is_at(&self, depth: usize) -> bool;

    /// Applies changes below the border and answers the new hash there.
    fn descend(
        &mut self,
        below: Below,
        depth: usize,
        changes: &[Change],
    ) -> Result<Hash, Self::Error>;
}

/// Index of the root in every arena.
pub(crate) const ROOT: u32 = 0;

impl Arena {
    /// A piece of one empty subtree with space for some nodes and leaves.
    pub(crate) fn with_capacity(nodes: usize, leaves: usize) -> Self {
        let mut arena = Self {
            nodes: Vec::with_capacity(nodes + 1),
            leaves: Vec::with_capacity(leaves),
        };
        arena.nodes.push(Node::EMPTY);
        arena
    }

    /// A copy with space for the nodes that `changes` changes can add at a piece's height.
    pub(crate) fn copy_for(&self, changes: usize) -> Self {
        let mut copy = Self {
            nodes: Vec::with_capacity(self.nodes.len() + 2 * changes),
            leaves: Vec::with_capacity(self.leaves.len() + changes),
        };
        copy.nodes.extend_from_slice(&self.nodes);
        copy.leaves.extend_from_slice(&self.leaves);
        copy
    }

    /// The node at an index.
    pub(crate) fn node(&self, at: u32) -> &Node {
        &self.nodes[at as usize]
    }

    /// The leaf at an index.
    pub(crate) fn leaf(&self, at: u32) -> &Change {
        &self.leaves[at as usize]
    }

    /// Hash of the whole piece.
    pub(crate) fn root(&self) -> Hash {
        self.nodes[ROOT as usize].hash
    }

    /// How many leaves were ever put into the piece.
    pub(crate) fn leaf_count(&self) -> usize {
        self.leaves.len()
    }

    /// Adds a node and answers its index.
    pub(crate) fn push(&mut self, node: Node) -> u32 {
        let at = index(self.nodes.len());
        self.nodes.push(node);
        at
    }

    /// Makes a node an empty subtree, a subtree known by its hash, or an inner node.
    pub(crate) fn set(&mut self, at: u32, node: Node) {
        self.nodes[at as usize] = node;
    }

    /// Makes a node a subtree known by its hash.
    pub(crate) fn set_opaque(&mut self, at: u32, hash: &Hash) {
        let node = &mut self.nodes[at as usize];
        node.hash = *hash;
        node.kind = Kind::Opaque;
    }

    /// Makes a node a leaf.
    pub(crate) fn set_leaf(&mut self, at: u32, leaf: Change) {
        let kind = Kind::Leaf(index(self.leaves.len()));
        let node = &mut self.nodes[at as usize];
        hash_pair_to(&mut node.hash, domain::TREE_LEAF, &leaf.0.0, &leaf.1.0);
        node.kind = kind;
        self.leaves.push(leaf);
    }

    /// Makes a node an inner one over two existing nodes and computes its hash.
    pub(crate) fn set_inner(&mut self, at: u32, left: u32, right: u32) {
        let places = [at, left, right].map(|at| at as usize);
        if let Ok([node, one, other]) = self.nodes.get_disjoint_mut(places) {
            hash_pair_to(&mut node.hash, domain::TREE_INNER, &one.hash, &other.hash);
            node.kind = Kind::Inner(left, right);
        } else {
            debug_assert!(false, "a node is not its own child");
        }
    }

    /// Applies changes, sorted by key without repetition and all below node `at`, in one pass; the
    /// node has its new hash then.
    ///
    /// Every touched node is hashed exactly once.
    pub(crate) fn apply<E: Edge>(
        &mut self,
        at: u32,
        depth: usize,
        changes: &[Change],
        edge: &mut E,
    ) -> Result<(), E::Error> {
        if changes.is_empty() {
            return Ok(());
        }
        let (left, right) = match (self.node(at).kind, changes) {
            (Kind::Inner(left, right), _) => (left, right),
            (Kind::Opaque, _) => {
                return self.leave(at, Below::Opaque, depth, changes, edge);
            }
            (Kind::Empty, [only]) => {
                self.set_leaf(at, *only);
                return Ok(());
            }
            (Kind::Leaf(leaf), [only]) if self.leaf(leaf).0 == only.0 => {
                self.leaves[leaf as usize].1 = only.1;
                let hash = &mut self.nodes[at as usize].hash;
                hash_pair_to(hash, domain::TREE_LEAF, &only.0.0, &only.1.0);
                return Ok(());
            }
            (Kind::Empty, _) if edge.is_at(depth) => {
                return self.leave(at, Below::Empty, depth, changes, edge);
            }
            (Kind::Leaf(leaf), _) if edge.is_at(depth) => {
                let below = Below::Leaf(*self.leaf(leaf));
                return self.leave(at, below, depth, changes, edge);
            }
            (Kind::Empty, _) => (self.push(Node::EMPTY), self.push(Node::EMPTY)),
            (Kind::Leaf(leaf), _) => self.push_down(at, self.leaf(leaf).0.bit(depth)),
        };
        let (to_left, to_right) = split(changes, depth);
        if !to_left.is_empty() {
            self.apply(left, depth + 1, to_left, edge)?;
        }
        if !to_right.is_empty() {
            self.apply(right, depth + 1, to_right, edge)?;
        }
        self.set_inner(at, left, right);
        Ok(())
    }

    /// Moves the leaf at `at` one level down and answers the two children.
    fn push_down(&mut self, at: u32, goes_right: bool) -> (u32, u32) {
        let leaf = *self.node(at);
        let (left, right) = if goes_right {
            (Node::EMPTY, leaf)
        } else {
            (leaf, Node::EMPTY)
        };
        (self.push(left), self.push(right))
    }

    /// Hands changes to what lies below the piece.
    fn leave<E: Edge>(
        &mut self,
        at: u32,
        below: Below,
        depth: usize,
        changes: &[Change],
        edge: &mut E,
    ) -> Result<(), E::Error> {
        let hash = edge.descend(below, depth, changes)?;
        self.set_opaque(at, &hash);
        Ok(())
    }

    /// Follows a key from node `at` on; answers where it ends and at which depth.
    ///
    /// `beside` is called with the hash of each sibling on the way down.
    pub(crate) fn follow(
        &self,
        key: &LeafKey,
        mut depth: usize,
        mut beside: impl FnMut(Hash),
    ) -> (&Node, usize) {
        let mut at = ROOT;
        loop {
            let node = self.node(at);
            let Kind::Inner(left, right) = node.kind else {
                return (node, depth);
            };
            let (next, sibling) = if key.bit(depth) {
                (right, left)
            } else {
                (left, right)
            };
            beside(self.node(sibling).hash);
            at = next;
            depth += 1;
            debug_assert!(
                depth <= MAX_DEPTH,
                "a path has no more levels than a key has bits"
            );
        }
    }
}

/// An index as it is stored: pieces are limited far below 2^32 nodes.
fn index(at: usize) -> u32 {
    debug_assert!(
        u32::try_from(at).is_ok(),
        "a piece has fewer than 2^32 nodes"
    );
    u32::try_from(at).unwrap_or(u32::MAX)
}
