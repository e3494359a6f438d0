//! The tree's definition, as short as it can be written: obviously right and slow.

use cloister_state_tree::{EMPTY, Hash, LeafCommit, LeafKey, inner_hash, leaf_hash};
use std::collections::BTreeMap;

/// All leaves of a tree.
pub(crate) type Leaves = BTreeMap<LeafKey, LeafCommit>;

/// The root of a tree with these leaves.
pub(crate) fn root(leaves: &Leaves) -> Hash {
    let leaves: Vec<_> = leaves.iter().map(|(key, commit)| (*key, *commit)).collect();
    node(&leaves, 0)
}

fn node(leaves: &[(LeafKey, LeafCommit)], depth: usize) -> Hash {
    match leaves {
        [] => EMPTY,
        [(key, commit)] => leaf_hash(key, commit),
        _ => {
            let (left, right): (Vec<_>, Vec<_>) = leaves
                .iter()
                .partition(|(key, _)| key.0[depth / 8] >> (7 - depth % 8) & 1 == 0);
            inner_hash(&node(&left, depth + 1), &node(&right, depth + 1))
        }
    }
}
