//! Multiproofs and partial trees: tampering, malformed encodings, keys that are not covered.

use crate::reference::{Leaves, batch, key, list};
use cloister_state_tree::{
    EMPTY, Hash, LeafCommit, LeafKey, MAX_MULTIPROOF_NODES, MemoryStore, Multiproof,
    MultiproofError, PartialTree, PartialTreeError, Tree,
};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn proof_of(leaves: &Leaves, keys: &[LeafKey]) -> (Hash, Multiproof) {
    let tree = Tree::new(MemoryStore::new());
    let update = tree.update(0, &list(leaves)).unwrap();
    tree.store().insert(&update);
    tree.commit(update).unwrap();
    (tree.root(), tree.multiproof(0, keys).unwrap())
}

/// Some keys of the tree and some others, sorted.
fn asked(leaves: &Leaves, others: &BTreeSet<LeafKey>) -> Vec<LeafKey> {
    let known = leaves.keys().step_by(3).copied();
    known
        .chain(others.iter().copied())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

fn others() -> impl Strategy<Value = BTreeSet<LeafKey>> {
    prop::collection::btree_set(key(), 0..6)
}

/// Header, tags and hashes as they are encoded.
fn encoded(tags: &[u8], hashes: &[Hash]) -> Vec<u8> {
    let count = |length: usize| u32::try_from(length).unwrap().to_be_bytes();
    let counts = [count(tags.len()), count(hashes.len())].concat();
    [&[1], &counts[..], tags, hashes.as_flattened()].concat()
}

fn read(tags: &[u8], hashes: &[Hash], keys: &[LeafKey]) -> Result<PartialTree, MultiproofError> {
    PartialTree::new(&Multiproof::decode(&encoded(tags, hashes))?, keys)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_encoded_multiproof_reads_back(leaves in batch(), others in others()) {
        let (_, proof) = proof_of(&leaves, &asked(&leaves, &others));
        prop_assert_eq!(Multiproof::decode(&proof.encode()), Ok(proof));
    }

    /// STREE-3: whatever is changed, the tree that is read has another root or none.
    #[test]
    fn no_changed_byte_keeps_the_root(
        leaves in batch(), others in others(), byte in any::<prop::sample::Index>(), flip in 1u8..,
    ) {
        let keys = asked(&leaves, &others);
        let (root, proof) = proof_of(&leaves, &keys);
        let mut bytes = proof.encode();
        *byte.get_mut(&mut bytes) ^= flip;
        if let Ok(tree) = Multiproof::decode(&bytes).and_then(|proof| PartialTree::new(&proof, &keys)) {
            prop_assert_ne!(tree.root(), root);
        }
    }

    #[test]
    fn no_shortened_or_prolonged_multiproof_is_read(leaves in batch(), others in others(), more in 1usize..40) {
        let bytes = proof_of(&leaves, &asked(&leaves, &others)).1.encode();
        for length in 0..bytes.len() {
            prop_assert_eq!(Multiproof::decode(&bytes[..length]), Err(MultiproofError::Truncated));
        }
        let prolonged = [&bytes[..], &vec![0; more]].concat();
        prop_assert_eq!(Multiproof::decode(&prolonged), Err(MultiproofError::Trailing(more)));
    }

    /// STREE-4: a multiproof for other keys never answers falsely.
    #[test]
    fn other_keys_get_true_answers_or_none(leaves in batch(), others in others(), wrong in others()) {
        let (root, proof) = proof_of(&leaves, &asked(&leaves, &others));
        let wrong: Vec<_> = wrong.into_iter().collect();
        if let Ok(tree) = PartialTree::new(&proof, &wrong) {
            for key in &wrong {
                if tree.root() == root && let Ok(answer) = tree.get(key) {
                    prop_assert_eq!(answer, leaves.get(key).copied());
                }
            }
        }
    }

    #[test]
    fn any_tags_and_hashes_are_a_tree_or_an_error(
        tags in prop::collection::vec(0u8..6, 0..40), hashes in prop::collection::vec(any::<Hash>(), 0..20),
        keys in others(),
    ) {
        let keys: Vec<_> = keys.into_iter().collect();
        let _ = read(&tags, &hashes, &keys);
    }

    #[test]
    fn any_bytes_are_a_multiproof_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = Multiproof::decode(&bytes);
        let _ = Multiproof::decode(&[&[1, 0, 0], &bytes[..]].concat());
    }
}

const A: LeafKey = LeafKey([0x10; 32]);
const B: LeafKey = LeafKey([0x90; 32]);
const C: LeafKey = LeafKey([0x20; 32]);

#[test]
fn a_key_that_is_not_covered_is_neither_read_nor_written() {
    let leaves = Leaves::from([A, B, C].map(|key| (key, LeafCommit([1; 32]))));
    let (_, proof) = proof_of(&leaves, &[B]);
    let mut tree = PartialTree::new(&proof, &[B]).unwrap();
    assert_eq!(tree.get(&B), Ok(Some(LeafCommit([1; 32]))));
    assert_eq!(tree.get(&A), Err(PartialTreeError::MissingKey(A)));
    let refused = tree.update(&[(A, LeafCommit([2; 32]))]);
    assert_eq!(refused, Err(PartialTreeError::MissingKey(A)));
}

