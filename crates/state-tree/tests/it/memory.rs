//! The suite over the store in memory, and what only concerns the tree itself.

use crate::reference::{self, Leaves, batch, batches, list};
use crate::suite::{Backend, play};
use cloister_state_tree::{
    DEFAULT_CACHED_PAGES, EMPTY, LeafCommit, LeafKey, MemoryStore, Page, Tree, TreeError,
    TreeUpdate,
};
use proptest::prelude::*;
use std::sync::Arc;

#[derive(Default)]
struct Memory(Arc<MemoryStore>);

impl Backend for Memory {
    type Store = Arc<MemoryStore>;

    fn store(&self) -> Self::Store {
        Arc::clone(&self.0)
    }

    fn insert(&self, update: &TreeUpdate) {
        self.0.insert(update);
    }

    fn prune(&self, _oldest_before: u64, oldest: u64) {
        self.0.prune(oldest);
    }
}

fn leaf(first: u8, value: u8) -> (LeafKey, LeafCommit) {
    let mut key = [0; 32];
    key[0] = first;
    (LeafKey(key), LeafCommit([value; 32]))
}

fn tree_of(changes: &[(LeafKey, LeafCommit)]) -> Tree<MemoryStore> {
    let tree = Tree::new(MemoryStore::new());
    let update = tree.update(0, changes).unwrap();
    tree.store().insert(&update);
    tree.commit(update).unwrap();
    tree
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_tree_keeps_its_promises_over_memory(batches in batches(), cached in 0usize..40) {
        play(&Memory::default(), &batches, cached);
    }

    #[test]
    fn every_page_height_gives_the_same_root(first in batch(), second in batch(), height in 1u8..=8) {
        let tree = Tree::with_layout(MemoryStore::new(), height, DEFAULT_CACHED_PAGES);
        let mut state = Leaves::new();
        for (version, batch) in (0..).zip([&first, &second]) {
            state.extend(batch);
            let update = tree.update(version, &list(batch)).unwrap();
            prop_assert_eq!(update.root(), reference::root(&state));
            tree.store().insert(&update);
            tree.commit(update).unwrap();
        }
    }

    #[test]
    fn stored_pages_read_back_as_they_were(batch in batch(), height in 1u8..=8) {
        let tree = Tree::with_layout(MemoryStore::new(), height, 0);
        for (id, page) in tree.update(0, &list(&batch)).unwrap().pages() {
            let read = Page::decode(id, &page.encode()).unwrap();
            prop_assert_eq!(read.root(), page.root());
            prop_assert_eq!(read.height(), height);
            prop_assert_eq!(read.encode(), page.encode());
        }
    }

    #[test]
    fn a_damaged_page_is_refused_or_has_another_root(
        batch in batch(), page in any::<prop::sample::Index>(),
        byte in any::<prop::sample::Index>(), flip in 1u8..,
    ) {
        let tree = Tree::new(MemoryStore::new());
        let update = tree.update(0, &list(&batch)).unwrap();
        let (id, page) = page.get(update.pages());
        let mut bytes = page.encode();
        *byte.get_mut(&mut bytes) ^= flip;
        if let Ok(other) = Page::decode(id, &bytes) {
            // A height that still fits is refused by the tree, which knows its own.
            prop_assert!(other.root() != page.root() || other.height() != page.height());
        }
    }

    #[test]
    fn any_bytes_are_a_page_or_an_error(bytes in prop::collection::vec(0u8..5, 0..200)) {
        let id = cloister_state_tree::PageId::ROOT;
        let _ = Page::decode(&id, &bytes);
        let _ = Page::decode(&id, &[&[1, 4], &bytes[..]].concat());
    }
}

#[test]
fn an_empty_first_version_has_the_empty_root() {
    let tree = tree_of(&[]);
    assert_eq!(tree.root(), EMPTY);
    assert_eq!(tree.root_at(0).unwrap(), EMPTY);
    let key = LeafKey([7; 32]);
    assert_eq!(tree.prove(0, &key).unwrap().verify(&EMPTY, &key), Ok(None));
}

#[test]
fn refuses_changes_that_are_not_sorted_or_repeat() {
    let tree = tree_of(&[]);
    let out_of_order = [leaf(1, 1), leaf(3, 1), leaf(2, 1)];
    assert!(matches!(
        tree.update(1, &out_of_order),
        Err(TreeError::NotSorted { at: 2 })
    ));
    let repeated = [leaf(1, 1), leaf(1, 2)];
    assert!(matches!(
        tree.update(1, &repeated),
        Err(TreeError::NotSorted { at: 1 })
    ));
    let keys = [leaf(2, 0).0, leaf(1, 0).0];
    assert!(matches!(
        tree.multiproof(0, &keys),
        Err(TreeError::NotSorted { at: 1 })
    ));
}

#[test]
fn refuses_a_version_that_is_not_newer() {
    let tree = tree_of(&[leaf(1, 1)]);
    let refused = tree.update(0, &[leaf(1, 2)]);
    assert!(matches!(
        refused,
        Err(TreeError::NotNewer { newest: 0, new: 0 })
    ));
}

#[test]
fn refuses_the_second_of_two_updates_of_one_version() {
    let tree = tree_of(&[leaf(1, 1)]);
    let first = tree.update(1, &[leaf(1, 2)]).unwrap();
    let second = tree.update(1, &[leaf(1, 3)]).unwrap();
    let root = first.root();
    tree.store().insert(&first);
    tree.commit(first).unwrap();
    assert!(matches!(
        tree.commit(second),
        Err(TreeError::StaleUpdate(1))
    ));
    assert_eq!(tree.root(), root);
}

#[test]
fn knows_no_version_above_the_newest_one() {
    let tree = tree_of(&[leaf(1, 1)]);
    assert!(matches!(tree.root_at(1), Err(TreeError::UnknownVersion(1))));
    let key = leaf(1, 1).0;
    assert!(matches!(
        tree.prove(1, &key),
        Err(TreeError::UnknownVersion(1))
    ));
    assert!(matches!(
        tree.multiproof(1, &[key]),
        Err(TreeError::UnknownVersion(1))
    ));
}

#[test]
fn a_tree_is_not_opened_with_a_root_that_the_store_does_not_have() {
    let store = Arc::clone(&Memory::default().0);
    let tree = Tree::new(Arc::clone(&store));
    let update = tree.update(0, &[leaf(1, 1), leaf(2, 2)]).unwrap();
    store.insert(&update);
    let other = Tree::open(Arc::clone(&store), 0, [9; 32], DEFAULT_CACHED_PAGES);
    assert!(matches!(
        other,
        Err(TreeError::PageMismatch { version: 0, .. })
    ));
    assert!(Tree::open(store, 0, update.root(), DEFAULT_CACHED_PAGES).is_ok());
}

#[test]
fn memory_holds_no_more_pages_than_allowed() {
    let changes: Vec<_> = (0..=255).map(|first| leaf(first, 1)).collect();
    let tree = Tree::with_layout(MemoryStore::new(), 2, 16);
    let update = tree.update(0, &changes).unwrap();
    assert!(update.pages().len() > 64);
    tree.store().insert(&update);
    tree.commit(update).unwrap();
    assert!(tree.cached_pages() <= 16);
}
