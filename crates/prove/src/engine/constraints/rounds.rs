//! The rounds of the sumcheck over one table.

use openvm_stark_backend::{
    p3_field::{
        Field as _, PackedFieldExtension as _, PackedValue as _, PrimeCharacteristicRing as _,
    },
    p3_matrix::dense::RowMajorMatrix,
    poly_common::UnivariatePoly,
};
use openvm_stark_sdk::config::baby_bear_poseidon2::{EF, F};
use rayon::prelude::*;

use super::{
    domain::Domain,
    program::{Part, SELECTORS, Sum},
    table::{LANES, Packed, PackedExt, Table, lanes, sum_of_lanes},
};

/// Sums of round 0 over the corners of the cube, as polynomials over D.
pub(super) struct Round0 {
    pub(super) numerator: UnivariatePoly<EF>,
    pub(super) denominator: UnivariatePoly<EF>,
    /// Zero at every point of D.
    pub(super) constraints: UnivariatePoly<EF>,
}

/// What is summed over the rows of a table.
pub(super) struct Sums {
    pub(super) numerator: Sum<EF>,
    pub(super) denominator: Sum<EF>,
    pub(super) constraints: Sum<EF>,
}

/// A table after round 0: its columns at a point of the extension, row by row.
pub(super) struct Folded<'a> {
    table: Table<'a>,
    constants: Vec<PackedExt>,
    values: Vec<EF>,
}

#[expect(
    clippy::indexing_slicing,
    reason = "as in `table`: shapes are OpenVM's own, and these loops take most of the time"
)]
impl<'a> Table<'a> {
    /// Round 0. `eq` has a weight for each corner of the cube.
    pub(super) fn round_0(&self, domain: &Domain, eq: &[EF], sums: &Sums) -> Round0 {
        let size = domain.size();
        let groups = eq.len().div_ceil(LANES);
        let zeros = || vec![[PackedExt::ZERO; 3]; self.degree * size];
        let weighted = [&sums.numerator, &sums.denominator, &sums.constraints].map(Sum::to);
        let totals = (0..groups)
            .into_par_iter()
            .fold(
                || (zeros(), Scratch::default()),
                |(mut totals, mut scratch), group| {
                    self.add_group(
                        group * LANES,
                        domain,
                        eq,
                        &weighted,
                        &mut totals,
                        &mut scratch,
                    );
                    (totals, scratch)
                },
            )
            .map(|(totals, _)| totals)
            .reduce(zeros, |mut left, right| {
                for (left, right) in left.iter_mut().flatten().zip(right.iter().flatten()) {
                    *left += *right;
                }
                left
            });
        let polynomial = |which: usize, cosets: usize, scale: &dyn Fn(usize) -> F| {
            let value = |at: usize| {
                let (point, coset) = (at / cosets, at % cosets);
                sum_of_lanes(totals[coset * size + point][which]) * scale(coset)
            };
            let values: Vec<EF> = (0..size * cosets).map(value).collect();
            if values.is_empty() {
                return UnivariatePoly::new(values);
            }
            let values = RowMajorMatrix::new(values, cosets);
            UnivariatePoly::from_geometric_cosets_evals_idft(values, F::GENERATOR, F::GENERATOR)
        };
        let quotient = polynomial(2, self.degree.saturating_sub(1), &|coset| {
            domain.vanishing_inverses[coset]
        });
        Round0 {
            numerator: polynomial(0, self.degree, &|_| self.share(domain.l_skip)),
            denominator: polynomial(1, self.degree, &|_| F::ONE),
            constraints: times_vanishing(quotient.coeffs(), size),
        }
    }

