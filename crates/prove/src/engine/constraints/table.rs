//! One table: what its rows say, summed over many rows at once.
//!
//! A table of 2^(l + n) rows is a function of a point of the subgroup D of order 2^l and a corner of
//! the cube of n dimensions; a lower one is repeated until it has 2^l rows. Columns are numbered
//! through: the selectors, then every matrix, each followed, where the table looks at it, by the same
//! matrix one row further.

use openvm_cpu_backend::CpuBackend;
use openvm_stark_backend::{
    air_builders::symbolic::symbolic_variable::{Entry, SymbolicVariable},
    p3_field::{
        ExtensionField, Field, PackedFieldExtension as _, PackedValue as _,
        PrimeCharacteristicRing as _,
    },
    p3_matrix::dense::RowMajorMatrix,
    prover::{
        AirProvingContext, DeviceStarkProvingKey, MatrixDimensions as _,
        fractional_sumcheck_gkr::Frac,
    },
};
use openvm_stark_sdk::config::baby_bear_poseidon2::{BabyBearPoseidon2Config as SC, EF, F};
use rayon::prelude::*;

use super::program::{Part, Program, SELECTORS, Sum};

/// As many values of the field as the processor calculates with at once.
pub(super) type Packed = <F as Field>::Packing;
/// The same of its extension.
pub(super) type PackedExt = <EF as ExtensionField<F>>::ExtensionPacking;

/// How many values that are.
pub(super) const LANES: usize = Packed::WIDTH;

/// Rows whose fractions one thread calculates in one go.
const ROWS: usize = 1 << 10;

/// A matrix, or the same one row further.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    matrix: &'a RowMajorMatrix<F>,
    rotation: usize,
    /// Number of its first column.
    pub(super) start: usize,
}

/// A column that the program reads.
#[derive(Clone, Copy, Debug)]
enum Column {
    Selector(usize),
    /// Which source, which of its columns.
    Cell(usize, usize),
}

/// A table while it is proved.
pub(super) struct Table<'a> {
    /// What its rows say.
    pub(super) program: Program,
    /// Highest degree of its constraints and messages.
    pub(super) degree: usize,
    /// Its height's binary logarithm.
    pub(super) log_height: usize,
    /// Whether it looks one row further.
    pub(super) rotates: bool,
    /// Its matrices: preprocessed, cached, common.
    pub(super) sources: Vec<Source<'a>>,
    /// Its constants, for [`Program::run`] over packed values.
    pub(super) constants: Vec<Packed>,
    /// How many columns it has in all.
    pub(super) width: usize,
    columns: Vec<Column>,
}

#[expect(
    clippy::indexing_slicing,
    reason = "shapes are OpenVM's own, checked when the key was made; these loops are most of the \
              prover's time"
)]
impl<'a> Table<'a> {
    /// Takes up a table.
    pub(super) fn new(
        key: &'a DeviceStarkProvingKey<CpuBackend<SC>>,
        context: &'a AirProvingContext<CpuBackend<SC>>,
    ) -> Self {
        let rotates = key.vk.params.need_rot;
        let preprocessed = key.preprocessed_data.as_ref().map(|data| &data.trace);
        let cached = context.cached_mains.iter().map(|data| &data.trace);
        let matrices = preprocessed.into_iter().chain(cached);
        let (mut sources, mut width) = (Vec::new(), SELECTORS);
        for matrix in matrices.chain([&context.common_main]) {
            for rotation in 0..=usize::from(rotates) {
                sources.push(Source {
                    matrix,
                    rotation,
                    start: width,
                });
                width += matrix.width;
            }
        }
        let column = |variable: SymbolicVariable<F>| {
            let (matrix, offset) = match variable.entry {
                Entry::Preprocessed { offset } => (0, offset),
                Entry::Main { part_index, offset } => {
                    (usize::from(preprocessed.is_some()) + part_index, offset)
                }
                Entry::Public | Entry::Challenge => unreachable!("no column"),
            };
            let source: &Source<'_> = &sources[matrix * (1 + usize::from(rotates)) + offset];
            assert!(variable.index < source.matrix.width, "no such column");
            source.start + variable.index
        };
        let program = Program::new(&key.vk.symbolic_constraints, &context.public_values, column);
        let columns = program.columns(Part::Whole).iter().map(|&column| {
            let number = sources.partition_point(|source| source.start <= column);
            match number.checked_sub(1) {
                None => Column::Selector(column),
                Some(number) => Column::Cell(number, column - sources[number].start),
            }
        });
        Self {
            degree: usize::from(key.vk.max_constraint_degree),
            log_height: context.common_main.height().ilog2() as usize,
            rotates,
            columns: columns.collect(),
            constants: program.constants(),
            program,
            sources,
            width,
        }
    }

