//! Writes the paths of many keys across pages.

use super::load::Loaded;
use crate::arena::{Kind, ROOT};
use crate::hash::{LeafKey, split};
use crate::multiproof::Multiproof;
use crate::page::{Page, PageId, level};

/// Writes the paths of sorted keys, in preorder.
///
/// The error is a page that should have been loaded.
pub(super) fn paths(
    root_page: &Page,
    mut loaded: Loaded,
    keys: &[LeafKey],
    proof: &mut Multiproof,
) -> Result<(), PageId> {
    Prover {
        loaded: &mut loaded,
        proof,
    }
    .node(root_page, ROOT, 0, keys)
}

struct Prover<'a> {
    loaded: &'a mut Loaded,
    proof: &'a mut Multiproof,
}

impl Prover<'_> {
    fn node(&mut self, page: &Page, at: u32, depth: usize, keys: &[LeafKey]) -> Result<(), PageId> {
        let node = page.arena().node(at);
        match (node.kind, keys) {
            (Kind::Empty, _) => self.proof.push_empty(),
            (_, []) => self.proof.push_opaque(&node.hash),
            (Kind::Inner(left, right), _) => {
                self.proof.push_inner();
                let (to_left, to_right) = split(keys, depth);
                self.node(page, left, depth + 1, to_left)?;
                self.node(page, right, depth + 1, to_right)?;
            }
            (Kind::Opaque, [first, ..]) => {
                let id = PageId::on_path(first, level(depth));
                let page = self.loaded.take(&id)?;
                self.node(&page, ROOT, depth, keys)?;
            }
            (Kind::Leaf(leaf), _) => self.proof.push_leaf(page.arena().leaf(leaf), keys),
        }
        Ok(())
    }
}
