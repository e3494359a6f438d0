//! Commitments to matrices of several heights, one salt to a leaf.

use std::collections::BTreeSet;

use cloister_wrap::{
    config::{SALT_ELEMENTS, Val, ValMmcs, rows},
    release::PARAMETERS,
};
use p3_commit::{BatchOpening, Mmcs};
use p3_field::{PrimeCharacteristicRing, PrimeField32};
use p3_keccak::Keccak256Hash;
use p3_matrix::{Dimensions, Matrix, dense::RowMajorMatrix};
use p3_merkle_tree::MerkleTreeMmcs;
use rand_core::{SeedableRng, rngs::StdRng};

/// Widths and heights, those of one height apart.
const MATRICES: [(usize, usize); 5] = [(3, 4), (2, 16), (5, 4), (1, 2), (4, 16)];

/// The matrix that bears the salts of each height is the last one: here of 4, 2 and 16 rows.
const SALTED: [usize; 3] = [4, 2, 16];

fn matrices() -> Vec<RowMajorMatrix<Val>> {
    MATRICES
        .iter()
        .map(|(width, height)| {
            let values = (0..width * height).map(Val::from_usize).collect();
            RowMajorMatrix::new(values, *width)
        })
        .collect()
}

fn mmcs() -> ValMmcs {
    rows(&PARAMETERS, StdRng::seed_from_u64(1))
}

fn dimensions() -> Vec<Dimensions> {
    matrices().iter().map(Matrix::dimensions).collect()
}

fn numbers(salt: &[Val]) -> Vec<u32> {
    salt.iter().map(PrimeField32::as_canonical_u32).collect()
}

/// SWR-4. Each height has a salt, and no two leaves of a tree share one; a second tree over the same
/// matrices has another commitment and other salts, and so has one of a copy.
#[test]
fn every_leaf_has_a_salt_of_its_own() {
    let mmcs = mmcs();
    let copy = mmcs.clone();
    let mut seen = BTreeSet::new();
    let mut roots = Vec::new();
    for mmcs in [&mmcs, &mmcs, &copy] {
        let (cap, data) = mmcs.commit(matrices());
        roots.push(cap.roots().to_vec());
        let (_, (salts, _)) = mmcs.open_multi_batch(&(0..16).collect::<Vec<_>>(), &data);
        let mut tree = BTreeSet::new();
        for query in salts {
            assert_eq!(query.len(), SALTED.len());
            for (salt, height) in query.iter().zip(SALTED) {
                assert_eq!(salt.len(), SALT_ELEMENTS);
                tree.insert((height, numbers(salt)));
            }
        }
        assert_eq!(tree.len(), SALTED.iter().sum::<usize>());
        for (_, salt) in tree {
            assert!(seen.insert(salt), "a salt was drawn twice");
        }
    }
    assert_ne!(roots[0], roots[1]);
    assert_ne!(roots[0], roots[2]);
    assert_ne!(roots[1], roots[2]);
}

/// The commitment is Plonky3's over the same rows with the salts as matrices of their own: nothing of
/// the tree is ours.
#[test]
fn the_tree_is_plonky3s() {
    let mmcs = mmcs();
    let (cap, data) = mmcs.commit(matrices());
    let (_, (salts, _)) = mmcs.open_multi_batch(&(0..16).collect::<Vec<_>>(), &data);
    let salts = SALTED.iter().enumerate().map(|(number, height)| {
        let rows = salts.iter().step_by(16 / height);
        let values: Vec<Val> = rows.flat_map(|query| query[number].clone()).collect();
        RowMajorMatrix::new(values, SALT_ELEMENTS)
    });
    let plain = MerkleTreeMmcs::<Val, u8, _, _, 2, 32>::new(
        cloister_wrap::config::FieldHash::new(Keccak256Hash),
        cloister_wrap::config::Compress::new(Keccak256Hash),
        usize::try_from(PARAMETERS.cap_height).unwrap(),
    );
    let (expected, _) = plain.commit(matrices().into_iter().chain(salts).collect());
    assert_eq!(cap.roots(), expected.roots());
}

