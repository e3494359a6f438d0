//! The part of the tree that a multiproof shows: read, update, recompute the root.

use crate::arena::{Arena, Below, Change, Edge, Kind, ROOT};
use crate::hash::{EMPTY, Hash, LeafCommit, LeafKey, MAX_DEPTH, first_unsorted, split};
use crate::multiproof::{
    Multiproof, MultiproofError, TAG_EMPTY, TAG_INNER, TAG_OPAQUE, TAG_OTHER_LEAF, TAG_OWN_LEAF,
};

/// A tree of which only the paths of some keys are known.
///
/// It computes the same roots as the whole tree as long as only those keys are read and written.
///
/// ```
/// use cloister_state_tree::{LeafCommit, LeafKey, MemoryStore, PartialTree, Tree};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (alice, bob) = (LeafKey([0x11; 32]), LeafKey([0x99; 32]));
/// let tree = Tree::new(MemoryStore::new());
/// let update = tree.update(0, &[(alice, LeafCommit([1; 32])), (bob, LeafCommit([2; 32]))])?;
/// tree.store().insert(&update);
/// tree.commit(update)?;
///
/// let witness = tree.multiproof(0, &[bob])?;
/// let mut partial = PartialTree::new(&witness, &[bob])?;
/// assert_eq!(partial.root(), tree.root());
/// assert_eq!(partial.get(&bob)?, Some(LeafCommit([2; 32])));
///
/// let after = partial.update(&[(bob, LeafCommit([3; 32]))])?;
/// assert_eq!(after, tree.update(1, &[(bob, LeafCommit([3; 32]))])?.root());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct PartialTree {
    arena: Arena,
}

/// Why a read or an update of a partial tree is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartialTreeError {
    /// The key's path is not part of the tree.
    #[error("the witness does not show the path of key `{0}`; ask for a multiproof that covers it")]
    MissingKey(LeafKey),
    /// The changes are not in strictly ascending order of their keys.
    #[error(
        "the changes are not in strictly ascending order at position {at}; sort them and remove repetitions"
    )]
    NotSorted {
        /// Position of the first change that is not greater than the one before.
        at: usize,
    },
}

impl PartialTree {
    /// Reads the multiproof of exactly these keys, which are sorted and do not repeat.
    ///
    /// All hashes are recomputed; compare [`PartialTree::root`] with the root that you trust.
    ///
    /// # Errors
    /// [`MultiproofError`] when the multiproof's shape is not that of a multiproof for the keys.
    pub fn new(multiproof: &Multiproof, keys: &[LeafKey]) -> Result<Self, MultiproofError> {
        if let Some(at) = first_unsorted(keys) {
            return Err(MultiproofError::KeysNotSorted { at });
        }
        let Multiproof { tags, hashes } = multiproof;
        // Bounded by the multiproof itself: one node per tag, at most one leaf per hash.
        let mut parser = Parser {
            arena: Arena::of_empty(tags.len(), keys.len().min(hashes.len())),
            tags,
            hashes,
            node: 0,
        };
        parser.on_path(0, keys)?;
        let Parser {
            arena,
            hashes,
            tags,
            node,
        } = parser;
        match tags.len() - node + hashes.len() {
            0 => Ok(Self { arena }),
            more => Err(MultiproofError::Trailing(more)),
        }
    }

    /// The root of the whole tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.arena.root()
    }

    /// The commitment in a key's leaf; `None` when the key has no leaf.
    ///
    /// # Errors
    /// [`PartialTreeError::MissingKey`] when the key's path is not known.
    pub fn get(&self, key: &LeafKey) -> Result<Option<LeafCommit>, PartialTreeError> {
        let (node, _) = self.arena.follow(key, 0, |_| ());
        match node.kind {
            Kind::Leaf(leaf) => {
                let (at, commit) = self.arena.leaf(leaf);
                Ok((at == key).then_some(*commit))
            }
            Kind::Opaque => Err(PartialTreeError::MissingKey(*key)),
            Kind::Empty | Kind::Inner(..) => Ok(None),
        }
    }

    /// Writes leaves, sorted by key without repetition, and answers the new root.
    ///
    /// # Errors
    /// [`PartialTreeError`]; the tree must not be used any more after [`PartialTreeError::MissingKey`],
    /// because part of the changes has been made.
    pub fn update(&mut self, changes: &[Change]) -> Result<Hash, PartialTreeError> {
        if let Some(at) = first_unsorted(changes) {
            return Err(PartialTreeError::NotSorted { at });
        }
        self.arena.apply(ROOT, 0, changes, &mut Unknown)?;
        Ok(self.root())
    }
}

