//! Reads a multiproof into a partial tree.
#![expect(
    clippy::inline_always,
    reason = "the guest pays for calls, thousands of times in a batch"
)]

use crate::hash::{EMPTY, Hash, LeafCommit, LeafKey, MAX_DEPTH, split};
use crate::multiproof::{
    Multiproof, MultiproofError, TAG_EMPTY, TAG_INNER, TAG_OPAQUE, TAG_OTHER_LEAF, TAG_OWN_LEAF,
};
use crate::partial::{PartialTree, Place};
use alloc::vec::Vec;
use cloister_crypto::hash::Half;

/// Adds everything that a multiproof for these keys shows to a tree without nodes.
pub(crate) fn parse(
    multiproof: &Multiproof,
    keys: &[LeafKey],
    tree: &mut PartialTree,
) -> Result<(), MultiproofError> {
    let mut parser = Parser {
        tags: multiproof.tags.iter(),
        tag_count: multiproof.tags.len(),
        hashes: multiproof.hashes.iter(),
        keys,
        next_key: 0,
        branches: Vec::with_capacity(64),
        tree,
    };
    parser.all()?;
    match parser.tags.len() + parser.hashes.len() {
        0 => Ok(()),
        more => Err(MultiproofError::Trailing(more)),
    }
}

/// What was read as far as its shape matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Empty,
    Leaf,
    Other,
}

/// An inner node whose right child is not read yet, or being read.
struct Branch {
    node: usize,
    /// Its position in preorder.
    position: usize,
    depth: usize,
    /// Position after the last key that leads here.
    until: usize,
    /// What its left child is, once that is read.
    left: Option<Shape>,
}

/// A place to read a node for.
#[derive(Clone, Copy)]
pub(crate) struct Next {
    pub(crate) place: Place,
    pub(crate) depth: usize,
    /// Position after the last key that leads here; the first is the next key.
    pub(crate) until: usize,
}

struct Parser<'a> {
    /// Not read yet.
    tags: core::slice::Iter<'a, u8>,
    /// How many tags there are.
    tag_count: usize,
    /// Not read yet.
    hashes: core::slice::Iter<'a, Hash>,
    keys: &'a [LeafKey],
    /// The first key whose end was not read yet.
    next_key: usize,
    /// Inner nodes that are not read in full, from the root down.
    branches: Vec<Branch>,
    tree: &'a mut PartialTree,
}

impl<'a> Parser<'a> {
    fn all(&mut self) -> Result<(), MultiproofError> {
        let mut next = Next {
            place: Place::ROOT,
            depth: 0,
            until: self.keys.len(),
        };
        loop {
            let shape = if next.until == self.next_key {
                self.off_path(next.place)?
            } else if let Some(shape) = self.on_path(&mut next)? {
                shape
            } else {
                continue;
            };
            if !self.go_right(&mut next, shape)? {
                return Ok(());
            }
        }
    }

    /// After a child was read: goes to the next one, if there is any.
    #[inline(always)]
    fn go_right(&mut self, next: &mut Next, mut shape: Shape) -> Result<bool, MultiproofError> {
        while let Some(branch) = self.branches.last_mut() {
            let Some(left) = branch.left else {
                branch.left = Some(shape);
                next.place = Place::of(branch.node, Half::Right);
                next.depth = branch.depth + 1;
                next.until = branch.until;
                return Ok(true);
            };
            // An inner node stands for two leaves at least.
            if matches!(
                (left, shape),
                (Shape::Empty, Shape::Empty | Shape::Leaf) | (Shape::Leaf, Shape::Empty)
            ) {
                let node = branch.position;
                return Err(MultiproofError::NotShortest { node });
            }
            shape = Shape::Other;
            self.branches.pop();
        }
        Ok(false)
    }

    /// Reads a node to which at least one key leads. An inner node answers nothing, and its left
    /// child is next.
    #[inline(always)]
    fn on_path(&mut self, next: &mut Next) -> Result<Option<Shape>, MultiproofError> {
        let tag = self.next_tag()?;
        if tag == TAG_INNER && next.depth < MAX_DEPTH {
            self.inner(next);
            return Ok(None);
        }
        let node = self.position();
        let keys = self.keys.get(self.next_key..next.until).unwrap_or_default();
        self.next_key = next.until;
        match (tag, keys) {
            (TAG_OWN_LEAF, [key]) => {
                let commit = self.next_hash()?;
                self.tree.push_own(next, key, commit);
                Ok(Some(Shape::Leaf))
            }
            (TAG_EMPTY, _) => {
                self.tree.push_other(next, None);
                Ok(Some(Shape::Empty))
            }
            (TAG_OTHER_LEAF, [first, ..]) => {
                let key = LeafKey(*self.next_hash()?);
                let commit = LeafCommit(*self.next_hash()?);
                if !key.shares_prefix(first, next.depth) {
                    return Err(MultiproofError::LeafOffPath { node });
                }
                if keys == [key] {
                    return Err(MultiproofError::NotShortest { node });
                }
                self.tree.push_other(next, Some((key, commit)));
                Ok(Some(Shape::Leaf))
            }
            (tag, _) => Err(MultiproofError::UnexpectedTag { tag, node }),
        }
    }

    #[inline(always)]
    fn inner(&mut self, next: &mut Next) {
        let node = self.tree.push_inner(next.place);
        self.branches.push(Branch {
            node,
            position: self.position(),
            depth: next.depth,
            until: next.until,
            left: None,
        });
        let keys = self.keys.get(self.next_key..next.until).unwrap_or_default();
        next.until = self.next_key + split(keys, next.depth).0.len();
        next.place = Place::of(node, Half::Left);
        next.depth += 1;
    }

    /// Reads a node beside the paths.
    #[inline(always)]
    fn off_path(&mut self, place: Place) -> Result<Shape, MultiproofError> {
        match self.next_tag()? {
            TAG_EMPTY => Ok(Shape::Empty),
            TAG_OPAQUE => {
                let hash = self.next_hash()?;
                // Found out by the first bytes, most of the time.
                if hash[0] == 0 && *hash == EMPTY {
                    let node = self.position();
                    return Err(MultiproofError::NotShortest { node });
                }
                self.tree.set_hash(place, hash);
                Ok(Shape::Other)
            }
            tag => {
                let node = self.position();
                Err(MultiproofError::UnexpectedTag { tag, node })
            }
        }
    }

    /// Position of the node whose tag was read last.
    fn position(&self) -> usize {
        (self.tag_count - self.tags.len()).saturating_sub(1)
    }

    #[inline(always)]
    fn next_tag(&mut self) -> Result<u8, MultiproofError> {
        self.tags.next().copied().ok_or(MultiproofError::Truncated)
    }

    #[inline(always)]
    fn next_hash(&mut self) -> Result<&'a Hash, MultiproofError> {
        self.hashes.next().ok_or(MultiproofError::Truncated)
    }
}
