//! The part of the tree that a multiproof shows: read, update, recompute the root.
//!
//! The guest pays for every step here, so nothing is searched twice: inner nodes keep the message of
//! their hash, into which a child's new hash is written, and where the path of each key ends is
//! known from the reading.

use crate::hash::{Hash, LeafCommit, LeafKey, first_unsorted, inner_hash, leaf_hash, split};
use crate::multiproof::{Multiproof, MultiproofError};
use crate::parser::{Next, parse};
use alloc::vec::Vec;
use cloister_crypto::{
    domain,
    hash::{Half, Pair},
};

/// A change: this key's leaf gets this commitment.
type Change = (LeafKey, LeafCommit);

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
    /// Keys whose paths are known, ascending.
    keys: Vec<LeafKey>,
    /// Inner nodes in preorder, so that each lies behind the one above it. The first is none: its
    /// left half is the root.
    nodes: Vec<Inner>,
    /// Where the keys' paths end, in the keys' order.
    ends: Vec<End>,
    /// The message of a leaf's hash.
    leaf: Pair,
}

/// An inner node.
#[derive(Clone, Debug)]
struct Inner {
    /// Hashes of its children.
    children: Pair,
    /// Where its own hash belongs.
    place: Place,
    /// Whether its own hash is not there yet.
    is_stale: bool,
}

/// A child of an inner node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    above: usize,
    half: Half,
}

impl Place {
    /// Of the root.
    pub(crate) const ROOT: Self = Self {
        above: 0,
        half: Half::Left,
    };

    pub(crate) const fn of(above: usize, half: Half) -> Self {
        Self { above, half }
    }
}

/// Where the paths of some keys end.
#[derive(Clone, Debug)]
struct End {
    place: Place,
    depth: usize,
    /// Position after the last key that leads here.
    until: usize,
    leaves: Leaves,
}

/// All leaves of a subtree that the multiproof showed as a leaf or as empty.
#[derive(Clone, Debug)]
enum Leaves {
    None,
    /// Of the only key that leads here.
    Own(LeafCommit),
    /// Of another key, or of one of several.
    One(Change),
    /// At least two, in ascending order.
    More(Vec<Change>),
}

impl Leaves {
    fn get(&self, key: &LeafKey) -> Option<&LeafCommit> {
        let leaves = match self {
            Self::Own(commit) => return Some(commit),
            Self::None => &[],
            Self::One(leaf) => core::slice::from_ref(leaf),
            Self::More(leaves) => leaves,
        };
        let found = leaves.iter().find(|(at, _)| at == key);
        found.map(|(_, commit)| commit)
    }

    fn set(&mut self, key: &LeafKey, commit: &LeafCommit) {
        match self {
            Self::None => *self = Self::One((*key, *commit)),
            Self::Own(old) => *old = *commit,
            Self::One((at, old)) if at == key => *old = *commit,
            Self::One(leaf) => {
                let mut leaves = alloc::vec![*leaf, (*key, *commit)];
                leaves.sort_unstable();
                *self = Self::More(leaves);
            }
            Self::More(leaves) => match leaves.binary_search_by_key(key, |leaf| leaf.0) {
                Ok(at) => leaves[at].1 = *commit,
                Err(at) => leaves.insert(at, (*key, *commit)),
            },
        }
    }
}

