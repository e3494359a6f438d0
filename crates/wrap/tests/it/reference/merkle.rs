//! Merkle trees of salted rows, opened at many places at once.

use std::collections::BTreeMap;

use super::{Digest, Reason, Val, demand, refuse, transcript::keccak, wire};

/// The rows of one query with their salts, each with its matrix's height in levels.
pub(crate) type Rows = Vec<(usize, Vec<Val>)>;

/// Hashes the rows of matrices of this height.
fn hash_rows(rows: &Rows, log_height: usize) -> Digest {
    let bytes: Vec<u8> = rows
        .iter()
        .filter(|(height, _)| *height == log_height)
        .flat_map(|(_, row)| row.iter().flat_map(|value| wire(*value)))
        .collect();
    keccak(&bytes)
}

fn next<'a>(siblings: &mut impl Iterator<Item = &'a Digest>) -> Digest {
    match siblings.next() {
        Some(digest) => *digest,
        None => refuse(Reason::Length),
    }
}

/// Checks the openings of one tree: `positions` count leaves, a query's rows stand beside its
/// position. Gives the number of hashes.
pub(crate) fn check(
    cap: &[Digest],
    positions: &[usize],
    rows: &[Rows],
    siblings: &[Digest],
) -> usize {
    let heights = |rows: &Rows| rows.iter().map(|(height, _)| *height).collect::<Vec<_>>();
    let shape = heights(&rows[0]);
    let mut level = *shape.iter().max().unwrap();
    let cap_level = cap.len().ilog2() as usize;
    let mut hashes = 0;
    // Leaves in ascending order, each once. Queries of one leaf open the same rows.
    let mut members: BTreeMap<usize, &Rows> = BTreeMap::new();
    for (position, rows) in positions.iter().zip(rows) {
        let known = members.entry(*position).or_insert(rows);
        demand(Reason::Commitment, *known == rows);
    }
    let mut nodes: Vec<(usize, Digest, Vec<&Rows>)> = members
        .into_iter()
        .map(|(position, rows)| (position, hash_rows(rows, level), vec![rows]))
        .collect();
    hashes += nodes.len();
    let mut siblings = siblings.iter();
    while level > cap_level {
        level -= 1;
        let mut parents: Vec<(usize, Digest, Vec<&Rows>)> = Vec::new();
        let mut nodes_left = nodes.into_iter().peekable();
        while let Some((position, digest, mut below)) = nodes_left.next() {
            let right =
                nodes_left.next_if(|(other, _, _)| *other == position + 1 && position % 2 == 0);
            let pair = if let Some((_, other, others)) = right {
                below.extend(others);
                [digest, other]
            } else if position % 2 == 0 {
                [digest, next(&mut siblings)]
            } else {
                [next(&mut siblings), digest]
            };
            let mut digest = keccak(&pair.concat());
            hashes += 1;
            // Rows of lower matrices come in where their height is reached.
            if shape.contains(&level) {
                let rows = hash_rows(below[0], level);
                for other in &below {
                    demand(Reason::Commitment, hash_rows(other, level) == rows);
                }
                digest = keccak(&[digest, rows].concat());
                hashes += 2;
            }
            parents.push((position / 2, digest, below));
        }
        nodes = parents;
    }
    demand(Reason::Length, siblings.next().is_none());
    for (position, digest, _) in nodes {
        demand(Reason::Commitment, cap[position] == digest);
    }
    hashes
}
