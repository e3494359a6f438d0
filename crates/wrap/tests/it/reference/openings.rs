//! The low-degree test: rows, their combination, and its folding.

use std::collections::BTreeMap;

use cloister_wrap::{circuit::Parameters, config::Challenge};
use p3_field::{Field, PrimeCharacteristicRing};
use serde_json::{Value, json};

use super::{
    Challenges, Digest, Reason, Val, coordinates, demand,
    encoding::Proof,
    merkle::{self, Rows},
    reverse, root, show, show_all,
};

/// A point with the values of all columns, random ones last.
type Claim = (Challenge, Vec<Challenge>);

/// A committed matrix with its claims.
pub(crate) struct Matrix {
    /// Rows of the codeword, as a power of two.
    pub(crate) log_height: usize,
    pub(crate) points: Vec<Claim>,
}

/// A commitment with its matrices.
pub(crate) struct Round {
    pub(crate) commitment: Vec<Digest>,
    pub(crate) matrices: Vec<Matrix>,
}

impl Round {
    pub(crate) fn show(&self) -> Value {
        let matrix = |matrix: &Matrix| {
            let points = matrix.points.iter();
            json!({
                "log_height": matrix.log_height,
                "points": points.map(|(point, values)| json!({
                    "point": show(point), "values": show_all(values),
                })).collect::<Vec<_>>(),
            })
        };
        json!({
            "commitment": self.commitment.iter().map(|digest| super::hex(digest)).collect::<Vec<_>>(),
            "matrices": self.matrices.iter().map(matrix).collect::<Vec<_>>(),
        })
    }
}

/// The four commitments with what is claimed of them.
pub(crate) fn rounds(parameters: &Parameters, proof: &Proof, point: Challenge) -> Vec<Round> {
    let commitments = [&proof.random, &proof.main, &proof.quotient, &proof.buses];
    let mut claims: [Vec<(usize, Vec<Claim>)>; 4] = Default::default();
    for (table, height) in proof.tables.iter().zip(&proof.heights) {
        let log_height = height + parameters.log_blowup as usize;
        // A table's rows are every second of its polynomial's values.
        let next = point * root(height - 1);
        let both = |[local, next_row]: &[Vec<Challenge>; 2]| {
            vec![(point, local.clone()), (next, next_row.clone())]
        };
        claims[0].push((log_height, vec![(point, table.random.clone())]));
        claims[1].push((log_height, both(&table.trace)));
        for chunk in &table.chunks {
            claims[2].push((log_height, vec![(point, chunk.clone())]));
        }
        claims[3].push((log_height, both(&table.buses)));
    }
    let rounds = commitments.into_iter().zip(claims).zip(&proof.masks);
    rounds
        .map(|((commitment, claims), masks)| Round {
            commitment: commitment.clone(),
            matrices: claims
                .into_iter()
                .zip(masks)
                .map(|((log_height, mut points), masks)| {
                    for ((_, values), mask) in points.iter_mut().zip(masks) {
                        values.extend(mask);
                    }
                    Matrix { log_height, points }
                })
                .collect(),
        })
        .collect()
}

/// Checks all queries.
pub(crate) fn check(
    proof: &Proof,
    rounds: &[Round],
    challenges: &Challenges,
    schedule: &[usize],
) -> Value {
    let highest = rounds
        .iter()
        .flat_map(|round| &round.matrices)
        .map(|matrix| matrix.log_height)
        .max()
        .unwrap();
    let mut folded_rows: Vec<Vec<(usize, Rows)>> = schedule.iter().map(|_| Vec::new()).collect();
    let queries: Vec<Value> = (0..challenges.positions.len())
        .map(|query| {
            let reduced = reduce(proof, rounds, challenges, highest, query);
            let shown: Vec<Value> = reduced
                .iter()
                .rev()
                .map(|(height, value)| json!({ "log_height": height, "value": show(value) }))
                .collect();
            let folds = fold(
                proof,
                challenges,
                schedule,
                reduced,
                query,
                &mut folded_rows,
            );
            json!({
                "position": challenges.positions[query], "reduced": shown, "folds": folds,
            })
        })
        .collect();
    let mut hashes = Vec::new();
    for (round, opening) in rounds.iter().zip(&proof.inputs) {
        let queries = opening.rows.iter().zip(&opening.salts);
        let rows: Vec<Rows> = queries
            .map(|(rows, salts)| salted(round, rows, salts))
            .collect();
        hashes.push(merkle::check(
            &round.commitment,
            &challenges.positions,
            &rows,
            &opening.siblings,
        ));
    }
    for (number, rows) in folded_rows.into_iter().enumerate() {
        let (positions, rows): (Vec<usize>, Vec<Rows>) = rows.into_iter().unzip();
        let siblings = &proof.folds[number].siblings;
        hashes.push(merkle::check(
            &proof.fold_commitments[number],
            &positions,
            &rows,
            siblings,
        ));
    }
    json!({ "queries": queries, "hashes_by_tree": hashes })
}

