//! The pages of the newest version that are kept in memory.

use crate::page::{Page, PageId};
use std::collections::HashMap;

/// Two generations of pages: what was used lately, and what was used before that.
///
/// A page found in the older generation moves to the younger one; when that is full, the older one
/// is dropped. The top of the tree is used by every batch and so never leaves.
#[derive(Debug)]
pub(crate) struct Cache {
    young: HashMap<PageId, Page>,
    old: HashMap<PageId, Page>,
    half: usize,
}

impl Cache {
    /// A cache of at most `pages` pages.
    pub(crate) fn new(pages: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            half: pages / 2,
        }
    }

    pub(crate) fn get(&mut self, id: &PageId) -> Option<Page> {
        if let Some(page) = self.young.get(id) {
            return Some(page.clone());
        }
        let page = self.old.remove(id)?;
        self.put(*id, page.clone());
        Some(page)
    }

    pub(crate) fn put(&mut self, id: PageId, page: Page) {
        if self.half == 0 {
            return;
        }
        if self.young.len() >= self.half && !self.young.contains_key(&id) {
            self.old = core::mem::take(&mut self.young);
        }
        self.old.remove(&id);
        self.young.insert(id, page);
    }

    pub(crate) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}
