//! How many bits of security are proven, every error counted.

use p3_air::symbolic::AirLayout;
use p3_batch_stark::{
    CommonData, num_batched_openings,
    symbolic::{get_log_num_quotient_chunks_for_domain, get_symbolic_constraints},
};
use p3_commit::Pcs;
use p3_lookup::LogUpGadget;
use p3_security::{
    grinding::GrindingSites,
    logup::{self, LogUpAir},
    report::SecurityReport,
    shape::{InstanceShape, StarkAirParams},
    stark::proven_security_report,
};
use p3_uni_stark::{OpeningShape, StarkGenericConfig};

use crate::{
    circuit::Circuit,
    config::{Challenge, Challenger, Commitment, Config, EXTENSION_DEGREE, Val, fri_parameters},
    table::TableAir,
};

/// Bits of a challenge, rounded down: five numbers below a modulus of 30.9 bits.
const CHALLENGE_BITS: usize = 154;

/// Bits of work to find two equal Keccak-256 hashes.
const COLLISION_BITS: usize = 128;

/// What the report of proven security is computed from.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Constraints of all tables, with those of their buses.
    pub constraints: usize,
    /// Largest degree of any.
    pub degree: usize,
    /// Quotient chunks of a table.
    pub quotient_chunks: usize,
    /// Openings that are combined into one.
    pub openings: usize,
    /// Messages of one row, over all tables.
    pub messages: usize,
    /// Longest message.
    pub message_length: usize,
    /// Rows of the highest table with its masks, as a power of two.
    pub log_height: usize,
}

/// Measures a circuit.
#[must_use]
pub fn shape(
    circuit: &Circuit,
    airs: &[TableAir],
    common: &CommonData<Config>,
    config: &Config,
) -> Shape {
    let mut shape = Shape {
        constraints: 0,
        degree: 0,
        quotient_chunks: 0,
        openings: 0,
        messages: 0,
        message_length: 0,
        log_height: 0,
    };
    let gadget = LogUpGadget::new();
    let random_columns = circuit.parameters.random_columns as usize;
    for ((table, air), lookups) in circuit.tables.iter().zip(airs).zip(&common.lookups) {
        let layout = AirLayout::from_air::<Val>(air);
        let (base, extension) =
            get_symbolic_constraints::<Val, Challenge, _, _>(air, layout, lookups, &gadget);
        let log_chunks = quotient_chunks(table.log_height, air, lookups, config);
        let height = 1 << table.log_height;
        let degrees = base
            .iter()
            .map(|constraint| constraint.poly_degree(height, &[]).div_ceil(height - 1))
            .chain(
                extension
                    .iter()
                    .map(|constraint| constraint.poly_degree(height, &[]).div_ceil(height - 1)),
            );
        shape.degree = shape.degree.max(degrees.max().unwrap_or(0));
        shape.constraints += base.len() + extension.len();
        shape.quotient_chunks = shape.quotient_chunks.max(2 << log_chunks);
        shape.openings += num_batched_openings(
            table.width(),
            true,
            0,
            false,
            2 << log_chunks,
            lookups.len(),
            EXTENSION_DEGREE,
            OpeningShape::hiding(random_columns),
        );
        let messages = table.airs.iter().map(|air| air.interactions.len());
        shape.messages += messages.sum::<usize>();
        shape.log_height = shape.log_height.max(table.log_height as usize + 1);
    }
    let longest = circuit.message_lengths.last().copied().unwrap_or(0);
    shape.message_length = longest as usize;
    shape
}

/// Quotient chunks of a table before masks double them, as a power of two.
pub(crate) fn quotient_chunks(
    log_height: u32,
    air: &TableAir,
    lookups: &[p3_lookup::Lookup<Val>],
    config: &Config,
) -> usize {
    let domain = <Commitment as Pcs<Challenge, Challenger>>::natural_domain_for_degree(
        config.pcs(),
        1 << log_height,
    );
    get_log_num_quotient_chunks_for_domain::<Val, Challenge, _, _>(
        air,
        AirLayout::from_air::<Val>(air),
        domain,
        lookups,
        1,
        &LogUpGadget::new(),
    )
}

/// The report of proven security: no conjecture on decoding beyond Johnson's bound.
#[must_use]
pub fn report(circuit: &Circuit, shape: &Shape) -> SecurityReport {
    let parameters = &circuit.parameters;
    let fri = fri_parameters(parameters, ());
    let grinding = GrindingSites {
        out_of_domain: parameters.point_pow_bits as usize,
        lookup_challenge: parameters.lookup_pow_bits as usize,
        ..fri.grinding_sites()
    };
    let instance = InstanceShape {
        log_trace_length: shape.log_height,
        modulus_bits: CHALLENGE_BITS,
        collision_resistance: COLLISION_BITS,
        num_batched_functions: shape.openings,
    };
    let air = StarkAirParams {
        num_constraints: shape.constraints,
        max_constraint_degree: shape.degree,
        num_quotient_chunks: shape.quotient_chunks,
        max_combo: 2,
    };
    let messages = LogUpAir {
        num_interactions: shape.messages,
        max_message_width: shape.message_length,
    };
    let extras: Vec<_> = logup::security_term(&messages, &instance, &grinding)
        .into_iter()
        .collect();
    proven_security_report(&fri.security_regime(), &air, &instance, &extras, &grinding)
}
