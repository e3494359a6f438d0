//! Where pages are kept, and a store in memory.

use crate::page::{Page, PageId};
use crate::tree::TreeUpdate;
use alloc::vec::Vec;
use core::convert::Infallible;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::{PoisonError, RwLock};

/// Where pages are read from.
///
/// Writing is not part of the trait: whoever seals a batch writes [`TreeUpdate::pages`] together
/// with everything else of the batch, in one transaction of its own database.
pub trait PageStore {
    /// Why a read failed.
    type Error: core::error::Error + Send + Sync + 'static;

    /// The newest version at or below `version` of each page, in the order of `ids`.
    ///
    /// `None` where no such version exists.
    ///
    /// # Errors
    /// When the store cannot answer.
    fn read_pages(&self, version: u64, ids: &[PageId]) -> Result<Vec<Option<Page>>, Self::Error>;
}

impl<S: PageStore + ?Sized> PageStore for &S {
    type Error = S::Error;

    fn read_pages(&self, version: u64, ids: &[PageId]) -> Result<Vec<Option<Page>>, Self::Error> {
        (**self).read_pages(version, ids)
    }
}

impl<S: PageStore + ?Sized> PageStore for Arc<S> {
    type Error = S::Error;

    fn read_pages(&self, version: u64, ids: &[PageId]) -> Result<Vec<Option<Page>>, Self::Error> {
        (**self).read_pages(version, ids)
    }
}

/// Keeps all versions of all pages in memory: for tests, measurements and short-lived trees.
#[derive(Debug, Default)]
pub struct MemoryStore {
    pages: RwLock<BTreeMap<PageId, Vec<(u64, Page)>>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps the pages of an update. A version that is already there is replaced.
    pub fn insert(&self, update: &TreeUpdate) {
        let mut pages = self.pages.write().unwrap_or_else(PoisonError::into_inner);
        for (id, page) in update.pages() {
            let versions = pages.entry(*id).or_default();
            versions.retain(|(version, _)| *version != update.version());
            versions.push((update.version(), page.clone()));
            versions.sort_by_key(|(version, _)| *version);
        }
    }

    /// Forgets what no version from `oldest` on needs; answers how many page versions went.
    pub fn prune(&self, oldest: u64) -> usize {
        let mut gone = 0;
        for versions in self
            .pages
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .values_mut()
        {
            let newer = versions.partition_point(|(version, _)| *version <= oldest);
            let superseded = newer.saturating_sub(1);
            versions.drain(..superseded);
            gone += superseded;
        }
        gone
    }

    /// How many page versions are kept.
    #[must_use]
    pub fn page_count(&self) -> usize {
        self.pages
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .map(Vec::len)
            .sum()
    }
}

impl PageStore for MemoryStore {
    type Error = Infallible;

    fn read_pages(&self, version: u64, ids: &[PageId]) -> Result<Vec<Option<Page>>, Infallible> {
        let pages = self.pages.read().unwrap_or_else(PoisonError::into_inner);
        let newest = |id: &PageId| {
            let versions = pages.get(id)?;
            let newer = versions.partition_point(|(at, _)| *at <= version);
            newer.checked_sub(1).map(|at| versions[at].1.clone())
        };
        Ok(ids.iter().map(newest).collect())
    }
}
