//! The circuit's image: all that the contracts know of a circuit, as bytes that are deployed as the
//! code of data contracts and pinned by their hash.
//!
//! A header of 32-byte big-endian numbers, in the order of `contracts/src/wrap/Circuit.sol`; then four
//! numbers for each table, one for each round of folding; then the parts that the header points to.

use p3_batch_stark::BatchShape;
use p3_challenger::CanObserve;
use p3_field::{PrimeCharacteristicRing, PrimeField32};
use p3_fri::{FriShape, PcsShape};

use crate::{
    circuit::{Circuit, MODULUS, PublicValues},
    config::{Challenge, EXTENSION_DEGREE, Val, fri_parameters},
    evm::program::{Layout, compile},
    shape::Shape,
    statement::Commitment,
    verify::Verifier,
};

/// Numbers in the header before the tables.
const HEADER_WORDS: usize = 40;

/// Marks a public value that is a byte of the statement.
const PUBLIC_BYTE: u32 = 1 << 31;

/// Why a circuit has no image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadImage {
    /// The contracts know five random columns and one table for each height, the highest last.
    #[error("the contracts do not know circuits of this shape")]
    Shape,
    /// A commitment has a number of the modulus or more: another name for the same program.
    #[error("a commitment has a number that is too large")]
    Commitment,
    /// More slots than two bytes can name.
    #[error("the program has too many slots")]
    Slots,
}

/// Takes down what the transcript begins its parts with.
#[derive(Default)]
struct Recorder(Vec<u8>);

impl CanObserve<Val> for Recorder {
    fn observe(&mut self, value: Val) {
        self.0.extend(value.to_unique_u32().to_le_bytes());
    }
}

/// The shape of the transcript up to the openings.
pub(crate) fn batch_shape(verifier: &Verifier) -> BatchShape {
    let circuit = verifier.key().circuit();
    let tables = &circuit.tables;
    BatchShape {
        trace_widths: tables.iter().map(crate::circuit::Table::width).collect(),
        public_value_counts: tables
            .iter()
            .map(crate::circuit::Table::public_values)
            .collect(),
        preprocessed_widths: vec![0; tables.len()],
        has_preprocessed_commitment: false,
        num_lookup_instances: tables.len(),
        lookup_pow_bits: circuit.parameters.lookup_pow_bits as usize,
        has_randomization_commitment: true,
        ood_pow_bits: circuit.parameters.point_pow_bits as usize,
    }
}

/// The shape of the transcript of the openings.
fn opening_shape(circuit: &Circuit, shape: &Shape) -> PcsShape {
    let [random, trace, quotient, buses] = &shape.matrices;
    let points = |widths: &[usize], points: usize| -> Vec<Vec<usize>> {
        widths.iter().map(|width| vec![*width; points]).collect()
    };
    PcsShape {
        claimed_evaluation_counts: vec![
            points(random, 1),
            points(trace, 2),
            points(quotient, 1),
            points(buses, 2),
        ],
        batch_pow_bits: circuit.parameters.batch_pow_bits as usize,
    }
}

/// The shape of the transcript of the low-degree test.
pub(crate) fn fold_shape(circuit: &Circuit, shape: &Shape) -> FriShape {
    let mut heights: Vec<usize> = shape
        .tables
        .iter()
        .map(|table| table.log_height + circuit.parameters.log_blowup as usize)
        .collect();
    heights.sort_unstable_by(|left, right| right.cmp(left));
    heights.dedup();
    FriShape::new(
        &fri_parameters(&circuit.parameters, ()),
        &heights,
        shape.levels,
    )
}

/// The image of a verifier's circuit, for this program and machine.
///
/// # Errors
/// [`BadImage`] when the contracts cannot check the circuit's proofs.
pub fn image(
    verifier: &Verifier,
    program: &Commitment,
    machine: &Commitment,
) -> Result<Vec<u8>, BadImage> {
    let (circuit, shape) = (verifier.key().circuit(), verifier.shape());
    check_shape(shape)?;
    if program
        .iter()
        .chain(machine)
        .any(|number| *number >= MODULUS)
    {
        return Err(BadImage::Commitment);
    }
    let layout = compile(&verifier.airs, &verifier.common.lookups, shape).ok_or(BadImage::Shape)?;
    let mut steps = Vec::with_capacity(8 * layout.steps.len());
    for step in &layout.steps {
        steps.extend(step.encode().ok_or(BadImage::Slots)?);
    }
    // The interpreter reads four steps at a time.
    steps.resize(steps.len().next_multiple_of(32), 0);
    let tables = shape.tables.len();
    let mut parts = Parts {
        at: 32 * (HEADER_WORDS + 4 * tables + shape.folds.len()),
        bytes: Vec::new(),
    };
    let mut header = vec![*verifier.key().digest(), packed(program), packed(machine)];
    let numbers = numbers(circuit, shape, &layout);
    header.extend(numbers.into_iter().map(word));
    let publics = public_values(circuit, program, machine);
    let constants = layout
        .constants
        .iter()
        .flat_map(|value| value.to_be_bytes());
    for part in [
        batch_seed(verifier),
        seed(|recorder| {
            let shape = opening_shape(circuit, shape);
            shape.domain_separator::<Val, Challenge>().seed(recorder);
        }),
        seed(|recorder| {
            let shape = fold_shape(circuit, shape);
            shape.domain_separator::<Val, Challenge>().seed(recorder);
        }),
        constants.collect(),
        publics,
        steps,
    ] {
        header.extend(parts.push(&part));
    }
    header.resize(HEADER_WORDS, word(0));
    for table in &shape.tables {
        let table = [
            table.log_height,
            table.width,
            table.bus_columns,
            table.quotient_chunks,
        ];
        header.extend(table.map(word));
    }
    header.extend(shape.folds.iter().copied().map(word));
    let mut image = header.concat();
    image.extend(parts.bytes);
    Ok(image)
}

