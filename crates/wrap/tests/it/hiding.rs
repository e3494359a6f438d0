//! Two private traces with one statement cannot be told apart by their proofs: everything that a
//! proof opens is compared, position by position and kind by kind, over many proofs of each. The
//! same comparison does tell them apart when the masks are known or missing, or it would mean
//! nothing.
//!
//! A proof is taken for told apart if what is seen has a chance of at most 10^-6 over all that is
//! compared; that is how often these tests fail without a cause.

use std::collections::BTreeSet;

use cloister_wrap::{
    config::{Challenge, Val, config},
    evm::replay,
    proof::{Inner, decode, encode},
    table::TableAir,
    trace::TableTrace,
};
use p3_batch_stark::{ProverData, StarkInstance, prove_batch};
use p3_field::{BasedVectorSpace, Field, PrimeCharacteristicRing, PrimeField32, TwoAdicField};
use rand_core::{SeedableRng, rngs::StdRng};

use crate::sample::{statement, traces, world};

/// Proofs of each secret. With fewer, not even a position that never changes would be improbable.
const PROOFS: usize = 32;

/// Values of the two secrets that the sample's traces are made with.
const SECRETS: [u32; 2] = [1, 5];

/// How often a comparison may fail without a cause.
const FALSE_ALARM: f64 = 1e-6;

/// What is opened, by kind, always in the same order.
type Opened = Vec<(&'static str, Vec<Val>)>;

fn coordinates(value: &Challenge) -> &[Val] {
    value.as_basis_coefficients_slice()
}

fn flat<'a>(values: impl IntoIterator<Item = &'a Challenge>) -> Vec<Val> {
    let values = values.into_iter();
    values.flat_map(coordinates).copied().collect()
}

/// Everything in a proof that is a number, but for witnesses of grinding.
fn opened(proof: &Inner) -> Opened {
    let (masks, fri) = &proof.opening_proof;
    let tables = || proof.opened_values.instances.iter();
    let base = || tables().map(|table| &table.base_opened_values);
    let inputs = || fri.input_openings.iter();
    let folds = || fri.commit_phase_openings.iter();
    vec![
        ("trace", flat(base().flat_map(|table| &table.trace_local))),
        (
            "next row",
            flat(base().flat_map(|table| table.trace_next.iter().flatten())),
        ),
        (
            "quotient",
            flat(base().flat_map(|table| table.quotient_chunks.iter().flatten())),
        ),
        (
            "random",
            flat(base().flat_map(|table| table.random.iter().flatten())),
        ),
        (
            "buses",
            flat(tables().flat_map(|table| &table.permutation_local)),
        ),
        (
            "next row of buses",
            flat(tables().flat_map(|table| &table.permutation_next)),
        ),
        ("masks", flat(masks.iter().flatten().flatten().flatten())),
        (
            "totals",
            flat(
                proof
                    .lookup_terminals
                    .iter()
                    .flatten()
                    .map(|total| &total.0),
            ),
        ),
        (
            "rows",
            inputs()
                .flat_map(|opening| opening.opened_values.iter().flatten().flatten())
                .copied()
                .collect(),
        ),
        (
            "salts",
            inputs()
                .map(|opening| &opening.opening_proof.0)
                .chain(folds().map(|opening| &opening.opening_proof.0))
                .flat_map(|salts| salts.iter().flatten().flatten())
                .copied()
                .collect(),
        ),
        (
            "folds",
            flat(folds().flat_map(|opening| opening.sibling_values.iter().flatten())),
        ),
        ("last polynomial", flat(&fri.final_poly)),
    ]
}

/// What a prover without masks would open of a trace's column at a point: the value of the
/// polynomial through its cells.
fn unmasked(tables: &[TableTrace], point: Challenge) -> Vec<Challenge> {
    let mut values = Vec::new();
    for table in tables {
        let width = table.matrix.width;
        let height = table.matrix.values.len() / width;
        let root = Val::two_adic_generator(height.ilog2() as usize);
        let vanishing = point.exp_u64(height as u64) - Challenge::ONE;
        let scale = vanishing * Challenge::from(Val::from_usize(height).inverse());
        let mut sums = vec![Challenge::ZERO; width];
        for (place, row) in root.powers().zip(table.matrix.values.chunks_exact(width)) {
            let weight = scale * place * (point - Challenge::from(place)).inverse();
            for (sum, cell) in sums.iter_mut().zip(row) {
                *sum += weight * *cell;
            }
        }
        values.extend(sums);
    }
    values
}

