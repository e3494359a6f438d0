//! The pages of the newest version that are kept in memory.

use crate::page::{Page, PageId};
use core::hash::{BuildHasherDefault, Hasher};
use std::collections::HashMap;

/// Pages by where they hang.
pub(crate) type PageMap = HashMap<PageId, Page, BuildHasherDefault<PathHasher>>;

/// Hashes a page's place by mixing the words that it consists of.
///
/// Paths are prefixes of SHA-256 digests: they spread well, and making many of them collide needs
/// digests with long common prefixes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PathHasher(u64);

impl Hasher for PathHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.write_u64(u64::from_be_bytes(*word));
        }
        for byte in rest {
            self.write_u8(*byte);
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(u64::from(byte));
    }

    fn write_u64(&mut self, word: u64) {
        // The multiplier is 2^64 divided by the golden ratio.
        let mixed = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }
}

/// Two generations of pages: what was used lately, and what was used before that.
///
/// A page found in the older generation moves to the younger one; when that is full, the older one
/// is dropped. The top of the tree is used by every batch and so never leaves.
#[derive(Debug)]
pub(crate) struct Cache {
    young: PageMap,
    old: PageMap,
    half: usize,
}

impl Cache {
    /// A cache of at most `pages` pages.
    pub(crate) fn new(pages: usize) -> Self {
        Self {
            young: PageMap::default(),
            old: PageMap::default(),
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
        if !self.old.is_empty() {
            self.old.remove(&id);
        }
        self.young.insert(id, page);
    }

    pub(crate) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}
