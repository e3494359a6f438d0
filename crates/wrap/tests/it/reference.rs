//! A second verifier, written from `docs/wrap.md` and with nothing of Plonky3 but its numbers: it
//! holds the specification to what the first one does, and tells all that it computes on the way
//! for those who write a third.

mod constraints;
mod encoding;
mod lengths;
mod merkle;
mod openings;
mod transcript;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use cloister_wrap::{
    circuit::{MODULUS, Parameters},
    config::Challenge,
    statement::Statement,
    verify::Verifier,
};
use p3_field::{BasedVectorSpace, PrimeCharacteristicRing, PrimeField32, TwoAdicField};
use serde_json::{Value, json};

use encoding::Proof;
use transcript::{Step, Transcript};

pub(crate) type Val = cloister_wrap::config::Val;
pub(crate) type Digest = [u8; 32];

/// Why a proof is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    /// A list or the whole has another length than the key says.
    Length = 1,
    /// A number is not below the modulus.
    Range,
    /// A witness does not show the work, or is not zero where none is asked.
    Grinding,
    /// The tables' buses do not add up to zero.
    Balance,
    /// The constraints do not give the quotient.
    Constraints,
    /// A row's point is the out-of-domain point or the next one.
    Position,
    /// Folding does not lead to the last polynomial.
    Fold,
    /// Rows are not those of the commitment.
    Commitment,
}

/// Ends the verification.
pub(crate) fn refuse(reason: Reason) -> ! {
    // Not a panic: nothing is written of it.
    resume_unwind(Box::new(reason))
}

/// Ends the verification unless the condition holds.
pub(crate) fn demand(reason: Reason, holds: bool) {
    if !holds {
        refuse(reason);
    }
}

/// What is drawn from the transcript.
pub(crate) struct Challenges {
    /// Of the buses: the offset and the base of the powers.
    pub(crate) lookup: [Challenge; 2],
    /// Combines constraints.
    pub(crate) constraints: Challenge,
    /// The out-of-domain point.
    pub(crate) point: Challenge,
    /// Combines openings.
    pub(crate) openings: Challenge,
    /// Folds.
    pub(crate) folds: Vec<Challenge>,
    pub(crate) positions: Vec<usize>,
}

/// Hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]))
        .collect()
}

/// A number as it is hashed and sent: times 2^32, four bytes, the lowest first.
pub(crate) fn wire(value: Val) -> [u8; 4] {
    let number = (u64::from(value.as_canonical_u32()) << 32) % u64::from(MODULUS);
    u32::try_from(number).unwrap().to_le_bytes()
}

pub(crate) fn coordinates(value: &Challenge) -> &[Val] {
    value.as_basis_coefficients_slice()
}

pub(crate) fn wire_extension(value: &Challenge) -> Vec<u8> {
    coordinates(value)
        .iter()
        .flat_map(|value| wire(*value))
        .collect()
}

pub(crate) fn extension(coordinates: &[Val; 5]) -> Challenge {
    Challenge::from_basis_coefficients_slice(coordinates).unwrap()
}

/// Σ values[j] · X^j, for values that are columns of an extension element's coordinates.
pub(crate) fn recombine(values: &[Challenge]) -> Challenge {
    let mut sum = Challenge::ZERO;
    for (power, value) in values.iter().enumerate() {
        let mut unit = [Val::ZERO; 5];
        unit[power] = Val::ONE;
        sum += *value * extension(&unit);
    }
    sum
}

/// An extension element for fixtures: canonical coordinates.
pub(crate) fn show(value: &Challenge) -> Value {
    coordinates(value)
        .iter()
        .map(PrimeField32::as_canonical_u32)
        .collect()
}

pub(crate) fn show_all(values: &[Challenge]) -> Value {
    values.iter().map(show).collect()
}

/// A generator of the subgroup of 2^log elements.
pub(crate) fn root(log: usize) -> Val {
    Val::two_adic_generator(log)
}

/// The index with its lowest `bits` bits in reverse.
pub(crate) fn reverse(index: usize, bits: usize) -> u64 {
    (0..bits).fold(0, |sum, bit| sum << 1 | ((index >> bit) & 1) as u64)
}

/// Verifies. Gives what was computed, or the first reason for which the proof is refused.
pub(crate) fn verify(
    verifier: &Verifier,
    statement: &Statement,
    bytes: &[u8],
) -> Result<Value, Reason> {
    verify_deaf(verifier, statement, bytes, None)
}