/// The trace's opened values less what the first secret's trace would open without masks.
fn rest(values: &[Val], predicted: &[Challenge]) -> Vec<Val> {
    let predicted = flat(predicted);
    assert_eq!(values.len(), predicted.len());
    let pairs = values.iter().zip(predicted);
    pairs.map(|(value, predicted)| *value - predicted).collect()
}

/// Upper bound of the chance that chi-squared of so many degrees of freedom is that large
/// (Chernoff's).
fn chance(distance: f64, freedom: f64) -> f64 {
    if distance <= freedom {
        return 1.0;
    }
    let half = freedom / 2.0;
    ((distance / freedom).ln() * half + (freedom - distance) / 2.0).exp()
}

/// Counts numbers by their size, in this many equal parts of all there are.
fn cells<const CELLS: usize>(numbers: impl Iterator<Item = Val>) -> [f64; CELLS] {
    let mut cells = [0.0; CELLS];
    for number in numbers {
        let size = u64::from(number.as_canonical_u32()) * CELLS as u64;
        let cell = usize::try_from(size / u64::from(Val::ORDER_U32)).unwrap();
        cells[cell] += 1.0;
    }
    cells
}

/// Chi-squared of two samples of one size.
fn distance(left: &[f64], right: &[f64]) -> f64 {
    let cells = left.iter().zip(right);
    cells
        .filter(|(left, right)| *left + *right > 0.0)
        .map(|(left, right)| (left - right).powi(2) / (left + right))
        .sum()
}

/// What tells two sets of proofs apart, if anything: a kind with the place in it, or none for the
/// kind as a whole.
fn told_apart(sets: &[Vec<Opened>; 2]) -> Vec<(&'static str, Option<usize>)> {
    let positions: usize = sets[0][0].iter().map(|(_, numbers)| numbers.len()).sum();
    let compared = f64::from(u32::try_from(positions + sets[0][0].len()).unwrap());
    let improbable = |distance, freedom| chance(distance, freedom) * compared < FALSE_ALARM;
    let mut found = Vec::new();
    for (kind, (name, numbers)) in sets[0][0].iter().enumerate() {
        let [left, right] = sets
            .each_ref()
            .map(|set| cells::<16>(set.iter().flat_map(|proof| proof[kind].1.iter().copied())));
        if improbable(distance(&left, &right), 15.0) {
            found.push((*name, None));
        }
        for place in 0..numbers.len() {
            let [left, right] = sets
                .each_ref()
                .map(|set| cells::<4>(set.iter().map(|proof| proof[kind].1[place])));
            if improbable(distance(&left, &right), 3.0) {
                found.push((*name, Some(place)));
            }
        }
    }
    found
}

/// SWR-4.
#[test]
fn proofs_of_two_secrets_cannot_be_told_apart() {
    let world = world();
    let secrets = SECRETS.map(|secret| world.prover.tables(&traces(secret)).unwrap());
    // A prover that opens traces without masks, at the points of the true proofs.
    let mut bare: [Vec<Opened>; 2] = Default::default();
    let mut sets: [Vec<Opened>; 2] = Default::default();
    for (number, tables) in secrets.iter().enumerate() {
        for _ in 0..PROOFS {
            let bytes = world.prover.prove(tables.clone()).unwrap();
            let replay = replay::replay(&world.verifier, &statement(), &bytes).unwrap();
            let mut values = opened(&replay.proof);
            let predicted = unmasked(&secrets[0], replay.zeta);
            values.push(("trace less the first", rest(&values[0].1, &predicted)));
            sets[number].push(values);
            let plain = flat(&unmasked(tables, replay.zeta));
            bare[number].push(vec![
                ("trace less the first", rest(&plain, &predicted)),
                ("trace", plain),
            ]);
        }
    }

    assert_eq!(told_apart(&sets), vec![]);
    // The control: without masks, who knows what a trace might be knows whether it is.
    assert!(told_apart(&bare).contains(&("trace less the first", None)));
}

