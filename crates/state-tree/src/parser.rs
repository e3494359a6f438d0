//! Reads a multiproof into a partial tree.

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
        tags: &multiproof.tags,
        position: 0,
        hashes: &multiproof.hashes,
        keys,
        next_key: 0,
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

/// A place to read the next node for.
pub(crate) struct Next {
    pub(crate) place: Place,
    pub(crate) depth: usize,
    /// Position after the last key that leads here; the first is the next key.
    pub(crate) until: usize,
}

struct Parser<'a> {
    /// Not read yet.
    tags: &'a [u8],
    /// How many tags were read.
    position: usize,
    /// Not read yet.
    hashes: &'a [Hash],
    keys: &'a [LeafKey],
    /// The first key whose end was not read yet.
    next_key: usize,
    tree: &'a mut PartialTree,
}

impl<'a> Parser<'a> {
    fn all(&mut self) -> Result<(), MultiproofError> {
        let mut branches: Vec<Branch> = Vec::with_capacity(64);
        let mut next = Next {
            place: Place::ROOT,
            depth: 0,
            until: self.keys.len(),
        };
        loop {
            let shape = if next.until == self.next_key {
                self.off_path(next.place)?
            } else {
                match self.on_path(&next)? {
                    Ok(shape) => shape,
                    Err((branch, left)) => {
                        branches.push(branch);
                        next = left;
                        continue;
                    }
                }
            };
            match Self::right(&mut branches, shape)? {
                Some(right) => next = right,
                None => return Ok(()),
            }
        }
    }

    /// After a child was read: where the next one is, if there is any.
    fn right(
        branches: &mut Vec<Branch>,
        mut shape: Shape,
    ) -> Result<Option<Next>, MultiproofError> {
        while let Some(branch) = branches.last_mut() {
            let Some(left) = branch.left else {
                branch.left = Some(shape);
                return Ok(Some(Next {
                    place: Place::of(branch.node, Half::Right),
                    depth: branch.depth + 1,
                    until: branch.until,
                }));
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
            branches.pop();
        }
        Ok(None)
    }

    /// Reads a node to which at least one key leads. The error of the inner result is an inner node
    /// with its left child, which is next.
    fn on_path(&mut self, at: &Next) -> Result<Result<Shape, (Branch, Next)>, MultiproofError> {
        let node = self.position;
        let keys = self.keys.get(self.next_key..at.until).unwrap_or_default();
        match (self.next_tag()?, keys) {
            (TAG_INNER, _) if at.depth < MAX_DEPTH => Ok(Err(self.inner(at, keys, node))),
            (TAG_OWN_LEAF, [key]) => {
                let commit = LeafCommit(*self.next_hash()?);
                self.next_key = at.until;
                self.tree.push_own(at, key, &commit);
                Ok(Ok(Shape::Leaf))
            }
            (TAG_EMPTY, _) => {
                self.next_key = at.until;
                self.tree.push_other(at, None);
                Ok(Ok(Shape::Empty))
            }
            (TAG_OTHER_LEAF, [first, ..]) => {
                let key = LeafKey(*self.next_hash()?);
                let commit = LeafCommit(*self.next_hash()?);
                if !key.shares_prefix(first, at.depth) {
                    return Err(MultiproofError::LeafOffPath { node });
                }
                if keys == [key] {
                    return Err(MultiproofError::NotShortest { node });
                }
                self.next_key = at.until;
                self.tree.push_other(at, Some((key, commit)));
                Ok(Ok(Shape::Leaf))
            }
            (tag, _) => Err(MultiproofError::UnexpectedTag { tag, node }),
        }
    }

    fn inner(&mut self, at: &Next, keys: &[LeafKey], position: usize) -> (Branch, Next) {
        let (to_left, _) = split(keys, at.depth);
        let node = self.tree.push_inner(at.place);
        let branch = Branch {
            node,
            position,
            depth: at.depth,
            until: at.until,
            left: None,
        };
        let left = Next {
            place: Place::of(node, Half::Left),
            depth: at.depth + 1,
            until: self.next_key + to_left.len(),
        };
        (branch, left)
    }

    /// Reads a node beside the paths.
    fn off_path(&mut self, place: Place) -> Result<Shape, MultiproofError> {
        let node = self.position;
        match self.next_tag()? {
            TAG_EMPTY => Ok(Shape::Empty),
            TAG_OPAQUE => {
                let hash = self.next_hash()?;
                if *hash == EMPTY {
                    return Err(MultiproofError::NotShortest { node });
                }
                self.tree.set_hash(place, hash);
                Ok(Shape::Other)
            }
            tag => Err(MultiproofError::UnexpectedTag { tag, node }),
        }
    }

    fn next_tag(&mut self) -> Result<u8, MultiproofError> {
        let (first, rest) = self.tags.split_first().ok_or(MultiproofError::Truncated)?;
        self.tags = rest;
        self.position += 1;
        Ok(*first)
    }

    fn next_hash(&mut self) -> Result<&'a Hash, MultiproofError> {
        let (first, rest) = self
            .hashes
            .split_first()
            .ok_or(MultiproofError::Truncated)?;
        self.hashes = rest;
        Ok(first)
    }
}