    /// Adds the corners from `first` on, one in each lane, to the totals at each point of each coset.
    fn add_group(
        &self,
        first: usize,
        domain: &Domain,
        eq: &[EF],
        [numerator, denominator, constraints]: &[Sum<PackedExt>; 3],
        totals: &mut [[PackedExt; 3]],
        scratch: &mut Scratch,
    ) {
        let Scratch {
            block,
            columns,
            values,
        } = scratch;
        let eq = lanes(|lane| eq.get(first + lane).copied().unwrap_or_default());
        block.clear();
        for point in 0..domain.size() {
            let row = |lane| ((first + lane) << domain.l_skip) + point;
            self.read(Part::Whole, row, block);
        }
        let width = self.program.columns(Part::Whole).len();
        let mut totals = totals.iter_mut();
        for (number, coset) in domain.cosets.iter().take(self.degree).enumerate() {
            // Constraints vanish on D, so that one coset less determines them.
            let part = if number + 1 < self.degree {
                Part::Whole
            } else {
                Part::Messages
            };
            for (weights, totals) in coset.iter().zip(&mut totals) {
                columns.clear();
                columns.extend((0..self.program.columns(part).len()).map(|column| {
                    let points = weights.iter().enumerate();
                    points.fold(Packed::ZERO, |sum, (point, &weight)| {
                        sum + block[point * width + column] * weight
                    })
                }));
                self.program.run(part, columns, &self.constants, values);
                totals[0] += eq * numerator.over(values);
                totals[1] += eq * denominator.over(values);
                if part == Part::Whole {
                    totals[2] += eq * constraints.over(values);
                }
            }
        }
    }

    /// Its columns at a point, by the weights of the points of D.
    pub(super) fn fold(self, domain: &Domain, weights: &[EF]) -> Folded<'a> {
        let packed: Vec<PackedExt> = weights.iter().copied().map(PackedExt::from).collect();
        let mut values = EF::zero_vec(self.width << self.dimensions(domain.l_skip));
        let folded = values.par_chunks_mut(self.width).enumerate();
        folded.for_each(|(corner, folded)| {
            let first = corner << domain.l_skip;
            for (selector, value) in folded.iter_mut().take(SELECTORS).enumerate() {
                let terms = weights.iter().enumerate();
                *value = terms
                    .map(|(point, &weight)| weight * self.selector(selector, first + point))
                    .sum();
            }
            for source in &self.sources {
                let row = |point| self.row(source, first + point);
                let width = row(0).len();
                let folded = &mut folded[source.start..][..width];
                let (whole, rest) = folded.split_at_mut(width / LANES * LANES);
                for (number, folded) in whole.chunks_exact_mut(LANES).enumerate() {
                    let terms = packed.iter().enumerate();
                    let sum = terms.fold(PackedExt::ZERO, |sum, (point, &weight)| {
                        let cells = &row(point)[number * LANES..][..LANES];
                        sum + weight * *Packed::from_slice(cells)
                    });
                    for (lane, value) in folded.iter_mut().enumerate() {
                        *value = sum.extract(lane);
                    }
                }
                for (point, &weight) in weights.iter().enumerate() {
                    let cells = &row(point)[width - rest.len()..];
                    for (value, &cell) in rest.iter_mut().zip(cells) {
                        *value += weight * cell;
                    }
                }
            }
        });
        Folded {
            constants: self
                .program
                .constants::<EF>()
                .into_iter()
                .map(Into::into)
                .collect(),
            table: self,
            values,
        }
    }
}

