//! The state tree against `jmt` with SHA-256: both over memory, with the same keys and values.

pub(crate) mod heights;
mod peer;

use crate::{Figure, Filter, Report};
use anyhow::Context as _;
use cloister_state_tree::{Hash, LeafCommit, LeafKey, MemoryStore, Tree};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::collections::BTreeMap;

/// The figures of this group.
pub(crate) const NAMES: &[&str] = &[
    "state_tree_us_per_key",
    "state_tree_proof_us",
    "state_tree_verify_us",
];

/// Keys in the tree before anything is measured.
const KEYS: usize = 1_000_000;
/// Keys written by one measured batch.
const BATCH_KEYS: usize = 10_000;
/// Keys of one batch while the tree is filled.
const FILL_KEYS: usize = 100_000;
/// Measured batches; the median counts.
const BATCHES: usize = 9;
/// Proofs made and verified.
const PROOFS: usize = 10_000;

/// Keys and the changes of each batch, the same for both sides.
pub(crate) struct Workload {
    fill: Vec<Vec<(LeafKey, LeafCommit)>>,
    batches: Vec<Vec<(LeafKey, LeafCommit)>>,
    proved: Vec<LeafKey>,
}

impl Workload {
    /// Draws the workload from a fixed seed.
    pub(crate) fn new() -> Self {
        let mut rng = StdRng::seed_from_u64(2);
        let keys: Vec<Hash> = (0..KEYS).map(|_| rng.random()).collect();
        let sorted = |changes: BTreeMap<Hash, Hash>| -> Vec<_> {
            changes
                .into_iter()
                .map(|(key, value)| (LeafKey(key), LeafCommit(value)))
                .collect()
        };
        let fill = keys
            .chunks(FILL_KEYS)
            .map(|chunk| sorted(chunk.iter().map(|key| (*key, rng.random())).collect()))
            .collect();
        let batches = (0..BATCHES)
            .map(|_| {
                let mut changes = BTreeMap::new();
                while changes.len() < BATCH_KEYS {
                    changes.insert(keys[rng.random_range(0..KEYS)], rng.random());
                }
                sorted(changes)
            })
            .collect();
        let proved = (0..PROOFS)
            .map(|_| LeafKey(keys[rng.random_range(0..KEYS)]))
            .collect();
        Self {
            fill,
            batches,
            proved,
        }
    }
}

/// A point in the CPU time of this thread: what else runs on the machine does not count.
#[derive(Clone, Copy)]
pub(crate) struct CpuClock(cpu_time::ThreadTime);

impl CpuClock {
    /// Now.
    pub(crate) fn start() -> Self {
        Self(cpu_time::ThreadTime::now())
    }

    /// Microseconds since then for each of `count` things.
    pub(crate) fn us_each(self, count: usize) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^52")]
        let count = count as f64;
        self.0.elapsed().as_secs_f64() * 1e6 / count
    }
}

/// What one side needs, in microseconds.
struct Times {
    us_per_key: f64,
    proof_us: f64,
    verify_us: f64,
}

/// Measures both sides.
pub(crate) fn run(filter: &Filter, report: &mut Report) -> anyhow::Result<()> {
    Report::note("state tree: filling 1,000,000 keys on both sides");
    let workload = Workload::new();
    let ours = ours(&workload)?;
    let theirs = peer::measure(&workload)?;
    let values = [
        (ours.us_per_key, theirs.us_per_key),
        (ours.proof_us, theirs.proof_us),
        (ours.verify_us, theirs.verify_us),
    ];
    for (name, (value, peer_value)) in NAMES.iter().zip(values) {
        if filter.wants(name) {
            report.figure(&Figure::beside(
                name,
                value,
                "us",
                "jmt 0.12 sha256",
                peer_value,
            ));
        }
    }
    Ok(())
}

/// Applies and commits a batch; the update itself is timed, in microseconds per key.
pub(crate) fn apply(
    tree: &Tree<MemoryStore>,
    version: u64,
    changes: &[(LeafKey, LeafCommit)],
) -> anyhow::Result<(f64, usize)> {
    let start = CpuClock::start();
    let update = tree.update(version, changes)?;
    let us_per_key = start.us_each(changes.len());
    let bytes = update
        .pages()
        .iter()
        .map(|(id, page)| id.to_bytes().len() + page.encode().len());
    let bytes = bytes.sum();
    tree.store().insert(&update);
    tree.commit(update)?;
    Ok((us_per_key, bytes))
}

/// A tree filled with the workload's keys; answers its newest version too.
pub(crate) fn filled(
    workload: &Workload,
    page_height: u8,
) -> anyhow::Result<(Tree<MemoryStore>, u64)> {
    let tree = Tree::with_layout(MemoryStore::new(), page_height, 1 << 20);
    let mut version = 0;
    for changes in &workload.fill {
        version += 1;
        apply(&tree, version, changes)?;
    }
    Ok((tree, version))
}

fn ours(workload: &Workload) -> anyhow::Result<Times> {
    let (tree, mut version) = filled(workload, cloister_state_tree::PAGE_HEIGHT)?;
    let mut us_per_key = Vec::new();
    for changes in &workload.batches {
        version += 1;
        us_per_key.push(apply(&tree, version, changes)?.0);
    }
    let start = CpuClock::start();
    let proofs: Vec<_> = workload
        .proved
        .iter()
        .map(|key| tree.prove(version, key))
        .collect::<Result<_, _>>()?;
    let proof_us = start.us_each(PROOFS);
    let root = tree.root();
    let start = CpuClock::start();
    for (key, proof) in workload.proved.iter().zip(&proofs) {
        proof
            .verify(&root, key)?
            .context("a key of the tree has no leaf")?;
    }
    let verify_us = start.us_each(PROOFS);
    Ok(Times {
        us_per_key: crate::figure::median(us_per_key),
        proof_us,
        verify_us,
    })
}
