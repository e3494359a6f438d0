//! What is true is accepted, and nothing else.

use std::mem::swap;

use cloister_wrap::{
    check::check,
    proof::{Inner, decode, encode},
    verify::Refusal,
};

use crate::sample::{PARAMETERS, circuit, places, statement, traces, world};

#[test]
fn the_checker_finds_no_fault_in_true_traces() {
    let world = world();

    let report = check(world.prover.key().circuit(), &world.tables);

    assert_eq!(report.faults, vec![]);
    // Four buses and the mask.
    assert_eq!(report.buses, 5);
}

#[test]
fn a_true_proof_is_accepted() {
    let world = world();

    assert_eq!(world.verifier.verify(&statement(), &world.proof), Ok(()));
}

/// SWR-1.
#[test]
fn every_changed_number_of_the_statement_is_refused() {
    let world = world();

    for index in 0..48 {
        let mut changed = statement();
        match index {
            0..8 => changed.program[index] += 1,
            8..16 => changed.machine[index - 8] += 1,
            _ => changed.public_values[index - 16] ^= 1,
        }
        let verdict = world.verifier.verify(&changed, &world.proof);
        assert!(
            matches!(verdict, Err(Refusal::NotProved(_))),
            "{index}: {verdict:?}"
        );
    }
}

#[test]
fn a_statement_that_does_not_fit_is_refused_before_the_proof_is_read() {
    let world = world();
    let mut long = statement();
    long.public_values.push(0);
    let mut large = statement();
    large.program[3] = cloister_wrap::circuit::MODULUS;

    for statement in [long, large] {
        let verdict = world.verifier.verify(&statement, b"");
        assert!(matches!(verdict, Err(Refusal::Statement(_))), "{verdict:?}");
    }
}

/// SWR-1.
#[test]
fn a_proof_under_another_key_is_refused() {
    let world = world();
    let mut other = PARAMETERS;
    other.query_pow_bits -= 1;
    let key = cloister_wrap::key::VerifyingKey::new(circuit(other)).unwrap();
    let verifier = cloister_wrap::verify::Verifier::new(key).unwrap();

    let verdict = verifier.verify(&statement(), &world.proof);

    assert!(matches!(verdict, Err(Refusal::NotProved(_))), "{verdict:?}");
}

#[test]
fn a_key_is_the_same_whenever_it_is_derived() {
    let keys = [0, 1].map(|_| {
        cloister_wrap::prove::Prover::new(circuit(PARAMETERS), places())
            .unwrap()
            .key()
            .encode()
    });

    assert_eq!(keys[0], keys[1]);
    let read = cloister_wrap::key::VerifyingKey::decode(&keys[0]).unwrap();
    assert_eq!(read.circuit(), &circuit(PARAMETERS));
}

#[test]
fn a_trace_of_another_height_is_not_taken() {
    let world = world();
    for air in 0..5 {
        let mut short = traces(1);
        let trace = &mut short[air];
        let half = trace.values.len() / 2;
        trace.values.truncate(half);
        assert!(world.prover.tables(&short).is_err(), "{air}");
    }
}

/// Exchanges a part of two proofs.
type Exchange = fn(&mut Inner, &mut Inner);

/// A part of a proof, and how two proofs exchange it.
macro_rules! part {
    ($($place:tt)+) => {
        (stringify!($($place)+), |one, two| {
            swap(&mut one.$($place)+, &mut two.$($place)+);
        })
    };
}

/// SWR-3: of two true proofs of one statement, no part of one holds in the other.
#[test]
fn parts_of_two_true_proofs_make_no_third() {
    let world = world();
    let other = world.prover.prove(world.tables.clone()).unwrap();
    let parts: [(&str, Exchange); 16] = [
        part!(commitments.main),
        part!(commitments.permutation),
        part!(commitments.quotient_chunks),
        part!(commitments.random),
        part!(commitments),
        part!(lookup_terminals),
        part!(opened_values),
        part!(opened_values.instances[0]),
        part!(opening_proof.0),
        part!(opening_proof.1),
        part!(opening_proof.1.commit_phase_commits),
        part!(opening_proof.1.final_poly),
        part!(opening_proof.1.input_openings),
        part!(opening_proof.1.input_openings[1]),
        part!(opening_proof.1.commit_phase_openings),
        part!(opening_proof),
    ];

    for (name, exchange) in parts {
        let [mut one, mut two] = [&world.proof, &other].map(|bytes| decode(bytes).unwrap());
        exchange(&mut one, &mut two);
        for mixed in [one, two] {
            let bytes = encode(&mixed).unwrap();
            let verdict = world.verifier.verify(&statement(), &bytes);
            assert!(
                matches!(verdict, Err(Refusal::NotProved(_) | Refusal::Shape(_))),
                "{name}: {verdict:?}"
            );
        }
    }
}