/// The same, but leaves one thing out of the transcript.
pub(crate) fn verify_deaf(
    verifier: &Verifier,
    statement: &Statement,
    bytes: &[u8],
    deaf: Option<&'static str>,
) -> Result<Value, Reason> {
    let check = || verify_or_unwind(verifier, statement, bytes, deaf);
    catch_unwind(AssertUnwindSafe(check)).map_err(|payload| match payload.downcast::<Reason>() {
        Ok(reason) => *reason,
        Err(panic) => resume_unwind(panic),
    })
}

fn verify_or_unwind(
    verifier: &Verifier,
    statement: &Statement,
    bytes: &[u8],
    deaf: Option<&'static str>,
) -> Value {
    let circuit = verifier.key().circuit();
    let parameters = &circuit.parameters;
    let proof = encoding::read(bytes);
    let heights: Vec<usize> = circuit
        .tables
        .iter()
        .map(|table| table.log_height as usize + 1)
        .collect();
    let columns = verifier.bus_columns();
    let schedule = schedule(&heights, parameters);
    lengths::check(verifier, &columns, &schedule, &proof);
    let public: Vec<Vec<Val>> = statement
        .public_values(circuit)
        .unwrap()
        .into_iter()
        .map(|values| values.into_iter().map(Val::new).collect())
        .collect();
    let mut transcript = Transcript::new(verifier.key().digest(), deaf);
    let (challenges, rounds) = draw(&mut transcript, verifier, &proof, &public, &schedule);
    let tables = constraints::check(circuit, &columns, &proof, &public, &challenges);
    let queries = openings::check(&proof, &rounds, &challenges, &schedule);
    json!({
        "schedule": schedule,
        "challenges": {
            "lookup_alpha": show(&challenges.lookup[0]),
            "lookup_beta": show(&challenges.lookup[1]),
            "constraint_alpha": show(&challenges.constraints),
            "zeta": show(&challenges.point),
            "opening_alpha": show(&challenges.openings),
            "fold_betas": show_all(&challenges.folds),
            "positions": challenges.positions,
        },
        "transcript": transcript.log,
        "tables": tables,
        "rounds": rounds.iter().map(openings::Round::show).collect::<Vec<_>>(),
        "low_degree_test": queries,
    })
}

/// Binary logarithms of the arities: as much as allowed, but a stop where lower tables come in and
/// at the last word.
fn schedule(heights: &[usize], parameters: &Parameters) -> Vec<usize> {
    let blowup = parameters.log_blowup as usize;
    let last = blowup + parameters.log_final_length as usize;
    let mut stops: Vec<usize> = heights.iter().map(|height| height + blowup).collect();
    stops.sort_unstable();
    stops.dedup();
    let mut level = stops.pop().unwrap();
    let mut schedule = Vec::new();
    while level > last {
        let next = stops.last().copied().unwrap_or(0).max(last);
        let bits = (level - next).min(parameters.log_arity as usize);
        level -= bits;
        schedule.push(bits);
        if stops.last() == Some(&level) {
            stops.pop();
        }
    }
    schedule
}

/// Plays the transcript.
fn draw(
    transcript: &mut Transcript,
    verifier: &Verifier,
    proof: &Proof,
    public: &[Vec<Val>],
    schedule: &[usize],
) -> (Challenges, Vec<openings::Round>) {
    let circuit = verifier.key().circuit();
    let parameters = &circuit.parameters;
    begin(transcript, circuit, parameters, public);
    for height in &proof.heights {
        let bits = Val::new(u32::try_from(*height).unwrap());
        transcript.observe_extensions("height", &[Challenge::from(bits)]);
    }
    transcript.observe("commitment to the traces", &proof.main.concat());
    for values in public {
        transcript.observe_values("public values", values);
    }
    transcript.grind(
        "lookup grinding",
        parameters.lookup_pow_bits,
        proof.lookup_witness,
    );
    let lookup = ["lookup alpha", "lookup beta"].map(|what| transcript.challenge(what));
    transcript.observe("commitment to the buses", &proof.buses.concat());
    for total in &proof.totals {
        transcript.observe_extensions("total of a table", &[*total]);
    }
    let total: Challenge = proof.totals.iter().copied().sum();
    demand(Reason::Balance, total == Challenge::ZERO);
    let constraints = transcript.challenge("constraint alpha");
    transcript.observe("commitment to the quotients", &proof.quotient.concat());
    transcript.observe(
        "commitment to the random polynomials",
        &proof.random.concat(),
    );
    transcript.grind(
        "point grinding",
        parameters.point_pow_bits,
        proof.point_witness,
    );
    let point = transcript.challenge("zeta");
    let rounds = openings::rounds(parameters, proof, point);
    let openings = claims(transcript, parameters, proof, &rounds);
    let (folds, positions) = low_degree_test(transcript, parameters, proof, schedule);
    let challenges = Challenges {
        lookup,
        constraints,
        point,
        openings,
        folds,
        positions,
    };
    (challenges, rounds)
}

