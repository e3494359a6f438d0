//! The whole tree over a page store: batched updates, proofs at every retained version.

mod load;
mod prover;
mod write;

use crate::arena::{Arena, Change, Kind};
use crate::cache::Cache;
use crate::hash::{EMPTY, Hash, LeafKey, first_unsorted};
use crate::multiproof::Multiproof;
use crate::page::{PAGE_HEIGHT, Page, PageId, level};
use crate::proof::{Proof, Terminal};
use crate::store::PageStore;
use alloc::vec::Vec;
use load::Loaded;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Pages of the newest version kept in memory unless set otherwise: about 60 MB.
pub const DEFAULT_CACHED_PAGES: usize = 1 << 15;

/// What an update changed: to be stored by the caller, then given to [`Tree::commit`].
#[derive(Debug)]
#[must_use = "an update changes nothing until its pages are stored and it is committed"]
pub struct TreeUpdate {
    version: u64,
    base: Option<u64>,
    root: Hash,
    pages: Vec<(PageId, Page)>,
}

impl TreeUpdate {
    /// The version that the update makes.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The root after the update.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.root
    }

    /// The pages that are new at this version; each once.
    #[must_use]
    pub fn pages(&self) -> &[(PageId, Page)] {
        &self.pages
    }
}

/// Why the tree cannot be read or updated.
#[derive(Debug, thiserror::Error)]
pub enum TreeError<E> {
    /// The page store failed.
    #[error("the tree's page store failed")]
    Store(#[source] E),
    /// The store answered with another number of pages than asked for.
    #[error("the tree's page store answered {got} pages, expected {expected}")]
    AnswerLength {
        /// Pages asked for.
        expected: usize,
        /// Pages answered.
        got: usize,
    },
    /// A page that the page above it names is not there.
    #[error("page {id} of the state tree is missing at version {version}; was the version pruned?")]
    MissingPage {
        /// The page.
        id: PageId,
        /// The version read.
        version: u64,
    },
    /// A page is not the one that the page above it names.
    #[error(
        "page {id} of the state tree at version {version} is another one than expected; was the version pruned or the store damaged?"
    )]
    PageMismatch {
        /// The page.
        id: PageId,
        /// The version read.
        version: u64,
    },
    /// A page has another height than this tree uses.
    #[error("page {id} of the state tree has height {got}, expected {expected}")]
    PageHeight {
        /// The page.
        id: PageId,
        /// Height that this tree uses.
        expected: u8,
        /// Height of the page.
        got: u8,
    },
    /// The tree has no such version (yet).
    #[error("the state tree has no version {0}")]
    UnknownVersion(u64),
    /// Keys or changes are not in strictly ascending order.
    #[error(
        "the keys are not in strictly ascending order at position {at}; sort them and remove repetitions"
    )]
    NotSorted {
        /// Position of the first key that is not greater than the one before.
        at: usize,
    },
    /// A new version must be greater than the newest one.
    #[error("version {new} cannot follow version {newest} of the state tree")]
    NotNewer {
        /// The newest version.
        newest: u64,
        /// The version asked for.
        new: u64,
    },
    /// The update was computed on a version that is not the newest one any more.
    #[error(
        "the update to version {0} was computed on a version that is not the newest one any more"
    )]
    StaleUpdate(u64),
}

/// The newest version.
#[derive(Clone, Copy, Debug)]
struct Head {
    version: u64,
    root: Hash,
}

/// What changes with a commit.
#[derive(Debug)]
struct Newest {
    head: Option<Head>,
    cache: Cache,
}

/// The sparse Merkle tree over a page store.
///
/// All methods take `&self` and may be called from several threads; one update at a time can be
/// committed. Reading blocks the thread for as long as the store takes.
#[derive(Debug)]
pub struct Tree<S> {
    store: S,
    height: u8,
    newest: Mutex<Newest>,
}