#[test]
fn changes_must_be_sorted() {
    let (_, proof) = proof_of(&Leaves::new(), &[A, B]);
    let mut tree = PartialTree::new(&proof, &[A, B]).unwrap();
    let refused = tree.update(&[(B, LeafCommit([1; 32])), (A, LeafCommit([1; 32]))]);
    assert_eq!(refused, Err(PartialTreeError::NotSorted { at: 1 }));
    let refused = PartialTree::new(&proof, &[B, A]).unwrap_err();
    assert_eq!(refused, MultiproofError::KeysNotSorted { at: 1 });
}

#[test]
fn no_keys_show_the_root_only() {
    let leaves = Leaves::from([A, B].map(|key| (key, LeafCommit([1; 32]))));
    let (root, proof) = proof_of(&leaves, &[]);
    assert_eq!(proof.node_count(), 1);
    assert_eq!(PartialTree::new(&proof, &[]).unwrap().root(), root);
    let (root, proof) = proof_of(&Leaves::new(), &[]);
    assert_eq!(root, EMPTY);
    assert_eq!(PartialTree::new(&proof, &[]).unwrap().root(), EMPTY);
}

#[test]
fn claimed_lengths_cost_nothing() {
    let header = |tags: u32, hashes: u32| {
        let bytes = [&[1], &tags.to_be_bytes()[..], &hashes.to_be_bytes()].concat();
        Multiproof::decode(&bytes)
    };
    assert_eq!(
        header(u32::MAX, 0),
        Err(MultiproofError::TooLarge { got: u32::MAX })
    );
    let most = u32::try_from(MAX_MULTIPROOF_NODES).unwrap();
    assert_eq!(header(most, 0), Err(MultiproofError::Truncated));
    assert_eq!(header(0, u32::MAX), Err(MultiproofError::Truncated));
    assert_eq!(
        Multiproof::decode(&[3]),
        Err(MultiproofError::UnknownVersion(3))
    );
}

#[test]
fn refuses_shapes_that_no_tree_has() {
    let hash = [7; 32];
    let error =
        |tags: &[u8], hashes: &[Hash], keys: &[LeafKey]| read(tags, hashes, keys).unwrap_err();
    // No node at all, a node too many, a hash too many.
    assert_eq!(error(&[], &[], &[A]), MultiproofError::Truncated);
    assert_eq!(error(&[0, 0], &[], &[A]), MultiproofError::Trailing(1));
    assert_eq!(error(&[0], &[hash], &[A]), MultiproofError::Trailing(1));
    assert_eq!(error(&[3], &[], &[A]), MultiproofError::Truncated);
    // A hash where a path goes on, a leaf where no path ends, an unknown tag.
    assert_eq!(
        error(&[2], &[hash], &[A]),
        MultiproofError::UnexpectedTag { tag: 2, node: 0 }
    );
    assert_eq!(
        error(&[3], &[hash], &[]),
        MultiproofError::UnexpectedTag { tag: 3, node: 0 }
    );
    assert_eq!(
        error(&[5], &[hash], &[A]),
        MultiproofError::UnexpectedTag { tag: 5, node: 0 }
    );
    // An own leaf to which two keys lead.
    assert_eq!(
        error(&[3], &[hash], &[A, B]),
        MultiproofError::UnexpectedTag { tag: 3, node: 0 }
    );
    // Subtrees that are not in their shortest form.
    assert_eq!(
        error(&[1, 3, 0], &[hash], &[A]),
        MultiproofError::NotShortest { node: 0 }
    );
    assert_eq!(
        error(&[1, 0, 0], &[], &[A]),
        MultiproofError::NotShortest { node: 0 }
    );
    assert_eq!(
        error(&[2], &[EMPTY], &[]),
        MultiproofError::NotShortest { node: 0 }
    );
    assert_eq!(
        error(&[4], &[A.0, hash], &[A]),
        MultiproofError::NotShortest { node: 0 }
    );
    // Another key's leaf in a place that is not on its path.
    let off_path = error(&[1, 4, 2], &[B.0, hash, hash], &[A]);
    assert_eq!(off_path, MultiproofError::LeafOffPath { node: 1 });
}

#[test]
fn refuses_a_path_that_is_deeper_than_a_key() {
    // Inner nodes all the way down the path of the zero key, an empty sibling beside each.
    let depth = 257;
    let tags: Vec<u8> = [vec![1; depth], vec![0; depth + 1]].concat();
    let refused = read(&tags, &[], &[LeafKey([0; 32])]).unwrap_err();
    assert_eq!(
        refused,
        MultiproofError::UnexpectedTag { tag: 1, node: 256 }
    );
}
