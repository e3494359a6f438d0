//! Proven bits.

use cloister_wrap::{
    circuit::Parameters,
    release::PARAMETERS,
    security::{Shape, report},
};

use crate::sample::{circuit, world};

/// The root circuit, measured, each number rounded up.
const ROOT: Shape = Shape {
    constraints: 3_200,
    degree: 8,
    quotient_chunks: 16,
    openings: 7_000,
    messages: 640,
    message_length: 64,
    log_height: 16,
};

/// Proven bits of the weakest round.
fn bits(parameters: Parameters, shape: &Shape) -> f64 {
    report(&circuit(parameters), shape).security_bits()
}

/// SWR-2.
#[test]
fn the_release_has_a_hundred_proven_bits() {
    let report = report(&circuit(PARAMETERS), &ROOT);

    assert!(report.security_bits() >= 100.0, "{report:?}");
}

#[test]
fn one_query_less_is_not_enough() {
    let less = Parameters {
        queries: PARAMETERS.queries - 1,
        ..PARAMETERS
    };

    assert!(bits(less, &ROOT) < 100.0);
}

#[test]
fn less_grinding_is_not_enough() {
    let less = Parameters {
        query_pow_bits: PARAMETERS.query_pow_bits - 3,
        ..PARAMETERS
    };

    assert!(bits(less, &ROOT) < 100.0);
}

#[test]
fn every_round_is_counted() {
    let report = report(&circuit(PARAMETERS), &ROOT);
    let list = report.ldr.expect("Johnson's bound applies");
    let labels: Vec<&str> = list.terms().iter().map(|term| term.label).collect();

    assert_eq!(labels.len(), 6, "{labels:?}");
    for term in list.terms() {
        assert!(term.bits.bits() >= 100.0, "{term:?}");
    }
}

#[test]
fn the_sample_is_measured_as_it_is() {
    let shape = world().verifier.security_shape();

    assert_eq!(shape.quotient_chunks, 16);
    assert_eq!(shape.degree, 8);
    assert_eq!(shape.log_height, 11);
    // Eight of the AIRs' own and the mask's two.
    assert_eq!(shape.messages, 10);
    assert_eq!(shape.openings, world().verifier.shape().opened_at_point());
}
