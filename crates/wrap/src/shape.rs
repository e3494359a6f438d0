//! The one shape that a key's proofs have: every length is known from the key and checked before
//! anything is computed. Only the number of Merkle siblings differs from proof to proof, because
//! paths that meet are sent once; it has a bound.

use p3_batch_stark::{BatchCommitments, BatchProof, CommonData, proof::OpenedValuesWithLookups};
use p3_fri::{BatchMultiOpening, CommitPhaseMultiStep, FriProof, fold_schedule};
use p3_symmetric::MerkleCap;
use p3_uni_stark::OpenedValues;

use crate::{
    circuit::Circuit,
    config::{Config, EXTENSION_DEGREE, SALT_ELEMENTS},
    proof::Inner,
    security,
    table::TableAir,
};

/// A length that is not the key's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: expected {expected}, got {got}")]
pub struct BadShape {
    /// What was counted.
    pub what: &'static str,
    /// As the key has it.
    pub expected: usize,
    /// As the proof has it.
    pub got: usize,
}

/// Lengths of one table's parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableShape {
    /// Rows with masks, as a power of two.
    pub log_height: usize,
    /// Columns of the trace.
    pub width: usize,
    /// Columns of the buses: one running sum and the fractions, extension elements.
    pub bus_columns: usize,
    /// Quotient chunks.
    pub quotient_chunks: usize,
}

/// Lengths of a proof's parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Its tables.
    pub tables: Vec<TableShape>,
    /// Widths of the committed matrices: random, trace, quotient, buses; random columns counted,
    /// salts not.
    pub matrices: [Vec<usize>; 4],
    /// Rounds of folding, each with its arity as a power of two.
    pub folds: Vec<usize>,
    /// Queries.
    pub queries: usize,
    /// Length of the last polynomial.
    pub final_length: usize,
    /// Random columns beside each matrix.
    pub random_columns: usize,
    /// Digests that a commitment has.
    pub cap: usize,
    /// Height of the highest tree, in levels.
    pub levels: usize,
}

impl Shape {
    /// The shape of a circuit's proofs.
    pub(crate) fn new(
        circuit: &Circuit,
        airs: &[TableAir],
        common: &CommonData<Config>,
        config: &Config,
    ) -> Self {
        let parameters = &circuit.parameters;
        let random_columns = parameters.random_columns as usize;
        let tables: Vec<TableShape> = circuit
            .tables
            .iter()
            .zip(airs)
            .zip(&common.lookups)
            .map(|((table, air), lookups)| TableShape {
                log_height: table.log_height as usize + 1,
                width: table.width(),
                bus_columns: lookups.len() + 1,
                quotient_chunks: 2
                    << security::quotient_chunks(table.log_height, air, lookups, config),
            })
            .collect();
        let widths = |width: fn(&TableShape) -> usize| {
            tables
                .iter()
                .map(|table| width(table) + random_columns)
                .collect()
        };
        let chunks = tables.iter().map(|table| table.quotient_chunks).sum();
        let log_blowup = parameters.log_blowup as usize;
        let log_final = parameters.log_final_length as usize + log_blowup;
        let mut heights: Vec<usize> = tables
            .iter()
            .map(|table| table.log_height + log_blowup)
            .collect();
        heights.sort_unstable_by(|left, right| right.cmp(left));
        heights.dedup();
        Self {
            matrices: [
                widths(|_| EXTENSION_DEGREE),
                widths(|table| table.width),
                vec![EXTENSION_DEGREE + random_columns; chunks],
                widths(|table| table.bus_columns * EXTENSION_DEGREE),
            ],
            folds: fold_schedule(&heights, log_final, parameters.log_arity as usize),
            levels: heights.first().copied().unwrap_or(0),
            tables,
            queries: parameters.queries as usize,
            final_length: 1 << parameters.log_final_length,
            random_columns,
            cap: 1 << parameters.cap_height,
        }
    }

    /// Numbers that every query opens, salts counted; a measure of the cost on Ethereum.
    #[must_use]
    pub fn opened_per_query(&self) -> usize {
        let salts = self.matrices.len() * self.tables.len() * SALT_ELEMENTS;
        self.matrices.iter().flatten().sum::<usize>() + salts
    }

    /// Extension elements that are opened at the out-of-domain point and the one after it.
    #[must_use]
    pub fn opened_at_point(&self) -> usize {
        let [random, trace, quotient, buses] = &self.matrices;
        let once = random.iter().chain(quotient).sum::<usize>();
        once + 2 * trace.iter().chain(buses).sum::<usize>()
    }

    /// Checks a proof.
    ///
    /// # Errors
    /// [`BadShape`] names the first length that is not the key's.
    pub fn check(&self, proof: &Inner) -> Result<(), BadShape> {
        let BatchProof {
            commitments,
            opened_values,
            opening_proof,
            lookup_terminals,
            degree_bits,
            lookup_pow_witness,
            ood_pow_witness: _,
        } = proof;
        let BatchCommitments {
            main,
            permutation,
            quotient_chunks,
            random,
        } = commitments;
        let caps = [
            Some(main),
            permutation.as_ref(),
            Some(quotient_chunks),
            random.as_ref(),
        ];
        for cap in caps {
            let digests = cap.map_or(0, MerkleCap::num_roots);
            equal("digests of a commitment", self.cap, digests)?;
        }
        let tables = self.tables.len();
        equal(
            "lookup grinding",
            1,
            usize::from(lookup_pow_witness.is_some()),
        )?;
        equal(
            "bus totals",
            tables,
            lookup_terminals.iter().flatten().count(),
        )?;
        equal("bus totals", tables, lookup_terminals.len())?;
        equal("heights", tables, degree_bits.len())?;
        for (table, height) in self.tables.iter().zip(degree_bits) {
            equal("height", table.log_height, *height)?;
        }
        equal("tables", tables, opened_values.instances.len())?;
        for (table, opened) in self.tables.iter().zip(&opened_values.instances) {
            check_table(table, opened)?;
        }
        let (masks, fri) = opening_proof;
        self.check_masks(masks)?;
        self.check_fri(fri)
    }