/// The border of a partial tree: nothing is known below it.
struct Unknown;

impl Edge for Unknown {
    type Error = PartialTreeError;

    fn is_at(&self, _depth: usize) -> bool {
        false
    }

    fn descend(
        &mut self,
        _below: Below,
        _depth: usize,
        changes: &[Change],
    ) -> Result<Hash, Self::Error> {
        let key = changes
            .first()
            .map_or_else(LeafKey::default, |change| change.0);
        Err(PartialTreeError::MissingKey(key))
    }
}

/// Turns tags and hashes into nodes. The nodes keep their order: node `n` of the arena is that of
/// tag `n`.
struct Parser<'a> {
    arena: Arena,
    tags: &'a [u8],
    hashes: &'a [Hash],
    /// Position of the next tag.
    node: usize,
}

impl<'a> Parser<'a> {
    /// The next node's index in the arena.
    fn next_index(&self) -> u32 {
        // There are at most `MAX_MULTIPROOF_NODES` tags.
        u32::try_from(self.node).unwrap_or(u32::MAX)
    }

    fn next_tag(&mut self) -> Result<u8, MultiproofError> {
        let tag = self.tags.get(self.node).ok_or(MultiproofError::Truncated)?;
        self.node += 1;
        Ok(*tag)
    }

    fn next_hash(&mut self) -> Result<&'a Hash, MultiproofError> {
        let (first, rest) = self
            .hashes
            .split_first()
            .ok_or(MultiproofError::Truncated)?;
        self.hashes = rest;
        Ok(first)
    }

    /// Position of the node whose tag was read last.
    fn position(&self) -> usize {
        self.node.saturating_sub(1)
    }

    /// Reads a node to which at least one key leads (or the root).
    fn on_path(&mut self, depth: usize, keys: &[LeafKey]) -> Result<(), MultiproofError> {
        if keys.is_empty() {
            return self.off_path();
        }
        let at = self.next_index();
        let tag = self.next_tag()?;
        let node = self.position();
        match (tag, keys) {
            (TAG_EMPTY, _) => Ok(()),
            (TAG_INNER, _) if depth < MAX_DEPTH => {
                let (to_left, to_right) = split(keys, depth);
                let left = self.next_index();
                self.on_path(depth + 1, to_left)?;
                let right = self.next_index();
                self.on_path(depth + 1, to_right)?;
                self.check_shortest(left, right, node)?;
                self.arena.set_inner(at, left, right);
                Ok(())
            }
            (TAG_OWN_LEAF, [key]) => {
                let commit = LeafCommit(*self.next_hash()?);
                self.arena.set_leaf(at, (*key, commit));
                Ok(())
            }
            (TAG_OTHER_LEAF, [first, ..]) => {
                let key = LeafKey(*self.next_hash()?);
                let commit = LeafCommit(*self.next_hash()?);
                if !key.shares_prefix(first, depth) {
                    return Err(MultiproofError::LeafOffPath { node });
                }
                if keys == [key] {
                    return Err(MultiproofError::NotShortest { node });
                }
                self.arena.set_leaf(at, (key, commit));
                Ok(())
            }
            (tag, _) => Err(MultiproofError::UnexpectedTag { tag, node }),
        }
    }

    /// Reads a node beside the paths.
    fn off_path(&mut self) -> Result<(), MultiproofError> {
        let at = self.next_index();
        match self.next_tag()? {
            TAG_EMPTY => Ok(()),
            TAG_OPAQUE => {
                let hash = self.next_hash()?;
                if *hash == EMPTY {
                    return Err(MultiproofError::NotShortest {
                        node: self.position(),
                    });
                }
                self.arena.set_opaque(at, hash);
                Ok(())
            }
            tag => Err(MultiproofError::UnexpectedTag {
                tag,
                node: self.position(),
            }),
        }
    }

    /// An inner node stands for two leaves at least.
    fn check_shortest(&self, left: u32, right: u32, node: usize) -> Result<(), MultiproofError> {
        match (self.arena.node(left).kind, self.arena.node(right).kind) {
            (Kind::Empty, Kind::Empty | Kind::Leaf(_)) | (Kind::Leaf(_), Kind::Empty) => {
                Err(MultiproofError::NotShortest { node })
            }
            _ => Ok(()),
        }
    }
}
