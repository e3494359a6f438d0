//! The whole tree over a page store: batched updates, proofs at every retained version.

use crate::arena::{Arena, Below, Change, Edge, Kind, ROOT};
use crate::cache::Cache;
use crate::hash::{EMPTY, Hash, Keyed, LeafKey, first_unsorted, split};
use crate::multiproof::Multiproof;
use crate::page::{PAGE_HEIGHT, Page, PageId, level};
use crate::proof::{Proof, Terminal};
use crate::store::PageStore;
use alloc::vec::Vec;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Pages of the newest version kept in memory unless set otherwise: about 60 MB.
pub const DEFAULT_CACHED_PAGES: usize = 1 << 15;

/// Most pages asked from the store in one call.
const PAGES_PER_READ: usize = 1 << 13;

/// Up to this many keys, the pages of all likely levels are asked for at once.
const FEW_KEYS: usize = 16;

/// Bits of a path within which a leaf of a tree of up to some 10^9 leaves is found.
const LIKELY_DEPTH: u8 = 32;

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
            let root_page = Page::new(self.height, Arena::with_capacity(0, 0));
            return self.apply(version, base, &root_page, &HashMap::new(), changes);
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
        let root_page = page_of(&loaded, &PageId::ROOT, head.version)?;
        self.apply(version, base, root_page, &loaded, changes)
    }

    fn apply(
        &self,
        version: u64,
        base: Option<u64>,
        root_page: &Page,
        loaded: &HashMap<PageId, Page>,
        changes: &[Change],
    ) -> Result<TreeUpdate, TreeError<S::Error>> {
        let mut pages = Vec::with_capacity(loaded.len() + changes.len() / 8 + 1);
        let mut writer = Writer {
            loaded,
            out: &mut pages,
            height: self.height,
            border: usize::from(self.height),
        };
        let root_page =
            root_page
                .with(0, changes, &mut writer)
                .map_err(|id| TreeError::MissingPage {
                    id,
                    version: base.unwrap_or(version),
                })?;
        let root = root_page.root();
        pages.push((PageId::ROOT, root_page));
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
        let loaded = self.load(head, newest, core::slice::from_ref(key))?;
        let mut siblings = Vec::with_capacity(32);
        let mut id = PageId::ROOT;
        loop {
            let page = page_of(&loaded, &id, version)?;
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
        let loaded = self.load(head, newest, keys)?;
        let root_page = page_of(&loaded, &PageId::ROOT, version)?;
        let mut prover = Prover {
            loaded: &loaded,
            version,
            proof: &mut proof,
        };
        prover.node(root_page, ROOT, 0, keys)?;
        Ok(proof)
    }

    /// Reads pages, at most [`PAGES_PER_READ`] at a time.
    fn read(&self, version: u64, ids: &[PageId]) -> Result<Vec<Option<Page>>, TreeError<S::Error>> {
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

    /// Loads the root page and every page to which some of the sorted items lead, level by level.
    fn load<T: Keyed>(
        &self,
        head: Head,
        is_newest: bool,
        items: &[T],
    ) -> Result<HashMap<PageId, Page>, TreeError<S::Error>> {
        let mut ahead = self.read_ahead(head, is_newest, items)?;
        let mut loaded = HashMap::with_capacity(items.len());
        let mut wanted = alloc::vec![(PageId::ROOT, head.root, items)];
        while !wanted.is_empty() {
            let pages = self.obtain(head, is_newest, &wanted, &mut ahead)?;
            let mut below = Vec::new();
            for ((id, expected, items), page) in wanted.into_iter().zip(pages) {
                let page = page.ok_or(TreeError::MissingPage {
                    id,
                    version: head.version,
                })?;
                self.check(&id, &page, &expected, head.version)?;
                page.pages_below(&id, items, &mut |id, hash, items| {
                    below.push((id, hash, items))
                });
                loaded.insert(id, page);
            }
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
    fn obtain<T>(
        &self,
        head: Head,
        is_newest: bool,
        wanted: &[(PageId, Hash, &[T])],
        ahead: &mut HashMap<PageId, Page>,
    ) -> Result<Vec<Option<Page>>, TreeError<S::Error>> {
        let mut pages: Vec<Option<Page>> = wanted.iter().map(|(id, ..)| ahead.remove(id)).collect();
        if is_newest {
            let mut newest = self.newest();
            if newest.head.is_some_and(|now| now.version == head.version) {
                for (page, (id, ..)) in pages.iter_mut().zip(wanted) {
                    if page.is_none() {
                        *page = newest.cache.get(id);
                    }
                }
            }
        }
        let missing: Vec<usize> = (0..pages.len()).filter(|at| pages[*at].is_none()).collect();
        if missing.is_empty() {
            return Ok(pages);
        }
        let ids: Vec<PageId> = missing.iter().map(|at| wanted[*at].0).collect();
        let read = self.read(head.version, &ids)?;
        let mut newest = self.newest();
        // A version that is no longer the newest one must not enter the cache.
        let keep = is_newest && newest.head.is_some_and(|now| now.version == head.version);
        for (at, page) in missing.into_iter().zip(read) {
            let (id, expected, _) = &wanted[at];
            if let Some(page) = page
                .as_ref()
                .filter(|page| keep && page.root() == *expected)
            {
                newest.cache.put(*id, page.clone());
            }
            pages[at] = page;
        }
        Ok(pages)
    }

    /// For few keys: all pages that are likely to be needed, in one read.
    fn read_ahead<T: Keyed>(
        &self,
        head: Head,
        is_newest: bool,
        items: &[T],
    ) -> Result<HashMap<PageId, Page>, TreeError<S::Error>> {
        if items.is_empty() || items.len() > FEW_KEYS {
            return Ok(HashMap::new());
        }
        let mut ids: Vec<PageId> = (0..LIKELY_DEPTH)
            .step_by(usize::from(self.height))
            .flat_map(|depth| {
                items
                    .iter()
                    .map(move |item| PageId::on_path(item.key(), depth))
            })
            .collect();
        ids.dedup();
        if is_newest {
            let mut newest = self.newest();
            ids.retain(|id| newest.cache.get(id).is_none());
        }
        let read = self.read(head.version, &ids)?;
        Ok(ids
            .into_iter()
            .zip(read)
            .filter_map(|(id, page)| Some((id, page?)))
            .collect())
    }
}

/// A page that was loaded before.
fn page_of<'a, E>(
    loaded: &'a HashMap<PageId, Page>,
    id: &PageId,
    version: u64,
) -> Result<&'a Page, TreeError<E>> {
    loaded
        .get(id)
        .ok_or(TreeError::MissingPage { id: *id, version })
}

/// Applies changes below a page's border and collects the new pages.
struct Writer<'a> {
    loaded: &'a HashMap<PageId, Page>,
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

    fn descend(
        &mut self,
        below: Below,
        depth: usize,
        changes: &[Change],
    ) -> Result<Hash, Self::Error> {
        let id = PageId::on_path(&changes[0].0, level(depth));
        let mut writer = Writer {
            loaded: self.loaded,
            out: self.out,
            height: self.height,
            border: depth + usize::from(self.height),
        };
        let page = match (below, self.loaded.get(&id)) {
            (Below::Opaque, Some(page)) => page.with(id.depth(), changes, &mut writer)?,
            (below, _) => {
                let mut arena = Arena::with_capacity(2 * changes.len() + 2, changes.len() + 1);
                match below {
                    Below::Leaf(leaf) => arena.set_leaf(ROOT, leaf),
                    Below::Empty => (),
                    Below::Opaque => return Err(id),
                }
                arena.apply(ROOT, depth, changes, &mut writer)?;
                Page::new(self.height, arena)
            }
        };
        let root = page.root();
        self.out.push((id, page));
        Ok(root)
    }
}

/// Writes the paths of keys across pages in preorder.
struct Prover<'a> {
    loaded: &'a HashMap<PageId, Page>,
    version: u64,
    proof: &'a mut Multiproof,
}

impl Prover<'_> {
    fn node<E>(
        &mut self,
        page: &Page,
        at: u32,
        depth: usize,
        keys: &[LeafKey],
    ) -> Result<(), TreeError<E>> {
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
                self.node(page_of(self.loaded, &id, self.version)?, ROOT, depth, keys)?;
            }
            (Kind::Leaf(leaf), _) => self.proof.push_leaf(page.arena().leaf(leaf), keys),
        }
        Ok(())
    }
}
