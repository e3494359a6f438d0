//! Brings the pages on the paths of keys into memory, checking each against the page above it.

use super::{Head, Tree, TreeError};
use crate::cache::PageMap;
use crate::hash::{Hash, Keyed};
use crate::page::{Page, PageId};
use crate::store::PageStore;
use alloc::vec::Vec;

/// Most pages asked from the store in one call.
const PAGES_PER_READ: usize = 1 << 13;

/// Up to this many keys, the pages of all likely levels are asked for at once.
const FEW_KEYS: usize = 16;

/// Bits of a path within which a leaf of a tree of up to some 10^9 leaves is found.
const LIKELY_DEPTH: u8 = 32;

/// The pages on the paths of some keys, level by level, each level in the order of its paths.
///
/// Whoever walks down the same keys in their order meets the pages of a level in just that order.
#[derive(Debug)]
pub(super) struct Loaded {
    levels: Vec<alloc::vec::IntoIter<(PageId, Page)>>,
    height: u8,
    count: usize,
}

impl Loaded {
    /// No pages.
    pub(super) fn new(height: u8) -> Self {
        Self {
            levels: Vec::new(),
            height,
            count: 0,
        }
    }

    /// How many pages were loaded.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    fn push_level(&mut self, pages: Vec<(PageId, Page)>) {
        self.count += pages.len();
        self.levels.push(pages.into_iter());
    }

    /// The next page of its level, which has to be the one asked for.
    pub(super) fn take(&mut self, id: &PageId) -> Result<Page, PageId> {
        let level = self.levels.get_mut(usize::from(id.depth() / self.height));
        match level.and_then(Iterator::next) {
            Some((found, page)) if found == *id => Ok(page),
            _ => Err(*id),
        }
    }
}

/// A page to be loaded: its hash by the page above it, and the items that lead to it.
struct Wanted<'a, T> {
    id: PageId,
    hash: Hash,
    items: &'a [T],
}

/// Which version is loaded, and what was read of it before it was asked for.
struct Source {
    head: Head,
    is_newest: bool,
    ahead: Option<PageMap>,
}

/// Positions of what is not there.
fn absent(pages: &[Option<Page>]) -> Vec<usize> {
    (0..pages.len()).filter(|at| pages[*at].is_none()).collect()
}

impl<S: PageStore> Tree<S> {
    /// Loads the root page and every page to which some of the sorted items lead, level by level.
    pub(super) fn load<T: Keyed>(
        &self,
        head: Head,
        is_newest: bool,
        items: &[T],
    ) -> Result<Loaded, TreeError<S::Error>> {
        let mut source = Source {
            head,
            is_newest,
            ahead: None,
        };
        let mut loaded = Loaded::new(self.height);
        let mut wanted = alloc::vec![Wanted {
            id: PageId::ROOT,
            hash: head.root,
            items
        }];
        while !wanted.is_empty() {
            let pages = self.obtain(&mut source, items, &wanted)?;
            let mut level = Vec::with_capacity(wanted.len());
            let mut below = Vec::new();
            for (Wanted { id, hash, items }, page) in wanted.into_iter().zip(pages) {
                let page = page.ok_or(TreeError::MissingPage {
                    id,
                    version: head.version,
                })?;
                self.check(&id, &page, &hash, head.version)?;
                page.pages_below(&id, items, &mut |id, hash, items| {
                    below.push(Wanted { id, hash, items });
                });
                level.push((id, page));
            }
            loaded.push_level(level);
            wanted = below;
        }
        Ok(loaded)
    }

    /// Checks that a page is the one that the page above it names (STREE-5).
    fn check(
        &self,
        id: &PageId,
        page: &Page,
        expected: &Hash,
        version: u64,
    ) -> Result<(), TreeError<S::Error>> {
        if page.height() != self.height {
            let (expected, got) = (self.height, page.height());
            return Err(TreeError::PageHeight {
                id: *id,
                expected,
                got,
            });
        }
        if page.root() != *expected {
            return Err(TreeError::PageMismatch { id: *id, version });
        }
        Ok(())
    }

    /// Takes pages from memory where they are known, and the others from the store.
    fn obtain<T: Keyed>(
        &self,
        source: &mut Source,
        items: &[T],
        wanted: &[Wanted<'_, T>],
    ) -> Result<Vec<Option<Page>>, TreeError<S::Error>> {
        let version = source.head.version;
        let mut pages = Vec::with_capacity(wanted.len());
        if source.is_newest {
            let mut newest = self.newest();
            if newest.head.is_some_and(|now| now.version == version) {
                pages.extend(wanted.iter().map(|page| newest.cache.get(&page.id)));
            }
        }
        pages.resize(wanted.len(), None);
        let missing = absent(&pages);
        if missing.is_empty() {
            return Ok(pages);
        }
        let ids: Vec<PageId> = missing.iter().map(|at| wanted[*at].id).collect();
        let read = if items.len() <= FEW_KEYS {
            self.read_ahead(source, items, &ids)?
        } else {
            self.read(version, &ids)?
        };
        let mut newest = self.newest();
        // A version that is no longer the newest one must not enter the cache.
        let keep = source.is_newest && newest.head.is_some_and(|now| now.version == version);
        for (at, page) in missing.into_iter().zip(read) {
            let Wanted { id, hash, .. } = &wanted[at];
            if let Some(page) = page.as_ref().filter(|page| keep && page.root() == *hash) {
                newest.cache.put(*id, page.clone());
            }
            pages[at] = page;
        }
        Ok(pages)
    }

    /// For few keys: answers `ids` from one read of all pages that are likely to be needed.
    fn read_ahead<T: Keyed>(
        &self,
        source: &mut Source,
        items: &[T],
        ids: &[PageId],
    ) -> Result<Vec<Option<Page>>, TreeError<S::Error>> {
        let version = source.head.version;
        if source.ahead.is_none() {
            let first = ids.iter().map(PageId::depth).min().unwrap_or_default();
            let mut likely: Vec<PageId> = (first..LIKELY_DEPTH)
                .step_by(usize::from(self.height))
                .flat_map(|depth| {
                    items
                        .iter()
                        .map(move |item| PageId::on_path(item.key(), depth))
                })
                .collect();
            likely.dedup();
            let read = self.read(version, &likely)?;
            let found = likely.into_iter().zip(read);
            source.ahead = Some(found.filter_map(|(id, page)| Some((id, page?))).collect());
        }
        let mut ahead = |id| source.ahead.as_mut().and_then(|ahead| ahead.remove(id));
        let mut pages: Vec<Option<Page>> = ids.iter().map(&mut ahead).collect();
        let missing = absent(&pages);
        let ids: Vec<PageId> = missing.iter().map(|at| ids[*at]).collect();
        for (at, page) in missing.into_iter().zip(self.read(version, &ids)?) {
            pages[at] = page;
        }
        Ok(pages)
    }

    /// Reads pages, at most [`PAGES_PER_READ`] at a time.
    pub(super) fn read(
        &self,
        version: u64,
        ids: &[PageId],
    ) -> Result<Vec<Option<Page>>, TreeError<S::Error>> {
        let mut pages = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(PAGES_PER_READ) {
            let read = self
                .store
                .read_pages(version, chunk)
                .map_err(TreeError::Store)?;
            if read.len() != chunk.len() {
                return Err(TreeError::AnswerLength {
                    expected: chunk.len(),
                    got: read.len(),
                });
            }
            pages.extend(read);
        }
        Ok(pages)
    }
}