/// Why a read or an update of a partial tree is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartialTreeError {
    /// The tree was not read for the key.
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
        Self::with_keys(multiproof, keys.to_vec())
    }

    /// As [`PartialTree::new`], for a caller that has no other use for the keys.
    ///
    /// # Errors
    /// As [`PartialTree::new`].
    pub fn with_keys(multiproof: &Multiproof, keys: Vec<LeafKey>) -> Result<Self, MultiproofError> {
        if let Some(at) = first_unsorted(&keys) {
            return Err(MultiproofError::KeysNotSorted { at });
        }
        // Bounded by the multiproof itself: half of its nodes, less one, are inner ones.
        let mut tree = Self {
            nodes: Vec::with_capacity(multiproof.tags.len() / 2 + 1),
            ends: Vec::with_capacity(keys.len().min(multiproof.tags.len())),
            keys: Vec::new(),
            leaf: Pair::new(domain::TREE_LEAF),
        };
        tree.nodes.push(Inner {
            children: Pair::new(0),
            place: Place::ROOT,
            is_stale: false,
        });
        parse(multiproof, &keys, &mut tree)?;
        tree.keys = keys;
        tree.rehash();
        Ok(tree)
    }

    /// The root of the whole tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        let Place { above, half } = Place::ROOT;
        self.nodes[above].children.get(half)
    }

    /// The keys that the tree was read for.
    #[must_use]
    pub fn keys(&self) -> &[LeafKey] {
        &self.keys
    }

    /// The commitment in each key's leaf, in the keys' order; `None` where a key has no leaf.
    pub fn commits(&self) -> impl Iterator<Item = Option<&LeafCommit>> {
        let mut ends = self.ends.iter();
        let mut end = ends.next();
        self.keys.iter().enumerate().map(move |(index, key)| {
            while end.is_some_and(|end| end.until <= index) {
                end = ends.next();
            }
            end.and_then(|end| end.leaves.get(key))
        })
    }

    /// The commitment in a key's leaf; `None` when the key has no leaf.
    ///
    /// # Errors
    /// [`PartialTreeError::MissingKey`] when the tree was not read for the key.
    pub fn get(&self, key: &LeafKey) -> Result<Option<LeafCommit>, PartialTreeError> {
        let missing = PartialTreeError::MissingKey(*key);
        let index = self.keys.binary_search(key).map_err(|_| missing)?;
        let end = self.ends.partition_point(|end| end.until <= index);
        let end = self.ends.get(end);
        Ok(end.and_then(|end| end.leaves.get(key)).copied())
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
        let mut keys = self.keys.iter().enumerate();
        let indexed = changes.iter().map(|(key, commit)| {
            let found = keys.find(|(_, known)| *known == key);
            let (index, _) = found.ok_or(PartialTreeError::MissingKey(*key))?;
            Ok((index, commit))
        });
        let indexed: Vec<_> = indexed.collect::<Result<_, PartialTreeError>>()?;
        self.write(indexed)
    }

    /// As [`PartialTree::update`], for changes by ascending position among [`PartialTree::keys`].
    ///
    /// # Errors
    /// [`PartialTreeError`], after which the tree must not be used any more.
    pub fn write<'a>(
        &mut self,
        changes: impl IntoIterator<Item = (usize, &'a LeafCommit)>,
    ) -> Result<Hash, PartialTreeError> {
        let Self {
            keys,
            nodes,
            ends,
            leaf,
        } = self;
        let mut changes = changes.into_iter().peekable();
        // Position of the least key that may come next, and how many came.
        let (mut least, mut count) = (0, 0);
        for end in ends {
            let mut written = None;
            while let Some((index, commit)) = changes.next_if(|(index, _)| *index < end.until) {
                let key = keys.get(index).filter(|_| index >= least);
                let key = key.ok_or(PartialTreeError::NotSorted { at: count })?;
                (least, count) = (index + 1, count + 1);
                end.leaves.set(key, commit);
                written = Some(key);
            }
            if let Some(key) = written {
                hash_end(nodes, leaf, end, key);
            }
        }
        if changes.next().is_some() {
            return Err(PartialTreeError::MissingKey(LeafKey::default()));
        }
        self.rehash();
        Ok(self.root())
    }

    /// Adds an inner node and answers its index.
    pub(crate) fn push_inner(&mut self, place: Place) -> usize {
        self.nodes.push(Inner {
            children: Pair::new(domain::TREE_INNER),
            place,
            is_stale: true,
        });
        self.nodes.len() - 1
    }

    /// Puts a known hash where it belongs.
    pub(crate) fn set_hash(&mut self, place: Place, hash: &Hash) {
        self.nodes[place.above].children.set(place.half, hash);
    }

    /// Adds the end of the path of one key, in its own leaf.
    pub(crate) fn push_own(&mut self, at: &Next, key: &LeafKey, commit: &Hash) {
        let end = self.ends.len();
        self.push_end(at, Leaves::None);
        if let Some(end) = self.ends.get_mut(end) {
            // Written where it stays: moved with the end, it would be copied twice.
            end.leaves = Leaves::Own(LeafCommit(*commit));
            hash_end(&mut self.nodes, &mut self.leaf, end, key);
        }
    }

    /// Adds the end of the paths of some keys, where nothing is, or the leaf of whatever key.
    pub(crate) fn push_other(&mut self, at: &Next, leaf: Option<Change>) {
        let leaves = leaf.map_or(Leaves::None, Leaves::One);
        let end = self.ends.len();
        self.push_end(at, leaves);
        if let Some(end) = self.ends.get(end) {
            // There is no leaf of an own key.
            let none = LeafKey::default();
            hash_end(&mut self.nodes, &mut self.leaf, end, &none);
        }
    }

    #[inline]
    fn push_end(&mut self, at: &Next, leaves: Leaves) {
        self.ends.push(End {
            place: at.place,
            depth: at.depth,
            until: at.until,
            leaves,
        });
    }

    /// Hashes every inner node below which something changed, once: from the last to the first, so
    /// that each comes after those below it.
    fn rehash(&mut self) {
        let mut before = &mut self.nodes[..];
        while let Some((node, rest)) = before.split_last_mut() {
            if node.is_stale {
                node.is_stale = false;
                let above = &mut rest[node.place.above];
                above.children.set_hash(node.place.half, &node.children);
                // The first is no node, and stays as it is.
                above.is_stale = node.place.above != Place::ROOT.above;
            }
            before = rest;
        }
    }
}

/// Puts the hash of all leaves at an end where it belongs. `own` is the key of the end's own leaf.
fn hash_end(nodes: &mut [Inner], pair: &mut Pair, end: &End, own: &LeafKey) {
    let node = &mut nodes[end.place.above];
    node.is_stale = end.place.above != Place::ROOT.above;
    let (key, commit) = match &end.leaves {
        // The hash of nothing is there already.
        Leaves::None => return,
        Leaves::Own(commit) => (own, commit),
        Leaves::One((key, commit)) => (key, commit),
        Leaves::More(leaves) => {
            let hash = subtree(leaves, end.depth);
            node.children.set(end.place.half, &hash);
            return;
        }
    };
    pair.set(Half::Left, &key.0);
    pair.set(Half::Right, &commit.0);
    node.children.set_hash(end.place.half, pair);
}

/// Hash of the subtree at a depth that has these leaves, ascending and at least one.
fn subtree(leaves: &[Change], depth: usize) -> Hash {
    match leaves {
        [] => crate::hash::EMPTY,
        [(key, commit)] => leaf_hash(key, commit),
        _ => {
            let (left, right) = split(leaves, depth);
            inner_hash(&subtree(left, depth + 1), &subtree(right, depth + 1))
        }
    }
}
