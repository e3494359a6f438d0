//! What a proof says beyond the statement: nothing.

use std::collections::BTreeSet;

use cloister_wrap::{
    config::{EXTENSION_DEGREE, Val},
    merge::MASK_VALUES,
    proof::{Inner, decode},
};
use p3_field::{BasedVectorSpace, PrimeField32};

use crate::sample::{statement, traces, world};

/// Salts of all openings.
fn salts(proof: &Inner) -> Vec<Vec<Val>> {
    let fri = &proof.opening_proof.1;
    let inputs = fri
        .input_openings
        .iter()
        .map(|opening| &opening.opening_proof.0);
    let folds = fri
        .commit_phase_openings
        .iter()
        .map(|opening| &opening.opening_proof.0);
    inputs.chain(folds).flatten().flatten().cloned().collect()
}

/// SWR-4.
#[test]
fn no_salt_is_ever_used_twice() {
    let world = world();
    let again = world.prover.prove(world.tables.clone()).unwrap();
    let mut seen = BTreeSet::new();

    for bytes in [&world.proof, &again] {
        let proof = decode(bytes).unwrap();
        // Queries may meet in a leaf, so within a proof a salt may be sent twice.
        let numbers = |salt: Vec<Val>| salt.iter().map(PrimeField32::as_canonical_u32).collect();
        let within: BTreeSet<Vec<u32>> = salts(&proof).into_iter().map(numbers).collect();
        assert!(within.len() > 10);
        for salt in within {
            assert!(seen.insert(salt));
        }
    }
}

/// SWR-4.
#[test]
fn totals_of_the_buses_are_masked() {
    let world = world();
    // The same tables, other masks: what their buses add up to is another number.
    let again = world.prover.prove(world.tables.clone()).unwrap();
    let totals = [&world.proof, &again].map(|bytes| {
        let proof = decode(bytes).unwrap();
        let totals: Vec<_> = proof
            .lookup_terminals
            .iter()
            .flatten()
            .map(|total| total.0)
            .collect();
        totals
    });

    assert_ne!(totals[0], totals[1]);
    for total in totals.iter().flatten() {
        // No coordinate is left unmasked.
        let coordinates: &[Val] = total.as_basis_coefficients_slice();
        assert_eq!(coordinates.len(), EXTENSION_DEGREE);
        assert!(
            coordinates
                .iter()
                .all(|number| number.as_canonical_u32() != 0)
        );
    }
    assert_eq!(MASK_VALUES as usize, EXTENSION_DEGREE);
}

/// Bytes of everything that is opened at the out-of-domain point and in queries.
fn opened(proof: &Inner) -> Vec<u32> {
    let mut numbers = Vec::new();
    for instance in &proof.opened_values.instances {
        let values = &instance.base_opened_values;
        for value in values
            .trace_local
            .iter()
            .chain(values.trace_next.iter().flatten())
        {
            let coordinates: &[Val] = value.as_basis_coefficients_slice();
            numbers.extend(coordinates.iter().map(PrimeField32::as_canonical_u32));
        }
    }
    for opening in &proof.opening_proof.1.input_openings {
        let rows = opening.opened_values.iter().flatten().flatten();
        numbers.extend(rows.map(PrimeField32::as_canonical_u32));
    }
    numbers
}

#[test]
fn openings_of_two_secrets_cannot_be_told_apart() {
    let world = world();
    // Sixteen cells of a uniform distribution; the trace itself is full of small numbers.
    let counts = [1, 5].map(|secret| {
        let tables = world.prover.tables(&traces(secret)).unwrap();
        let mut cells = [0_u32; 16];
        let mut total = 0;
        for _ in 0..3 {
            let bytes = world.prover.prove(tables.clone()).unwrap();
            assert_eq!(world.verifier.verify(&statement(), &bytes), Ok(()));
            for number in opened(&decode(&bytes).unwrap()) {
                let cell = u64::from(number) * 16 / u64::from(Val::ORDER_U32);
                cells[usize::try_from(cell).unwrap()] += 1;
                total += 1;
            }
        }
        (cells, total)
    });

    for (cells, total) in counts {
        let expected = f64::from(total) / 16.0;
        let distance: f64 = cells
            .iter()
            .map(|cell| (f64::from(*cell) - expected).powi(2) / expected)
            .sum();
        // Chi-squared with 15 degrees of freedom exceeds 60 once in five million times.
        assert!(distance < 60.0, "{distance}: {cells:?}");
    }
}