/// What is opened of one position holds there only, as it is, with its salts.
#[test]
fn one_position_opens_to_one_thing() {
    let mmcs = mmcs();
    let (cap, data) = mmcs.commit(matrices());
    for index in 0..16 {
        let opened = || {
            let (rows, proof) = mmcs.open_batch(index, &data).unpack();
            let expected = matrices();
            for (row, matrix) in rows.iter().zip(&expected) {
                let place = index * matrix.height() / 16;
                assert_eq!(row[..], matrix.row_slice(place).unwrap()[..]);
            }
            (rows, proof)
        };
        let holds = |index, (rows, proof)| {
            let opening = BatchOpening::<Val, ValMmcs>::new(rows, proof);
            mmcs.verify_batch(&cap, &dimensions(), index, (&opening).into())
                .is_ok()
        };
        assert!(holds(index, opened()));
        assert!(!holds(index ^ 1, opened()), "another position");
        for number in 0..MATRICES.len() {
            let mut other = opened();
            other.0[number][0] += Val::ONE;
            assert!(!holds(index, other), "another row of matrix {number}");
        }
        for number in 0..SALTED.len() {
            let mut other = opened();
            other.1.0[number][SALT_ELEMENTS - 1] += Val::ONE;
            assert!(!holds(index, other), "another salt {number}");
        }
        let mut hidden = opened();
        let row = hidden.0.pop().unwrap();
        hidden.1.0.insert(0, row);
        assert!(!holds(index, hidden), "a row in a salt's place");
        let mut less = opened();
        less.1.0.pop();
        assert!(!holds(index, less), "a salt less");
    }
}

/// Rows and salts of one opening of several positions.
type Opened = (Vec<Vec<Vec<Val>>>, <ValMmcs as Mmcs<Val>>::MultiProof);

/// A change of an opening, and what it is.
type Change<'a> = (&'a str, &'a dyn Fn(&mut Opened));

/// Whether an opening of these positions holds after a change.
fn holds_after(positions: &[usize], change: impl Fn(&mut Opened)) -> bool {
    let mmcs = mmcs();
    let (cap, data) = mmcs.commit(matrices());
    let mut opened = mmcs.open_multi_batch(positions, &data);
    change(&mut opened);
    mmcs.verify_multi_batch(&cap, &dimensions(), positions, &opened.0, &opened.1)
        .is_ok()
}

/// Queries at different leaves can meet in one row of a lower matrix. Plonky3 once hashed that row as
/// the first of them opened it, so what the others said of it was bound by nothing (pull request
/// 1921). The same goes for salts, and for queries of one leaf.
#[test]
fn queries_that_meet_below_bind_every_row_and_salt() {
    for positions in [&[0, 1][..], &[1, 0], &[0, 3], &[4, 7], &[0, 4], &[5, 5, 4]] {
        assert!(holds_after(positions, |_| ()), "{positions:?}");
        for query in 0..positions.len() {
            for matrix in 0..MATRICES.len() {
                let holds = holds_after(positions, |opened| {
                    opened.0[query][matrix][0] += Val::ONE;
                });
                assert!(!holds, "{positions:?}: matrix {matrix} in query {query}");
            }
            for salt in 0..SALTED.len() {
                let holds = holds_after(positions, |opened| {
                    opened.1.0[query][salt][0] += Val::ONE;
                });
                assert!(!holds, "{positions:?}: salt {salt} in query {query}");
            }
        }
    }
}

/// Each query brings one salt of four numbers for each height, in the order of the matrices.
#[test]
fn salts_are_as_many_and_as_long_as_they_must_be() {
    let changes: [Change<'_>; 7] = [
        ("a salt less", &|opened| drop(opened.1.0[0].pop())),
        ("a salt more", &|opened| {
            let salt = opened.1.0[0][0].clone();
            opened.1.0[0].push(salt);
        }),
        ("a query's salts less", &|opened| drop(opened.1.0.pop())),
        ("no salts", &|opened| opened.1.0[1].clear()),
        ("salts of two heights exchanged", &|opened| {
            opened.1.0[1].swap(0, 1);
        }),
        ("a salt of three numbers", &|opened| {
            opened.1.0[0][2].truncate(3);
        }),
        ("a salt of five numbers", &|opened| {
            opened.1.0[0][2].push(Val::ZERO);
        }),
    ];
    for (what, change) in changes {
        assert!(!holds_after(&[2, 9], change), "{what}");
    }
}