fn check_shape(shape: &Shape) -> Result<(), BadImage> {
    let heights = shape.tables.iter().map(|table| table.log_height);
    let ascending = heights
        .clone()
        .zip(heights.skip(1))
        .all(|(low, high)| low < high);
    if ascending && shape.random_columns == EXTENSION_DEGREE {
        Ok(())
    } else {
        Err(BadImage::Shape)
    }
}

/// The header's plain numbers.
fn numbers(circuit: &Circuit, shape: &Shape, layout: &Layout) -> [usize; 23] {
    let parameters = &circuit.parameters;
    let bytes = circuit
        .tables
        .iter()
        .flat_map(|table| &table.airs)
        .find_map(|air| match air.public_values {
            PublicValues::Bytes(count) => Some(count as usize),
            _ => None,
        });
    [
        shape.tables.len(),
        shape.queries,
        parameters.log_blowup as usize,
        parameters.log_final_length as usize,
        parameters.cap_height as usize,
        shape.folds.len(),
        parameters.lookup_pow_bits as usize,
        parameters.point_pow_bits as usize,
        parameters.batch_pow_bits as usize,
        parameters.fold_pow_bits as usize,
        parameters.query_pow_bits as usize,
        bytes.unwrap_or(0),
        layout.public,
        layout.selectors,
        layout.buses,
        layout.bus_count,
        layout.totals,
        layout.opened,
        layout.opened_count,
        layout.slots,
        layout.longest,
        layout.constants.len(),
        shape.levels,
    ]
}

/// Parts behind the header.
struct Parts {
    at: usize,
    bytes: Vec<u8>,
}

impl Parts {
    /// Adds a part; returns where it stands and how long it is.
    fn push(&mut self, part: &[u8]) -> [[u8; 32]; 2] {
        let place = [word(self.at), word(part.len())];
        self.at += part.len();
        self.bytes.extend_from_slice(part);
        place
    }
}

/// The seed of the transcript, and the heights, which are the circuit's.
fn batch_seed(verifier: &Verifier) -> Vec<u8> {
    let mut recorder = Recorder::default();
    let shape = batch_shape(verifier);
    shape
        .domain_separator::<Val, Challenge>()
        .seed(&mut recorder);
    for table in &verifier.shape().tables {
        recorder.observe(Val::from_usize(table.log_height));
        for _ in 1..EXTENSION_DEGREE {
            recorder.observe(Val::ZERO);
        }
    }
    recorder.0
}

fn seed(write: impl FnOnce(&mut Recorder)) -> Vec<u8> {
    let mut recorder = Recorder::default();
    write(&mut recorder);
    recorder.0
}

/// Every public value: four bytes, a canonical number or the place of a byte of the statement.
fn public_values(circuit: &Circuit, program: &Commitment, machine: &Commitment) -> Vec<u8> {
    let mut values: Vec<u32> = Vec::new();
    for air in circuit.tables.iter().flat_map(|table| &table.airs) {
        match &air.public_values {
            PublicValues::None => {}
            PublicValues::Commitments => values.extend(program.iter().chain(machine)),
            PublicValues::Fixed(fixed) => values.extend(fixed),
            PublicValues::Bytes(count) => values.extend((0..*count).map(|byte| PUBLIC_BYTE | byte)),
        }
    }
    values.into_iter().flat_map(u32::to_be_bytes).collect()
}

/// Eight numbers in 32 bytes, big-endian.
fn packed(commitment: &Commitment) -> [u8; 32] {
    let mut word = [0; 32];
    for (place, number) in word.chunks_exact_mut(4).zip(commitment) {
        place.copy_from_slice(&number.to_be_bytes());
    }
    word
}

/// A number in 32 bytes, big-endian.
fn word(number: usize) -> [u8; 32] {
    let mut word = [0; 32];
    let (_, low) = word.split_at_mut(24);
    low.copy_from_slice(&(number as u64).to_be_bytes());
    word
}
