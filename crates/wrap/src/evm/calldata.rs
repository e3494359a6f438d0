//! Proofs as the contracts take them: a head, which fixes all challenges, and any number of ranges
//! of queries, in ascending order of their positions.
//!
//! Numbers are as they are hashed: four bytes, Montgomery form, little-endian; extension elements
//! are five of them.
//!
//! Head, in the order of the transcript: trace commitment; grinding for the buses; bus commitment;
//! each table's total; quotient commitment; random commitment; grinding for the point; all opened
//! values; grinding for the openings; each fold's commitment and grinding; last polynomial;
//! grinding for the positions.
//!
//! Range: for each query, of each of the four commitments (random, trace, quotient, buses) the rows
//! and the salt of each table from the highest; of each fold the siblings and the salt.
//! Then of each tree the siblings that the range's queries do not give, from the leaves, from the
//! left.

use std::collections::BTreeMap;

use crate::{
    evm::replay::{Digest, Replay, extension_bytes, leaf_bytes, number_bytes},
    verify::Verifier,
};

/// Writes the head.
#[must_use]
pub fn head(replay: &Replay) -> Vec<u8> {
    let proof = &replay.proof;
    let fri = &proof.opening_proof.1;
    let mut out = Vec::new();
    let roots = |cap: &p3_symmetric::MerkleCap<_, Digest>| cap.roots().concat();
    out.extend(roots(&proof.commitments.main));
    out.extend(number_bytes(proof.lookup_pow_witness.unwrap_or_default()));
    out.extend(proof.commitments.permutation.iter().flat_map(roots));
    for total in proof.lookup_terminals.iter().flatten() {
        out.extend(extension_bytes(&total.0));
    }
    out.extend(roots(&proof.commitments.quotient_chunks));
    out.extend(proof.commitments.random.iter().flat_map(roots));
    out.extend(number_bytes(proof.ood_pow_witness));
    out.extend(replay.opened.iter().flat_map(extension_bytes));
    out.extend(number_bytes(fri.batch_pow_witness));
    for (cap, witness) in fri
        .commit_phase_commits
        .iter()
        .zip(&fri.commit_pow_witnesses)
    {
        out.extend(roots(cap));
        out.extend(number_bytes(*witness));
    }
    out.extend(fri.final_poly.iter().flat_map(extension_bytes));
    out.extend(number_bytes(fri.query_pow_witness));
    out
}

/// Writes the queries from the `first`, in ascending order of their positions.
#[must_use]
pub fn range(verifier: &Verifier, replay: &Replay, first: usize, count: usize) -> Vec<u8> {
    let shape = verifier.shape();
    let fri = &replay.proof.opening_proof.1;
    let mut order: Vec<usize> = (0..replay.positions.len()).collect();
    order.sort_by_key(|query| replay.positions.get(*query).copied());
    let queries: Vec<usize> = order.into_iter().skip(first).take(count).collect();
    let position = |query: &usize| replay.positions.get(*query).copied().unwrap_or(0);
    let mut out = Vec::new();
    for query in &queries {
        for opening in &fri.input_openings {
            for table in (0..shape.tables.len()).rev() {
                out.extend(leaf_bytes(verifier, opening, *query, table));
            }
        }
        for opening in &fri.commit_phase_openings {
            let siblings = opening.sibling_values.get(*query);
            out.extend(siblings.into_iter().flatten().flat_map(extension_bytes));
            let salts = opening.opening_proof.0.get(*query);
            out.extend(
                salts
                    .into_iter()
                    .flatten()
                    .flatten()
                    .copied()
                    .flat_map(number_bytes),
            );
        }
    }
    let cap = shape.cap.ilog2() as usize;
    let positions: Vec<usize> = queries.iter().map(position).collect();
    let mut shift = 0;
    let values = fri.input_openings.len();
    for (number, tree) in replay.trees.iter().enumerate() {
        if let Some(fold) = number.checked_sub(values) {
            shift += shape.folds.get(fold).copied().unwrap_or(0);
        }
        let levels = (shape.levels - shift).saturating_sub(cap);
        let places = positions.iter().map(|position| position >> shift).collect();
        out.extend(pruned(tree, places, levels).concat());
    }
    out
}

/// The siblings that the places do not give themselves.
fn pruned(
    tree: &BTreeMap<(usize, usize), Digest>,
    mut places: Vec<usize>,
    levels: usize,
) -> Vec<Digest> {
    let mut siblings = Vec::new();
    for level in 0..levels {
        places.sort_unstable();
        places.dedup();
        for place in &places {
            if !places.contains(&(place ^ 1)) {
                let digest = tree.get(&(level, place ^ 1)).copied();
                siblings.push(digest.unwrap_or_default());
            }
        }
        for place in &mut places {
            *place /= 2;
        }
    }
    siblings
}