#[expect(clippy::indexing_slicing, reason = "as above")]
impl Folded<'_> {
    fn rows(&self) -> usize {
        self.values.len() / self.table.width
    }

    /// Dimensions of the cube of pairs of rows, if there are two rows.
    pub(super) fn dimensions(&self) -> Option<usize> {
        let pairs = self.rows() / 2;
        (pairs > 0).then(|| pairs.ilog2() as usize)
    }

    /// Whether the table looks one row further.
    pub(super) const fn rotates(&self) -> bool {
        self.table.rotates
    }

    /// A round over two rows or more: the sums over pairs of them at 1, 2, …, `points`, of constraints
    /// and of messages. `eq` has a weight for each pair.
    pub(super) fn round(&self, eq: &[EF], points: usize, sums: &[Sum<EF>; 2]) -> [Vec<EF>; 2] {
        let pairs = self.rows() / 2;
        let sums = sums.each_ref().map(Sum::to::<PackedExt>);
        let zeros = || vec![[PackedExt::ZERO; 2]; points];
        let read = self.table.program.columns(Part::Whole);
        let cell = |row: usize, column: usize| {
            let at = row * self.table.width + column;
            self.values.get(at).copied().unwrap_or_default()
        };
        let totals = (0..pairs.div_ceil(LANES))
            .into_par_iter()
            .fold(zeros, |mut totals, group| {
                let first = group * LANES;
                let eq = lanes(|lane| {
                    let weight = eq.get(first + lane).copied().unwrap_or_default();
                    if first + lane < pairs {
                        weight
                    } else {
                        EF::ZERO
                    }
                });
                let low = |&column: &usize| lanes(|lane| cell(2 * (first + lane), column));
                let high = |&column: &usize| lanes(|lane| cell(2 * (first + lane) + 1, column));
                let mut columns: Vec<PackedExt> = read.iter().map(low).collect();
                let pairs = read.iter().map(high).zip(&columns);
                let steps: Vec<PackedExt> = pairs.map(|(high, &low)| high - low).collect();
                let mut values = Vec::new();
                for totals in &mut totals {
                    for (column, &step) in columns.iter_mut().zip(&steps) {
                        *column += step;
                    }
                    let program = &self.table.program;
                    program.run(Part::Whole, &columns, &self.constants, &mut values);
                    for (total, sum) in totals.iter_mut().zip(&sums) {
                        *total += eq * sum.over(&values);
                    }
                }
                totals
            })
            .reduce(zeros, |mut left, right| {
                for (left, right) in left.iter_mut().flatten().zip(right.iter().flatten()) {
                    *left += *right;
                }
                left
            });
        [0, 1].map(|which| {
            let totals = totals.iter();
            totals.map(|total| sum_of_lanes(total[which])).collect()
        })
    }

    /// The sums over the only row that is left.
    pub(super) fn last(&self, sums: &[Sum<EF>; 2]) -> [EF; 2] {
        let program = &self.table.program;
        let columns = program.columns(Part::Whole).iter();
        let columns: Vec<EF> = columns.map(|&column| self.values[column]).collect();
        let mut values = Vec::new();
        program.run(Part::Whole, &columns, &program.constants(), &mut values);
        sums.each_ref().map(|sum| sum.over(&values))
    }

    /// Takes each pair of rows together at `point` of the line through them, if there are two.
    pub(super) fn fold(&mut self, point: EF) {
        let width = self.table.width;
        if self.rows() < 2 {
            return;
        }
        let mut folded = EF::zero_vec(self.values.len() / 2);
        let pairs = self.values.par_chunks_exact(2 * width);
        folded
            .par_chunks_exact_mut(width)
            .zip(pairs)
            .for_each(|(folded, pair)| {
                let (low, high) = pair.split_at(width);
                for ((folded, &low), &high) in folded.iter_mut().zip(low).zip(high) {
                    *folded = low + (high - low) * point;
                }
            });
        self.values = folded;
    }

    /// What is left of each matrix in the one row that is left, the common one first; each column with
    /// the same one row further, where the table looks at it.
    pub(super) fn openings(&self) -> Vec<Vec<EF>> {
        let sources = &self.table.sources;
        let ends = sources.iter().skip(1).map(|source| source.start);
        let ends = ends.chain([self.table.width]);
        let columns = sources.iter().zip(ends);
        let columns: Vec<&[EF]> = columns
            .map(|(source, end)| &self.values[source.start..end])
            .collect();
        let mut openings: Vec<Vec<EF>> = if self.table.rotates {
            let pairs = columns.chunks_exact(2);
            pairs
                .map(|pair| {
                    let columns = pair[0].iter().zip(pair[1]);
                    columns.flat_map(|(&here, &next)| [here, next]).collect()
                })
                .collect()
        } else {
            columns.into_iter().map(<[EF]>::to_vec).collect()
        };
        openings.rotate_right(1);
        openings
    }
}

/// Buffers that a thread uses again.
#[derive(Default)]
struct Scratch {
    block: Vec<Packed>,
    columns: Vec<Packed>,
    values: Vec<Packed>,
}

/// A polynomial times X^`size` − 1.
fn times_vanishing(coefficients: &[EF], size: usize) -> UnivariatePoly<EF> {
    let mut product = EF::zero_vec(coefficients.len() + size);
    for (at, &coefficient) in coefficients.iter().enumerate() {
        if let Some(low) = product.get_mut(at) {
            *low -= coefficient;
        }
        if let Some(high) = product.get_mut(at + size) {
            *high += coefficient;
        }
    }
    UnivariatePoly::new(product)
}