/// Rows as they are hashed: after the last of each height stands that height's salt.
fn salted(round: &Round, rows: &[Vec<Val>], salts: &[Vec<Val>]) -> Rows {
    let heights: Vec<usize> = round.matrices.iter().map(|m| m.log_height).collect();
    let mut salts = salts.iter();
    let mut salted = Vec::new();
    for (number, (height, row)) in heights.iter().zip(rows).enumerate() {
        let mut row = row.clone();
        if !heights[number + 1..].contains(height) {
            row.extend(salts.next().unwrap());
        }
        salted.push((*height, row));
    }
    salted
}

/// Σ α^k · (p(z) − p(x)) / (z − x) over all claims of one height, for each height.
fn reduce(
    proof: &Proof,
    rounds: &[Round],
    challenges: &Challenges,
    highest: usize,
    query: usize,
) -> BTreeMap<usize, Challenge> {
    // Per height: the sum so far and the next power of α.
    let mut sums: BTreeMap<usize, (Challenge, Challenge)> = BTreeMap::new();
    for (round, opening) in rounds.iter().zip(&proof.inputs) {
        for (matrix, row) in round.matrices.iter().zip(&opening.rows[query]) {
            let log_height = matrix.log_height;
            let position = challenges.positions[query] >> (highest - log_height);
            let place = root(log_height).exp_u64(reverse(position, log_height));
            let x = Challenge::from(Val::new(31) * place);
            let (sum, power) = sums
                .entry(log_height)
                .or_insert((Challenge::ZERO, Challenge::ONE));
            for (point, values) in &matrix.points {
                demand(Reason::Position, *point != x);
                let inverse = (*point - x).inverse();
                for (claimed, opened) in values.iter().zip(row) {
                    *sum += *power * (*claimed - Challenge::from(*opened)) * inverse;
                    *power *= challenges.openings;
                }
            }
        }
    }
    let values = sums.into_iter();
    values.map(|(height, (sum, _))| (height, sum)).collect()
}

/// Folds one query's value down to the last polynomial.
fn fold(
    proof: &Proof,
    challenges: &Challenges,
    schedule: &[usize],
    mut reduced: BTreeMap<usize, Challenge>,
    query: usize,
    rows: &mut [Vec<(usize, Rows)>],
) -> Vec<Value> {
    let mut shown = Vec::new();
    let (mut level, mut value) = reduced.pop_last().unwrap();
    let mut position = challenges.positions[query];
    let highest = level;
    for (number, step) in schedule.iter().enumerate() {
        let opening = &proof.folds[number];
        let mut row = opening.rows[query][0].clone();
        row.insert(position % (1 << step), value);
        position >>= step;
        level -= step;
        let mut flat: Vec<Val> = row.iter().flat_map(coordinates).copied().collect();
        flat.extend(&opening.salts[query][0]);
        rows[number].push((position, vec![(level, flat)]));
        let beta = challenges.folds[number];
        let folded = fold_row(&row, beta, position, level, *step);
        value = folded;
        let lower = reduced.remove(&level);
        if let Some(lower) = lower {
            value += beta.exp_power_of_2(*step) * lower;
        }
        shown.push(json!({
            "position": position, "log_height": level, "row": show_all(&row),
            "folded": show(&folded), "rolled_in": lower.as_ref().map(show), "value": show(&value),
        }));
    }
    assert!(reduced.is_empty());
    let x = root(highest).exp_u64(reverse(position, highest));
    let last = proof
        .last
        .iter()
        .rfold(Challenge::ZERO, |sum, coefficient| sum * x + *coefficient);
    demand(Reason::Fold, last == value);
    shown
}

/// The polynomial through the row's values, at β. Its points are s · w^reverse(j), where w generates
/// 2^step elements.
fn fold_row(
    row: &[Challenge],
    beta: Challenge,
    position: usize,
    level: usize,
    step: usize,
) -> Challenge {
    let start = root(level + step).exp_u64(reverse(position, level));
    let points: Vec<Val> = (0..row.len())
        .map(|index| start * root(step).exp_u64(reverse(index, step)))
        .collect();
    let mut sum = Challenge::ZERO;
    for (i, value) in row.iter().enumerate() {
        let mut weight = Challenge::ONE;
        for (j, point) in points.iter().enumerate() {
            if i != j {
                weight *= (beta - Challenge::from(*point))
                    * Challenge::from((points[i] - *point).inverse());
            }
        }
        sum += weight * *value;
    }
    sum
}
