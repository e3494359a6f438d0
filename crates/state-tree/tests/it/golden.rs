//! Frozen bytes of version 1. The roots were computed by another program (Python's `hashlib`).

use cloister_state_tree::{LeafCommit, LeafKey, MemoryStore, Page, PageId, Tree};

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Leaf `i` has a key of bytes `0x40 * i` and a commitment of bytes `i + 1`.
fn tree(leaves: u8) -> Tree<MemoryStore> {
    let changes: Vec<_> = (0..leaves)
        .map(|i| (LeafKey([i * 0x40; 32]), LeafCommit([i + 1; 32])))
        .collect();
    let tree = Tree::new(MemoryStore::new());
    let update = tree.update(0, &changes).unwrap();
    tree.store().insert(&update);
    tree.commit(update).unwrap();
    tree
}

#[test]
fn roots_are_those_of_version_1() {
    let roots: Vec<String> = (1..=4).map(|leaves| hex(&tree(leaves).root())).collect();
    assert_eq!(
        roots,
        [
            "2ad82c3a51e8ed6418cb5bf267c5f9e521b99f7ab4fce657f460a8f1a3e87b2e",
            "7c1bf1213c09adc8336b751e0bb3435ba9944442a5d9a2651f647825c26babcd",
            "ac7f33dbd37c939970e41f0c2df48405f405b30a0d6c92c899a1858d3a575852",
            "4f4b09e263aa94b3dfe474f946512e9112c99ddd553937921b65a4e2054f0701",
        ]
    );
}

#[test]
fn an_inclusion_proof_has_the_bytes_of_version_1() {
    let proof = tree(3).prove(0, &LeafKey([0x40; 32])).unwrap();
    assert_eq!(
        hex(&proof.encode()),
        "0101\
         4040404040404040404040404040404040404040404040404040404040404040\
         0202020202020202020202020202020202020202020202020202020202020202\
         0002\
         5ef758f3047561f34350e21d449e9a0ac7434e0e4eec4b392dacbecbe4b4726d\
         2ad82c3a51e8ed6418cb5bf267c5f9e521b99f7ab4fce657f460a8f1a3e87b2e"
    );
}

#[test]
fn an_exclusion_proof_has_the_bytes_of_version_1() {
    let proof = tree(3).prove(0, &LeafKey([0xc0; 32])).unwrap();
    assert_eq!(
        hex(&proof.encode()),
        "0101\
         8080808080808080808080808080808080808080808080808080808080808080\
         0303030303030303030303030303030303030303030303030303030303030303\
         0001\
         6ed1b4955309afc9d62dfa894fb97f2b685ec0f2a40118fd51bbc26c22e68d9e"
    );
}

#[test]
fn a_multiproof_has_the_bytes_of_version_1() {
    let proof = tree(3)
        .multiproof(0, &[LeafKey([0x40; 32]), LeafKey([0xc0; 32])])
        .unwrap();
    assert_eq!(
        hex(&proof.encode()),
        "010000000500000004\
         0101020304\
         2ad82c3a51e8ed6418cb5bf267c5f9e521b99f7ab4fce657f460a8f1a3e87b2e\
         0202020202020202020202020202020202020202020202020202020202020202\
         8080808080808080808080808080808080808080808080808080808080808080\
         0303030303030303030303030303030303030303030303030303030303030303"
    );
}

#[test]
fn a_page_has_the_bytes_of_version_1() {
    let update = Tree::new(MemoryStore::new()).update(
        0,
        &[0, 1, 2].map(|i| (LeafKey([i * 0x40; 32]), LeafCommit([i + 1; 32]))),
    );
    let update = update.unwrap();
    let [(id, page)] = update.pages() else {
        panic!("expected one page")
    };
    assert_eq!(id, &PageId::ROOT);
    let bytes = "01040101\
                 03\
                 0000000000000000000000000000000000000000000000000000000000000000\
                 0101010101010101010101010101010101010101010101010101010101010101\
                 03\
                 4040404040404040404040404040404040404040404040404040404040404040\
                 0202020202020202020202020202020202020202020202020202020202020202\
                 03\
                 8080808080808080808080808080808080808080808080808080808080808080\
                 0303030303030303030303030303030303030303030303030303030303030303";
    assert_eq!(hex(&page.encode()), bytes);
    assert_eq!(
        Page::decode(id, &page.encode()).unwrap().root(),
        update.root()
    );
}