impl<S: PageStore> Tree<S> {
    /// A tree that has no version yet.
    #[must_use]
    pub fn new(store: S) -> Self {
        Self::with_head(store, None, PAGE_HEIGHT, DEFAULT_CACHED_PAGES)
    }

    /// A tree that has no version yet, with another page height and number of pages in memory.
    ///
    /// A height other than [`PAGE_HEIGHT`] (1 to [`crate::MAX_PAGE_HEIGHT`], else it is brought
    /// into that range) is for measurements: a store is bound to the height that it began with.
    #[must_use]
    pub fn with_layout(store: S, page_height: u8, cached_pages: usize) -> Self {
        Self::with_head(
            store,
            None,
            page_height.clamp(1, crate::MAX_PAGE_HEIGHT),
            cached_pages,
        )
    }

    /// A tree whose newest version and root are known, e.g. from the last batch header.
    ///
    /// # Errors
    /// [`TreeError`] when the store does not hold that version with that root.
    pub fn open(
        store: S,
        version: u64,
        root: Hash,
        cached_pages: usize,
    ) -> Result<Self, TreeError<S::Error>> {
        let head = Some(Head { version, root });
        let tree = Self::with_head(store, head, PAGE_HEIGHT, cached_pages);
        tree.load::<LeafKey>(Head { version, root }, true, &[])?;
        Ok(tree)
    }

    fn with_head(store: S, head: Option<Head>, height: u8, cached_pages: usize) -> Self {
        Self {
            store,
            height,
            newest: Mutex::new(Newest {
                head,
                cache: Cache::new(cached_pages),
            }),
        }
    }

