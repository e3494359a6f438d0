//! The peer: crate `jmt` with SHA-256 over its own in-memory store.
//!
//! Only the tree's own work is timed on both sides: writing to the store is not.

use super::{CpuClock, PROOFS, Times, Workload};
use cloister_state_tree::{LeafCommit, LeafKey};
use jmt::mock::MockTreeStore;
use jmt::{KeyHash, Sha256Jmt};

fn apply(
    store: &MockTreeStore,
    version: u64,
    changes: &[(LeafKey, LeafCommit)],
) -> anyhow::Result<(jmt::RootHash, f64)> {
    let values: Vec<_> = changes
        .iter()
        .map(|(key, value)| (KeyHash(key.0), Some(value.0.to_vec())))
        .collect();
    let start = CpuClock::start();
    let (root, update) = Sha256Jmt::new(store).put_value_set(values, version)?;
    let us_per_key = start.us_each(changes.len());
    store.write_tree_update_batch(update)?;
    Ok((root, us_per_key))
}

/// Runs the workload.
pub(super) fn measure(workload: &Workload) -> anyhow::Result<Times> {
    let store = MockTreeStore::default();
    let mut version = 0;
    for changes in &workload.fill {
        version += 1;
        apply(&store, version, changes)?;
    }
    let (mut us_per_key, mut newest) = (Vec::new(), None);
    for changes in &workload.batches {
        version += 1;
        let (root, us) = apply(&store, version, changes)?;
        us_per_key.push(us);
        newest = Some(root);
    }
    let root = newest.ok_or_else(|| anyhow::anyhow!("the workload has no batches"))?;
    let tree = Sha256Jmt::new(&store);
    let start = CpuClock::start();
    let proofs: Vec<_> = workload
        .proved
        .iter()
        .map(|key| tree.get_with_proof(KeyHash(key.0), version))
        .collect::<Result<_, _>>()?;
    let proof_us = start.us_each(PROOFS);
    let start = CpuClock::start();
    for (key, (value, proof)) in workload.proved.iter().zip(&proofs) {
        proof.verify(root, KeyHash(key.0), value.as_ref())?;
    }
    let verify_us = start.us_each(PROOFS);
    Ok(Times {
        us_per_key: crate::figure::median(us_per_key),
        proof_us,
        verify_us,
    })
}
