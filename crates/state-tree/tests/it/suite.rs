//! What every page store has to satisfy: run over memory here and over Postgres in its own crate.

use crate::reference::{self, Leaves, list};
use cloister_state_tree::{
    EMPTY, Hash, LeafCommit, LeafKey, PageStore, PartialTree, Tree, TreeError, TreeUpdate,
};

/// A page store under test, with its writing side.
pub(crate) trait Backend {
    /// The reading side.
    type Store: PageStore;

    /// A handle to read from.
    fn store(&self) -> Self::Store;
    /// Keeps an update's pages.
    fn insert(&self, update: &TreeUpdate);
    /// Forgets what no version from `oldest` on needs.
    fn prune(&self, oldest_before: u64, oldest: u64);
}

/// A root and the commitments of some keys.
type Answers = (Hash, Vec<Option<LeafCommit>>);

/// All leaves after each batch, and the keys that were ever used.
struct History {
    states: Vec<Leaves>,
    keys: Vec<LeafKey>,
}

impl History {
    fn state(&self, version: u64) -> &Leaves {
        &self.states[usize::try_from(version).unwrap()]
    }

    /// The root and every key's commitment at a version.
    fn answers(&self, version: u64) -> Answers {
        let state = self.state(version);
        let commits = self
            .keys
            .iter()
            .map(|key| state.get(key).copied())
            .collect();
        (reference::root(state), commits)
    }

    fn versions(&self) -> std::ops::Range<u64> {
        0..self.states.len() as u64
    }
}

/// Plays batches on an empty store and checks every promise of the tree on the way.
///
/// `cached_pages` bounds the pages in memory; the tree is thrown away and opened again before every
/// batch whose number is odd.
pub(crate) fn play<B: Backend>(backend: &B, batches: &[Leaves], cached_pages: usize) {
    let mut history = History {
        states: Vec::new(),
        keys: Vec::new(),
    };
    let mut state = Leaves::new();
    let mut tree = Tree::with_layout(backend.store(), 4, cached_pages);
    assert_eq!(tree.root(), EMPTY);
    for (version, batch) in (0u64..).zip(batches) {
        if version % 2 == 1 {
            let root = tree.root();
            tree = Tree::open(backend.store(), version - 1, root, cached_pages).unwrap();
        }
        state.extend(batch);
        step(backend, &tree, version, batch, &state);
        history.states.push(state.clone());
    }
    history.keys = state.keys().copied().collect();
    for version in history.versions() {
        check_version(&tree, &history, version);
    }
    prune_all(backend, &tree, &history);
}

/// One batch by the whole tree and by the partial tree of its keys.
fn step<B: Backend>(
    backend: &B,
    tree: &Tree<B::Store>,
    version: u64,
    batch: &Leaves,
    after: &Leaves,
) {
    let changes = list(batch);
    let keys: Vec<LeafKey> = batch.keys().copied().collect();
    let partial = version.checked_sub(1).map(|before| {
        let proof = tree.multiproof(before, &keys).unwrap();
        PartialTree::new(&proof, &keys).unwrap()
    });
    let before = tree.root();
    let update = tree.update(version, &changes).unwrap();
    assert_eq!(
        update.root(),
        reference::root(after),
        "root of version {version}"
    );
    assert_eq!(
        tree.root(),
        before,
        "an update that is not committed changes nothing"
    );
    if let Some(mut partial) = partial {
        assert_eq!(partial.root(), before);
        assert_eq!(partial.update(&changes), Ok(update.root()));
    }
    backend.insert(&update);
    tree.commit(update).unwrap();
    assert_eq!(tree.version(), Some(version));
}

/// Proofs of every key that was ever used, one by one and all in one, at one version.
fn check_version<S: PageStore>(tree: &Tree<S>, history: &History, version: u64) {
    let state = history.state(version);
    let root = reference::root(state);
    assert_eq!(tree.root_at(version).unwrap(), root);
    let absent = [LeafKey([0x5a; 32]), LeafKey([0; 32]), LeafKey([0xff; 32])];
    for key in history.keys.iter().chain(&absent) {
        let proof = tree.prove(version, key).unwrap();
        assert_eq!(proof.verify(&root, key), Ok(state.get(key).copied()));
    }
    let answers = all_in_one(tree, history, version).unwrap();
    assert_eq!(answers, history.answers(version));
}

/// The root and every key's commitment by one multiproof.
fn all_in_one<S: PageStore>(
    tree: &Tree<S>,
    history: &History,
    version: u64,
) -> Result<Answers, TreeError<S::Error>> {
    let proof = tree.multiproof(version, &history.keys)?;
    let partial = PartialTree::new(&proof, &history.keys).unwrap();
    let commits = history
        .keys
        .iter()
        .map(|key| partial.get(key).unwrap())
        .collect();
    Ok((partial.root(), commits))
}

/// Moves the oldest version up step by step: newer versions stay whole, older ones never lie.
fn prune_all<B: Backend>(backend: &B, tree: &Tree<B::Store>, history: &History) {
    for oldest in history.versions() {
        backend.prune(oldest.saturating_sub(1), oldest);
        for version in history.versions() {
            let truth = history.answers(version);
            match all_in_one(tree, history, version) {
                Ok(answers) if answers.0 == truth.0 => assert_eq!(answers.1, truth.1),
                // A pruned version may be gone or have another root, which a verifier refuses.
                pruned => assert!(
                    version < oldest,
                    "version {version} is retained: {pruned:?}"
                ),
            }
        }
    }
}
