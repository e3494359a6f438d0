//! Applies changes page by page and collects the new pages.

use super::load::Loaded;
use crate::arena::{Arena, Below, Change, Edge, ROOT};
use crate::hash::Hash;
use crate::page::{Page, PageId, level};
use alloc::vec::Vec;

/// The new pages after changes, the root page last.
///
/// The error is a page that should have been loaded.
pub(super) fn apply(
    root_page: &Page,
    mut loaded: Loaded,
    changes: &[Change],
) -> Result<Vec<(PageId, Page)>, PageId> {
    let mut pages = Vec::with_capacity(loaded.count() + changes.len() / 8 + 1);
    let height = root_page.height();
    let mut writer = Writer {
        loaded: &mut loaded,
        out: &mut pages,
        height,
        border: usize::from(height),
    };
    let root_page = root_page.with(0, changes, &mut writer)?;
    pages.push((PageId::ROOT, root_page));
    Ok(pages)
}

/// The lower border of a page.
struct Writer<'a> {
    loaded: &'a mut Loaded,
    out: &'a mut Vec<(PageId, Page)>,
    height: u8,
    border: usize,
}

impl Edge for Writer<'_> {
    /// The page that should have been loaded.
    type Error = PageId;

    fn is_at(&self, depth: usize) -> bool {
        depth == self.border
    }

    fn descend(&mut self, below: Below, depth: usize, changes: &[Change]) -> Result<Hash, PageId> {
        let id = PageId::on_path(&changes[0].0, level(depth));
        let mut writer = Writer {
            loaded: self.loaded,
            out: self.out,
            height: self.height,
            border: depth + usize::from(self.height),
        };
        let page = if let Below::Opaque = below {
            let page = writer.loaded.take(&id)?;
            page.with(id.depth(), changes, &mut writer)?
        } else {
            let mut arena = Arena::with_capacity(2 * changes.len() + 2, changes.len() + 1);
            if let Below::Leaf(leaf) = below {
                arena.set_leaf(ROOT, leaf);
            }
            arena.apply(ROOT, depth, changes, &mut writer)?;
            Page::new(self.height, arena)
        };
        let root = page.root();
        self.out.push((id, page));
        Ok(root)
    }
}