    fn newest(&self) -> MutexGuard<'_, Newest> {
        // Nothing panics while the lock is held, and a cache of immutable pages cannot be torn.
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The page store.
    #[must_use]
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The newest version; `None` before the first one.
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        self.newest().head.map(|head| head.version)
    }

    /// The root at the newest version; [`EMPTY`] before the first one.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.newest().head.map_or(EMPTY, |head| head.root)
    }

    /// How many pages are in memory.
    #[must_use]
    pub fn cached_pages(&self) -> usize {
        self.newest().cache.len()
    }

    /// Computes the update by changes sorted by key without repetition, in one pass.
    ///
    /// Nothing changes yet: store [`TreeUpdate::pages`], then call [`Tree::commit`].
    ///
    /// # Errors
    /// [`TreeError`] when the changes are not sorted, the version is not newer than the newest one
    /// or a page cannot be read.
    pub fn update(
        &self,
        version: u64,
        changes: &[Change],
    ) -> Result<TreeUpdate, TreeError<S::Error>> {
        if let Some(at) = first_unsorted(changes) {
            return Err(TreeError::NotSorted { at });
        }
        let head = self.newest().head;
        let base = head.map(|head| head.version);
        if let Some(newest) = base.filter(|newest| *newest >= version) {
            return Err(TreeError::NotNewer {
                newest,
                new: version,
            });
        }
        let Some(head) = head else {
            return self.apply(version, None, Loaded::new(self.height), changes);
        };
        if changes.is_empty() {
            return Ok(TreeUpdate {
                version,
                base,
                root: head.root,
                pages: Vec::new(),
            });
        }
        let loaded = self.load(head, true, changes)?;
        self.apply(version, Some(head.version), loaded, changes)
    }

    fn apply(
        &self,
        version: u64,
        base: Option<u64>,
        mut loaded: Loaded,
        changes: &[Change],
    ) -> Result<TreeUpdate, TreeError<S::Error>> {
        let missing = |id| TreeError::MissingPage {
            id,
            version: base.unwrap_or(version),
        };
        let root_page = match base {
            Some(_) => loaded.take(&PageId::ROOT).map_err(missing)?,
            None => Page::new(self.height, Arena::with_capacity(0, 0)),
        };
        let pages = write::apply(&root_page, loaded, changes).map_err(missing)?;
        let root = pages.last().map_or(EMPTY, |(_, page)| page.root());
        Ok(TreeUpdate {
            version,
            base,
            root,
            pages,
        })
    }

    /// Makes an update, whose pages are stored by now, the newest version.
    ///
    /// # Errors
    /// [`TreeError::StaleUpdate`] when another update was committed meanwhile.
    pub fn commit(&self, update: TreeUpdate) -> Result<(), TreeError<S::Error>> {
        let TreeUpdate {
            version,
            base,
            root,
            pages,
        } = update;
        let mut newest = self.newest();
        if newest.head.map(|head| head.version) != base {
            return Err(TreeError::StaleUpdate(version));
        }
        newest.head = Some(Head { version, root });
        for (id, page) in pages {
            newest.cache.put(id, page);
        }
        Ok(())
    }

    /// The root at a retained version.
    ///
    /// # Errors
    /// [`TreeError`] when the tree does not have the version or the store fails.
    pub fn root_at(&self, version: u64) -> Result<Hash, TreeError<S::Error>> {
        Ok(self.head_at(version)?.0.root)
    }

    /// The head at a version, and whether it is the newest one.
    fn head_at(&self, version: u64) -> Result<(Head, bool), TreeError<S::Error>> {
        match self.newest().head {
            Some(head) if head.version == version => return Ok((head, true)),
            Some(head) if head.version > version => (),
            Some(_) | None => return Err(TreeError::UnknownVersion(version)),
        }
        let pages = self.read(version, &[PageId::ROOT])?;
        let page = pages
            .into_iter()
            .next()
            .flatten()
            .ok_or(TreeError::UnknownVersion(version))?;
        Ok((
            Head {
                version,
                root: page.root(),
            },
            false,
        ))
    }

    /// The proof that a key has a leaf, or has none, at a retained version.
    ///
    /// Its root is that of the pages in the store: verify it against the batch header's.
    ///
    /// # Errors
    /// [`TreeError`] when the tree does not have the version or a page cannot be read.
    pub fn prove(&self, version: u64, key: &LeafKey) -> Result<Proof, TreeError<S::Error>> {
        let (head, newest) = self.head_at(version)?;
        let mut loaded = self.load(head, newest, core::slice::from_ref(key))?;
        let missing = |id| TreeError::MissingPage { id, version };
        let mut siblings = Vec::with_capacity(32);
        let mut id = PageId::ROOT;
        loop {
            let page = loaded.take(&id).map_err(missing)?;
            let arena = page.arena();
            let depth = usize::from(id.depth());
            let (node, depth) = arena.follow(key, depth, |sibling| siblings.push(sibling));
            let terminal = match node.kind {
                Kind::Opaque => {
                    id = PageId::on_path(key, level(depth));
                    continue;
                }
                Kind::Leaf(leaf) => {
                    let (key, commit) = *arena.leaf(leaf);
                    Terminal::Leaf { key, commit }
                }
                Kind::Empty | Kind::Inner(..) => Terminal::Empty,
            };
            return Ok(Proof { siblings, terminal });
        }
    }

    /// The paths of keys, sorted without repetition, at a retained version, in one proof.
    ///
    /// # Errors
    /// [`TreeError`] when the keys are not sorted, the tree does not have the version or a page
    /// cannot be read.
    pub fn multiproof(
        &self,
        version: u64,
        keys: &[LeafKey],
    ) -> Result<Multiproof, TreeError<S::Error>> {
        if let Some(at) = first_unsorted(keys) {
            return Err(TreeError::NotSorted { at });
        }
        let (head, newest) = self.head_at(version)?;
        let mut proof = Multiproof::new();
        if keys.is_empty() {
            if head.root == EMPTY {
                proof.push_empty();
            } else {
                proof.push_opaque(&head.root);
            }
            return Ok(proof);
        }
        let mut loaded = self.load(head, newest, keys)?;
        let missing = |id| TreeError::MissingPage { id, version };
        let root_page = loaded.take(&PageId::ROOT).map_err(missing)?;
        prover::paths(&root_page, loaded, keys, &mut proof).map_err(missing)?;
        Ok(proof)
    }
}
