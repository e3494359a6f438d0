//! Single proofs: tampering, malformed encodings, proofs for another key.

use crate::reference::{self, Leaves, batch, key, list};
use cloister_state_tree::{
    EMPTY, Hash, LeafCommit, LeafKey, MAX_PROOF_BYTES, MemoryStore, Proof, ProofError, Terminal,
    Tree, leaf_hash,
};
use proptest::prelude::*;

fn proof_of(leaves: &Leaves, key: &LeafKey) -> (Hash, Proof) {
    let tree = Tree::new(MemoryStore::new());
    let update = tree.update(0, &list(leaves)).unwrap();
    tree.store().insert(&update);
    tree.commit(update).unwrap();
    (tree.root(), tree.prove(0, key).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_encoded_proof_reads_back(leaves in batch(), key in key()) {
        let (_, proof) = proof_of(&leaves, &key);
        let bytes = proof.encode();
        prop_assert!(bytes.len() <= MAX_PROOF_BYTES);
        prop_assert_eq!(Proof::decode(&bytes), Ok(proof));
    }

    /// STREE-1: a proof holds for its key, value and root only.
    #[test]
    fn no_changed_byte_leaves_a_proof_valid(
        leaves in batch(), key in key(), byte in any::<prop::sample::Index>(), flip in 1u8..,
    ) {
        let (root, proof) = proof_of(&leaves, &key);
        let mut bytes = proof.encode();
        *byte.get_mut(&mut bytes) ^= flip;
        if let Ok(tampered) = Proof::decode(&bytes) {
            prop_assert!(tampered.verify(&root, &key).is_err());
        }
    }

    #[test]
    fn no_shortened_or_prolonged_proof_is_read(leaves in batch(), key in key(), more in 1usize..40) {
        let bytes = proof_of(&leaves, &key).1.encode();
        for length in 0..bytes.len() {
            prop_assert_eq!(Proof::decode(&bytes[..length]), Err(ProofError::Truncated));
        }
        let prolonged = [&bytes[..], &vec![0; more]].concat();
        prop_assert_eq!(Proof::decode(&prolonged), Err(ProofError::TrailingBytes(more)));
    }

    /// STREE-2: what excludes one key says nothing of a key that is there.
    #[test]
    fn no_proof_of_another_key_excludes_a_present_one(leaves in batch(), other in key()) {
        let (root, proof) = proof_of(&leaves, &other);
        for (key, commit) in &leaves {
            if let Ok(answer) = proof.verify(&root, key) {
                prop_assert_eq!(answer, Some(*commit));
            }
        }
    }

    #[test]
    fn no_removed_or_added_sibling_leaves_a_proof_valid(
        leaves in batch(), key in key(), at in any::<prop::sample::Index>(), sibling: [u8; 32],
    ) {
        let (root, proof) = proof_of(&leaves, &key);
        let place = at.index(proof.siblings.len() + 1);
        let mut longer = proof.clone();
        longer.siblings.insert(place, sibling);
        prop_assert!(longer.verify(&root, &key).is_err());
        let mut shorter = proof;
        if place < shorter.siblings.len() {
            shorter.siblings.remove(place);
            prop_assert!(shorter.verify(&root, &key).is_err());
        }
    }

    #[test]
    fn any_bytes_are_a_proof_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Proof::decode(&bytes);
        let _ = Proof::decode(&[&[1, 0], &bytes[..]].concat());
    }
}

#[test]
fn a_claimed_length_costs_nothing() {
    let claim = |count: u16| {
        let mut bytes = vec![1, 0];
        bytes.extend_from_slice(&count.to_be_bytes());
        Proof::decode(&bytes)
    };
    assert_eq!(claim(u16::MAX), Err(ProofError::TooDeep { got: 65_535 }));
    assert_eq!(claim(257), Err(ProofError::TooDeep { got: 257 }));
    assert_eq!(claim(256), Err(ProofError::Truncated));
}

#[test]
fn refuses_unknown_versions_and_terminals() {
    assert_eq!(
        Proof::decode(&[2, 0, 0, 0]),
        Err(ProofError::UnknownVersion(2))
    );
    assert_eq!(
        Proof::decode(&[1, 2, 0, 0]),
        Err(ProofError::UnknownTerminal(2))
    );
}

#[test]
fn refuses_a_path_that_is_longer_than_a_key() {
    let proof = Proof {
        siblings: vec![[1; 32]; 257],
        terminal: Terminal::Empty,
    };
    let refused = proof.verify(&EMPTY, &LeafKey([0; 32]));
    assert_eq!(refused, Err(ProofError::TooDeep { got: 257 }));
    assert_eq!(
        Proof::decode(&proof.encode()),
        Err(ProofError::TooDeep { got: 257 })
    );
}

#[test]
fn refuses_a_leaf_off_the_path() {
    let (key, commit) = (LeafKey([0x80; 32]), LeafCommit([1; 32]));
    let proof = Proof {
        siblings: vec![[1; 32]],
        terminal: Terminal::Leaf { key, commit },
    };
    let refused = proof.verify(&[0; 32], &LeafKey([0; 32]));
    assert_eq!(
        refused,
        Err(ProofError::OffPath {
            shared: 0,
            expected: 1
        })
    );
}

#[test]
fn refuses_a_path_that_an_honest_tree_would_have_cut() {
    let (key, commit) = (LeafKey([0; 32]), LeafCommit([1; 32]));
    let proof = Proof {
        siblings: vec![EMPTY],
        terminal: Terminal::Leaf { key, commit },
    };
    assert_eq!(proof.verify(&[0; 32], &key), Err(ProofError::NotShortest));
}

#[test]
fn says_which_root_was_expected() {
    let leaves = Leaves::from([(LeafKey([3; 32]), LeafCommit([4; 32]))]);
    let (root, proof) = proof_of(&leaves, &LeafKey([3; 32]));
    assert_eq!(root, reference::root(&leaves));
    let got = leaf_hash(&LeafKey([3; 32]), &LeafCommit([4; 32]));
    let refused = proof.verify(&[9; 32], &LeafKey([3; 32]));
    assert_eq!(
        refused,
        Err(ProofError::RootMismatch {
            expected: [9; 32],
            got
        })
    );
}
