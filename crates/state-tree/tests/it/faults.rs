//! A page store that fails, forgets and lies: the tree says so and never answers falsely.

use crate::reference::{self, Leaves, list};
use cloister_state_tree::{
    LeafCommit, LeafKey, MemoryStore, Page, PageId, PageStore, PartialTree, Tree, TreeError,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What goes wrong with one page.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Fails,
    Forgets,
    AnswersOlder,
    AnswersAnother,
    AnswersTooFew,
    AnswersTooMany,
}

const FAULTS: [Fault; 6] = [
    Fault::Fails,
    Fault::Forgets,
    Fault::AnswersOlder,
    Fault::AnswersAnother,
    Fault::AnswersTooFew,
    Fault::AnswersTooMany,
];

#[derive(Debug, thiserror::Error)]
#[error("the store was told to fail")]
struct Failure;

/// Passes reads on, but the page number `at` (counted over all reads) meets a fault.
struct Faulty {
    inner: Arc<MemoryStore>,
    fault: Fault,
    at: usize,
    seen: AtomicUsize,
}

impl PageStore for Faulty {
    type Error = Failure;

    fn read_pages(&self, version: u64, ids: &[PageId]) -> Result<Vec<Option<Page>>, Failure> {
        let Ok(mut pages) = self.inner.read_pages(version, ids);
        let first = self.seen.fetch_add(ids.len(), Ordering::Relaxed);
        let Some(hit) = self.at.checked_sub(first).filter(|hit| *hit < ids.len()) else {
            return Ok(pages);
        };
        match self.fault {
            Fault::Fails => return Err(Failure),
            Fault::Forgets => pages[hit] = None,
            Fault::AnswersOlder => {
                let Ok(older) = self
                    .inner
                    .read_pages(version.saturating_sub(1), &ids[hit..=hit]);
                pages[hit] = older.into_iter().next().flatten();
            }
            Fault::AnswersAnother => {
                let Ok(root) = self.inner.read_pages(0, &[PageId::ROOT]);
                pages[hit] = root.into_iter().next().flatten();
            }
            Fault::AnswersTooFew => drop(pages.pop()),
            Fault::AnswersTooMany => pages.push(None),
        }
        Ok(pages)
    }
}

fn states() -> [Leaves; 3] {
    let key = |i: u8| {
        LeafKey(core::array::from_fn(|at| {
            if at < 2 { i.wrapping_mul(37) } else { i }
        }))
    };
    let leaves = |step, value| -> Leaves {
        (0..60u8)
            .step_by(step)
            .map(|i| (key(i), LeafCommit([value; 32])))
            .collect()
    };
    [leaves(1, 1), leaves(2, 2), leaves(7, 3)]
}

fn filled() -> (Arc<MemoryStore>, Leaves) {
    let store = Arc::new(MemoryStore::new());
    let tree = Tree::new(Arc::clone(&store));
    let mut state = Leaves::new();
    for (version, changes) in (0..).zip(&states()[..2]) {
        state.extend(changes);
        let update = tree.update(version, &list(changes)).unwrap();
        store.insert(&update);
        tree.commit(update).unwrap();
    }
    (store, state)
}

/// Runs an action against every fault at every page; answers how often it failed and how often not.
fn with_faults<T: PartialEq + std::fmt::Debug>(
    action: impl Fn(&Tree<Faulty>) -> Result<T, TreeError<Failure>>,
    truth: &T,
) -> (usize, usize) {
    let (store, state) = filled();
    let root = reference::root(&state);
    let (mut failed, mut passed) = (0, 0);
    for fault in FAULTS {
        for at in 0.. {
            let faulty = Faulty {
                inner: Arc::clone(&store),
                fault,
                at,
                seen: AtomicUsize::new(0),
            };
            let seen = |tree: &Tree<Faulty>| tree.store().seen.load(Ordering::Relaxed);
            let Ok(tree) = Tree::open(faulty, 1, root, 64) else {
                failed += 1;
                continue;
            };
            match action(&tree) {
                Ok(answer) => {
                    assert_eq!(&answer, truth, "{fault:?} at page {at}");
                    passed += 1;
                }
                Err(_) => failed += 1,
            }
            if seen(&tree) > at {
                // The fault is behind us: the same tree works as if nothing had been.
                assert_eq!(
                    &action(&tree).unwrap(),
                    truth,
                    "{fault:?} at page {at}, once more"
                );
            } else {
                break;
            }
        }
    }
    (failed, passed)
}

#[test]
fn an_update_over_a_faulty_store_is_right_or_fails() {
    let (_, mut state) = filled();
    let changes = list(&states()[2]);
    state.extend(&states()[2]);
    let truth = reference::root(&state);
    let (failed, _) = with_faults(|tree| Ok(tree.update(2, &changes)?.root()), &truth);
    assert!(failed > 50, "only {failed} faults were noticed");
}

#[test]
fn a_proof_over_a_faulty_store_is_right_or_fails() {
    let (_, state) = filled();
    let (key, commit) = state
        .iter()
        .nth(20)
        .map(|(key, commit)| (*key, *commit))
        .unwrap();
    let root = reference::root(&state);
    let prove = |tree: &Tree<Faulty>| Ok(tree.prove(1, &key)?.verify(&root, &key));
    let (failed, _) = with_faults(prove, &Ok(Some(commit)));
    assert!(failed > 6, "only {failed} faults were noticed");
}

#[test]
fn a_multiproof_over_a_faulty_store_is_right_or_fails() {
    let (_, state) = filled();
    let keys: Vec<LeafKey> = state.keys().copied().collect();
    let root = reference::root(&state);
    let prove = |tree: &Tree<Faulty>| {
        let proof = tree.multiproof(1, &keys)?;
        Ok(PartialTree::new(&proof, &keys).map(|tree| tree.root()))
    };
    let (failed, _) = with_faults(prove, &Ok(root));
    assert!(failed > 50, "only {failed} faults were noticed");
}

#[test]
fn a_missing_page_is_named() {
    let (store, state) = filled();
    let faulty = Faulty {
        inner: store,
        fault: Fault::Forgets,
        at: 1,
        seen: AtomicUsize::new(0),
    };
    let tree = Tree::open(faulty, 1, reference::root(&state), 0).unwrap();
    let keys: Vec<LeafKey> = state.keys().copied().collect();
    let error = tree.multiproof(1, &keys).unwrap_err();
    assert_eq!(
        error.to_string(),
        "page 0: of the state tree is missing at version 1; was the version pruned?"
    );
}
