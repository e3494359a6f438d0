//! The tree's definition, as short as it can be written: obviously right and slow.

use cloister_state_tree::{EMPTY, Hash, LeafCommit, LeafKey, inner_hash, leaf_hash};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// All leaves of a tree, or the changes of one batch.
pub(crate) type Leaves = BTreeMap<LeafKey, LeafCommit>;

/// The root of a tree with these leaves.
pub(crate) fn root(leaves: &Leaves) -> Hash {
    node(&list(leaves), 0)
}

fn node(leaves: &[(LeafKey, LeafCommit)], depth: usize) -> Hash {
    match leaves {
        [] => EMPTY,
        [(key, commit)] => leaf_hash(key, commit),
        _ => {
            let goes_left =
                |(key, _): &(LeafKey, LeafCommit)| key.0[depth / 8] >> (7 - depth % 8) & 1 == 0;
            let (left, right): (Vec<_>, Vec<_>) = leaves.iter().copied().partition(goes_left);
            inner_hash(&node(&left, depth + 1), &node(&right, depth + 1))
        }
    }
}

/// Leaves in the form that updates take.
pub(crate) fn list(leaves: &Leaves) -> Vec<(LeafKey, LeafCommit)> {
    leaves.iter().map(|(key, commit)| (*key, *commit)).collect()
}

/// Keys that meet often: most share long prefixes with others, up to all but the last bit.
pub(crate) fn key() -> impl Strategy<Value = LeafKey> {
    let byte = || prop_oneof![Just(0u8), Just(1), Just(0x80), any::<u8>()];
    let near = (byte(), byte(), 1usize..32).prop_map(|(first, other, at)| {
        let mut key = [0; 32];
        key[0] = first & 0x81;
        key[at] = other;
        LeafKey(key)
    });
    prop_oneof![near, any::<[u8; 32]>().prop_map(LeafKey)]
}

/// The changes of one batch.
pub(crate) fn batch() -> impl Strategy<Value = Leaves> {
    prop::collection::btree_map(key(), any::<[u8; 32]>().prop_map(LeafCommit), 0..24)
}

/// The changes of some batches.
pub(crate) fn batches() -> impl Strategy<Value = Vec<Leaves>> {
    prop::collection::vec(batch(), 1..6)
}