/// Seeds the first part.
fn begin(
    transcript: &mut Transcript,
    circuit: &cloister_wrap::circuit::Circuit,
    parameters: &Parameters,
    public: &[Vec<Val>],
) {
    let tables = circuit.tables.len();
    let mut steps: Vec<Step> = (0..tables)
        .map(|_| Step::extension("degree_bits"))
        .collect();
    steps.push(Step::commitment("main_commitment"));
    steps.extend(
        public
            .iter()
            .map(|values| Step::public("public_values", values.len())),
    );
    steps.push(Step::grinding("lookup_pow", parameters.lookup_pow_bits));
    steps.push(Step::challenge("lookup_alpha"));
    steps.push(Step::challenge("lookup_beta"));
    steps.push(Step::commitment("permutation_commitment"));
    steps.extend((0..tables).map(|_| Step::extension("lookup_terminal")));
    steps.push(Step::challenge("constraint_challenge"));
    steps.push(Step::commitment("quotient_commitment"));
    steps.push(Step::commitment("randomization_commitment"));
    steps.push(Step::grinding("ood_pow", parameters.point_pow_bits));
    steps.push(Step::challenge("zeta"));
    steps.push(Step::begin("opening_argument"));
    steps.push(Step::end("opening_argument"));
    let mut label = vec![tables];
    label.extend(
        circuit
            .tables
            .iter()
            .map(cloister_wrap::circuit::Table::width),
    );
    label.extend((0..tables).map(|_| 0));
    transcript.seed("p3-batch-stark", &steps, &label);
}

/// The second part: all claimed values, then the challenge that combines them.
fn claims(
    transcript: &mut Transcript,
    parameters: &Parameters,
    proof: &Proof,
    rounds: &[openings::Round],
) -> Challenge {
    let points = || {
        rounds
            .iter()
            .flat_map(|round| round.matrices.iter().flat_map(|matrix| &matrix.points))
    };
    let mut steps: Vec<Step> = points()
        .map(|(_, values)| Step::extensions("claimed_evaluations", values.len()))
        .collect();
    if parameters.batch_pow_bits > 0 {
        steps.push(Step::grinding("batch_pow", parameters.batch_pow_bits));
    }
    steps.push(Step::challenge("alpha"));
    steps.push(Step::begin("low_degree_test"));
    steps.push(Step::end("low_degree_test"));
    let mut label = vec![rounds.len()];
    for round in rounds {
        label.push(round.matrices.len());
        label.extend(round.matrices.iter().map(|matrix| matrix.points.len()));
    }
    transcript.seed("p3-fri-pcs", &steps, &label);
    for (_, values) in points() {
        transcript.observe_extensions("claimed values", values);
    }
    transcript.grind(
        "opening grinding",
        parameters.batch_pow_bits,
        proof.batch_witness,
    );
    transcript.challenge("opening alpha")
}

/// The third part: folds and positions.
fn low_degree_test(
    transcript: &mut Transcript,
    parameters: &Parameters,
    proof: &Proof,
    schedule: &[usize],
) -> (Vec<Challenge>, Vec<usize>) {
    let queries = parameters.queries as usize;
    let highest = proof.heights.iter().max().unwrap() + parameters.log_blowup as usize;
    let mut steps = Vec::new();
    for _ in schedule {
        steps.push(Step::commitment("commit_phase_commitment"));
        if parameters.fold_pow_bits > 0 {
            steps.push(Step::grinding("commit_pow", parameters.fold_pow_bits));
        }
        steps.push(Step::challenge("fold_challenge"));
    }
    steps.push(Step::extensions("final_poly", proof.last.len()));
    if parameters.query_pow_bits > 0 {
        steps.push(Step::grinding("query_pow", parameters.query_pow_bits));
    }
    steps.push(Step::positions("query_indices", highest, queries));
    let mut label = vec![
        parameters.log_blowup as usize,
        parameters.log_arity as usize,
    ];
    label.extend(schedule);
    transcript.seed("p3-fri", &steps, &label);
    let folds = proof
        .fold_commitments
        .iter()
        .zip(&proof.fold_witnesses)
        .map(|(commitment, witness)| {
            transcript.observe("commitment to a fold", &commitment.concat());
            transcript.grind("fold grinding", parameters.fold_pow_bits, *witness);
            transcript.challenge("fold beta")
        })
        .collect();
    transcript.observe_extensions("last polynomial", &proof.last);
    transcript.grind(
        "query grinding",
        parameters.query_pow_bits,
        proof.query_witness,
    );
    let positions = (0..queries).map(|_| transcript.position(highest)).collect();
    (folds, positions)
}