    /// Checks the openings of the random columns.
    fn check_masks<T>(&self, masks: &[Vec<Vec<Vec<T>>>]) -> Result<(), BadShape> {
        equal("mask rounds", self.matrices.len(), masks.len())?;
        // The trace and the buses are opened at two points.
        for ((matrices, points), round) in self.matrices.iter().zip([1, 2, 1, 2]).zip(masks) {
            equal("masks of a round", matrices.len(), round.len())?;
            for matrix in round {
                equal("mask points", points, matrix.len())?;
                for values in matrix {
                    equal("mask values", self.random_columns, values.len())?;
                }
            }
        }
        Ok(())
    }

    /// Checks the queries and folds.
    fn check_fri(&self, fri: &Fri) -> Result<(), BadShape> {
        let FriProof {
            batch_pow_witness: _,
            commit_phase_commits,
            commit_pow_witnesses,
            input_openings,
            commit_phase_openings,
            final_poly,
            query_pow_witness: _,
        } = fri;
        let folds = self.folds.len();
        equal("fold commitments", folds, commit_phase_commits.len())?;
        for cap in commit_phase_commits {
            equal("digests of a commitment", self.cap, cap.num_roots())?;
        }
        equal("fold grinding", folds, commit_pow_witnesses.len())?;
        equal("final polynomial", self.final_length, final_poly.len())?;
        equal(
            "opened commitments",
            self.matrices.len(),
            input_openings.len(),
        )?;
        for (widths, opening) in self.matrices.iter().zip(input_openings) {
            let BatchMultiOpening {
                opened_values,
                opening_proof: (salts, paths),
            } = opening;
            self.check_rows(widths, opened_values)?;
            self.check_salts(self.tables.len(), salts)?;
            self.check_siblings(paths.sibling_hashes.len())?;
        }
        equal("fold openings", folds, commit_phase_openings.len())?;
        for (log_arity, opening) in self.folds.iter().zip(commit_phase_openings) {
            let CommitPhaseMultiStep {
                sibling_values,
                opening_proof: (salts, paths),
            } = opening;
            equal("queries of a fold", self.queries, sibling_values.len())?;
            for values in sibling_values {
                equal("fold siblings", (1 << log_arity) - 1, values.len())?;
            }
            self.check_salts(1, salts)?;
            self.check_siblings(paths.sibling_hashes.len())?;
        }
        Ok(())
    }

    fn check_rows<T>(&self, widths: &[usize], rows: &[Vec<Vec<T>>]) -> Result<(), BadShape> {
        equal("queries of a commitment", self.queries, rows.len())?;
        for matrices in rows {
            equal("matrices of a query", widths.len(), matrices.len())?;
            for (width, row) in widths.iter().zip(matrices) {
                equal("width of a row", *width, row.len())?;
            }
        }
        Ok(())
    }

    /// A salt for each height: that of a table, or a fold's.
    fn check_salts<T>(&self, heights: usize, salts: &[Vec<Vec<T>>]) -> Result<(), BadShape> {
        equal("queries with salts", self.queries, salts.len())?;
        for query in salts {
            equal("salts of a query", heights, query.len())?;
            for salt in query {
                equal("length of a salt", SALT_ELEMENTS, salt.len())?;
            }
        }
        Ok(())
    }

    fn check_siblings(&self, got: usize) -> Result<(), BadShape> {
        let expected = self.queries * self.levels;
        if got <= expected {
            return Ok(());
        }
        Err(BadShape {
            what: "Merkle siblings, at most",
            expected,
            got,
        })
    }
}

/// FRI's part of a proof.
type Fri = FriProof<
    crate::config::Challenge,
    crate::config::ChallengeMmcs,
    crate::config::Val,
    Vec<BatchMultiOpening<crate::config::Val, crate::config::ValMmcs>>,
>;

/// Checks what is opened of one table.
fn check_table<T>(shape: &TableShape, opened: &OpenedValuesWithLookups<T>) -> Result<(), BadShape> {
    let OpenedValuesWithLookups {
        base_opened_values,
        permutation_local,
        permutation_next,
    } = opened;
    let OpenedValues {
        trace_local,
        trace_next,
        preprocessed,
        quotient_chunks,
        random,
    } = base_opened_values;
    equal("trace", shape.width, trace_local.len())?;
    equal(
        "next row of the trace",
        shape.width,
        trace_next.as_ref().map_or(0, Vec::len),
    )?;
    equal(
        "preprocessed columns",
        0,
        usize::from(preprocessed.is_some()),
    )?;
    equal(
        "random values",
        EXTENSION_DEGREE,
        random.as_ref().map_or(0, Vec::len),
    )?;
    equal(
        "quotient chunks",
        shape.quotient_chunks,
        quotient_chunks.len(),
    )?;
    for chunk in quotient_chunks {
        equal("width of a quotient chunk", EXTENSION_DEGREE, chunk.len())?;
    }
    let buses = shape.bus_columns * EXTENSION_DEGREE;
    equal("bus columns", buses, permutation_local.len())?;
    equal("next row of the bus columns", buses, permutation_next.len())
}

/// A fault unless the lengths are equal.
fn equal(what: &'static str, expected: usize, got: usize) -> Result<(), BadShape> {
    if expected == got {
        return Ok(());
    }
    Err(BadShape {
        what,
        expected,
        got,
    })
}