    /// Dimensions of its cube.
    pub(super) const fn dimensions(&self, l_skip: usize) -> usize {
        self.log_height.saturating_sub(l_skip)
    }

    /// One divided by how often the table is repeated to have 2^`l_skip` rows.
    pub(super) fn share(&self, l_skip: usize) -> F {
        F::from_usize(1 << l_skip.saturating_sub(self.log_height)).inverse()
    }

    /// A row's number, repeated and rotated.
    const fn wrapped(&self, row: usize) -> usize {
        row & ((1 << self.log_height) - 1)
    }

    /// A selector in a row.
    pub(super) fn selector(&self, selector: usize, row: usize) -> F {
        let (row, last) = (self.wrapped(row), self.wrapped(usize::MAX));
        F::from_bool(match selector {
            0 => row == 0,
            1 => row != last,
            _ => row == last,
        })
    }

    /// A row of a matrix.
    pub(super) fn row(&self, source: &Source<'a>, row: usize) -> &'a [F] {
        let width = source.matrix.width;
        let row = self.wrapped(row + source.rotation);
        &source.matrix.values[row * width..][..width]
    }

    /// Appends the columns that `part` reads, one row in each lane.
    pub(super) fn read(&self, part: Part, row: impl Fn(usize) -> usize, columns: &mut Vec<Packed>) {
        let read = &self.columns[..self.program.columns(part).len()];
        columns.extend(read.iter().map(|&column| match column {
            Column::Selector(selector) => {
                Packed::from_fn(|lane| self.selector(selector, row(lane)))
            }
            Column::Cell(source, column) => {
                let Source {
                    matrix, rotation, ..
                } = self.sources[source];
                Packed::from_fn(|lane| {
                    let row = self.wrapped(row(lane) + rotation);
                    matrix.values[row * matrix.width + column]
                })
            }
        }));
    }

    /// Writes what every row adds to the sum over all messages: how often one is sent, times `share`,
    /// over α and the message, compressed by powers of β. `parts` has a slice for each message.
    pub(super) fn fractions(
        &self,
        parts: Vec<&mut [Frac<EF>]>,
        alpha: EF,
        powers: &[EF],
        share: F,
    ) {
        let sums = self.program.messages.iter().map(|message| {
            let mut sum = Sum::constant(alpha);
            sum.add_message(message, powers, EF::ONE);
            (message.count, sum.to::<PackedExt>())
        });
        let sums: Vec<_> = sums.collect();
        let mut chunks: Vec<Vec<&mut [Frac<EF>]>> = Vec::new();
        for part in parts {
            for (number, piece) in part.chunks_mut(ROWS).enumerate() {
                if number == chunks.len() {
                    chunks.push(Vec::with_capacity(sums.len()));
                }
                chunks[number].push(piece);
            }
        }
        chunks
            .into_par_iter()
            .enumerate()
            .for_each(|(number, mut pieces)| {
                let (mut columns, mut values) = (Vec::new(), Vec::new());
                for start in (0..pieces[0].len()).step_by(LANES) {
                    let first = number * ROWS + start;
                    columns.clear();
                    self.read(Part::Messages, |lane| first + lane, &mut columns);
                    let program = &self.program;
                    program.run(Part::Messages, &columns, &self.constants, &mut values);
                    for (piece, (count, sum)) in pieces.iter_mut().zip(&sums) {
                        let (count, message) = (values[*count] * share, sum.over(&values));
                        let rows = piece[start..].iter_mut().zip(count.as_slice());
                        for (lane, (fraction, &count)) in rows.enumerate() {
                            *fraction = Frac::new(count.into(), message.extract(lane));
                        }
                    }
                }
            });
    }
}

/// A value for each lane.
pub(super) fn lanes(value: impl Fn(usize) -> EF) -> PackedExt {
    PackedExt::from_ext_slice(&std::array::from_fn::<EF, LANES, _>(value))
}

/// The sum over all lanes.
pub(super) fn sum_of_lanes(packed: PackedExt) -> EF {
    (0..LANES).map(|lane| packed.extract(lane)).sum()
}