/// The other control: masks that are known, or the same in every proof, hide nothing.
#[test]
fn proofs_with_the_same_masks_can_be_told_apart() {
    let world = world();
    let sets = SECRETS.map(|secret| {
        let tables = world.prover.tables(&traces(secret)).unwrap();
        let proofs = [(), ()].map(|()| proof_without_chance(&tables));
        assert_eq!(world.verifier.verify(&statement(), &proofs[0]), Ok(()));
        assert!(proofs[0] == proofs[1], "all proofs of a trace are the same");
        vec![opened(&decode(&proofs[0]).unwrap()); PROOFS]
    });

    let found = told_apart(&sets);

    for (kind, numbers) in &sets[0][0] {
        // Of numbers that are fixed and differ, three in four are in different parts.
        let places = found
            .iter()
            .filter(|(name, place)| name == kind && place.is_some());
        assert!(2 * places.count() > numbers.len(), "{kind}");
    }
}

/// A proof as the prover makes it, but from a seed that everyone knows.
fn proof_without_chance(tables: &[TableTrace]) -> Vec<u8> {
    let key = world().prover.key();
    let circuit = key.circuit();
    let airs = TableAir::all(circuit);
    let config = config(key, &mut StdRng::seed_from_u64(7));
    let heights = circuit.tables.iter();
    let degree_bits: Vec<usize> = heights.map(|table| table.log_height as usize + 1).collect();
    let data = ProverData::from_airs_and_degrees(&config, &airs, &degree_bits).unwrap();
    let instances: Vec<_> = airs
        .iter()
        .zip(tables)
        .map(|(air, table)| StarkInstance {
            air,
            trace: &table.matrix,
            public_values: table.public_values.clone(),
        })
        .collect();
    encode(&prove_batch(&config, &instances, &data).unwrap()).unwrap()
}

/// SWR-4: of the same traces, too.
#[test]
fn two_proofs_of_the_same_traces_share_nothing() {
    let world = world();
    let again = world.prover.prove(world.tables.clone()).unwrap();
    // Rows, salts and elements as a whole: single numbers meet by chance.
    let [one, other] = [&world.proof, &again].map(|bytes| {
        let proof = decode(bytes).unwrap();
        let fri = &proof.opening_proof.1;
        let mut seen: BTreeSet<Vec<Val>> = BTreeSet::new();
        for (kind, numbers) in opened(&proof) {
            if kind != "rows" && kind != "salts" {
                seen.extend(numbers.chunks(5).map(<[Val]>::to_vec));
            }
        }
        for opening in &fri.input_openings {
            seen.extend(opening.opened_values.iter().flatten().cloned());
            seen.extend(opening.opening_proof.0.iter().flatten().cloned());
        }
        for opening in &fri.commit_phase_openings {
            seen.extend(opening.opening_proof.0.iter().flatten().cloned());
        }
        seen
    });

    assert!(one.len() > 700, "{}", one.len());
    assert_eq!(one.intersection(&other).count(), 0);
}

/// Proofs that others made: of two batches, `a-*.proof` and `b-*.proof` in the folder that
/// `CLOISTER_WRAP_FOLDER` names, as many of each as there are. Says what can be told apart.
#[test]
#[ignore = "needs wraps of two batches in CLOISTER_WRAP_FOLDER"]
fn wraps_of_two_batches_cannot_be_told_apart() {
    let folder = std::path::PathBuf::from(std::env::var_os("CLOISTER_WRAP_FOLDER").unwrap());
    let mut sets: [Vec<Opened>; 2] = Default::default();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let (name, kind) = (path.file_stem().unwrap(), path.extension());
        let set = match name.as_encoded_bytes().first() {
            Some(b'a') if kind == Some("proof".as_ref()) => 0,
            Some(b'b') if kind == Some("proof".as_ref()) => 1,
            _ => continue,
        };
        let proof = decode(&std::fs::read(path).unwrap()).unwrap();
        sets[set].push(opened(&proof));
    }
    let proofs = sets[0].len().min(sets[1].len());
    assert!(proofs > 0, "no wraps");
    for set in &mut sets {
        set.truncate(proofs);
    }

    println!("{proofs} wraps of each batch");
    assert_eq!(told_apart(&sets), vec![]);
}
