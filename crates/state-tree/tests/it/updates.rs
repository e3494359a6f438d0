//! Updates and proofs against the reference.

use crate::reference::{self, Leaves};
use cloister_state_tree::{LeafCommit, LeafKey, MemoryStore, PartialTree, Tree};
use proptest::prelude::*;

/// Keys that meet often: few values of few bytes, so that paths are shared over many levels.
pub(crate) fn key() -> impl Strategy<Value = LeafKey> {
    let byte = prop_oneof![Just(0u8), Just(1), Just(0x80), Just(0xff), any::<u8>()];
    (prop::collection::vec(byte, 3), 0usize..30).prop_map(|(bytes, zeros)| {
        let mut key = [0; 32];
        key[0] = bytes[0];
        key[1 + zeros] = bytes[1];
        key[31] |= bytes[2];
        LeafKey(key)
    })
}

/// Changes of one batch.
pub(crate) fn changes() -> impl Strategy<Value = Leaves> {
    prop::collection::btree_map(key(), any::<[u8; 32]>().prop_map(LeafCommit), 0..40)
}

proptest! {
    #[test]
    fn every_batch_leads_to_the_reference_root(batches in prop::collection::vec(changes(), 1..6), height in 1u8..=8) {
        let tree = Tree::with_layout(MemoryStore::new(), height, 64);
        let mut leaves = Leaves::new();
        for (version, batch) in batches.iter().enumerate() {
            let list: Vec<_> = batch.iter().map(|(key, commit)| (*key, *commit)).collect();
            let keys: Vec<_> = batch.keys().copied().collect();
            let mut partial = match version.checked_sub(1) {
                Some(before) => {
                    let proof = tree.multiproof(before as u64, &keys).unwrap();
                    Some(PartialTree::new(&proof, &keys).unwrap())
                }
                None => None,
            };
            let update = tree.update(version as u64, &list).unwrap();
            leaves.extend(batch);
            prop_assert_eq!(update.root(), reference::root(&leaves));
            if let Some(partial) = &mut partial {
                prop_assert_eq!(partial.root(), tree.root());
                prop_assert_eq!(partial.update(&list).unwrap(), update.root());
            }
            tree.store().insert(&update);
            tree.commit(update).unwrap();
        }
    }
}
