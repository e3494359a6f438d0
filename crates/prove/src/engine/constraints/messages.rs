//! What tables send each other: one sum of fractions over all rows and messages, which is zero when
//! everything that is sent is received.

use openvm_stark_backend::{
    calculate_n_logup, p3_field::PrimeCharacteristicRing as _, poly_common::eval_eq_mle,
    prover::fractional_sumcheck_gkr::Frac,
};
use openvm_stark_sdk::config::baby_bear_poseidon2::{EF, F};

use super::{program::Sum, rounds::Sums, table::Table};

/// Where the fractions of each message of each table stand: table by table, message by message, a row
/// after the other.
#[derive(Debug)]
pub(super) struct Layout {
    /// Dimensions of the cube of all fractions, beyond `l_skip`.
    pub(super) dimensions: usize,
    l_skip: usize,
    /// Powers of β.
    powers: Vec<EF>,
    /// Where each table begins.
    starts: Vec<usize>,
    /// Fractions in all.
    length: usize,
}

impl Layout {
    /// The layout for tables that are sorted by height.
    pub(super) fn new(tables: &[Table<'_>], l_skip: usize, beta: EF) -> Self {
        let (mut starts, mut length) = (Vec::new(), 0);
        for table in tables {
            starts.push(length);
            length += table.program.messages.len() << table.log_height.max(l_skip);
        }
        let messages = tables.iter().flat_map(|table| &table.program.messages);
        let fields = messages.map(|message| message.fields.len()).max();
        Self {
            dimensions: calculate_n_logup(l_skip, length as u64),
            l_skip,
            powers: beta.powers().take(fields.unwrap_or_default() + 1).collect(),
            starts,
            length,
        }
    }

    /// All fractions; none if there is no message.
    pub(super) fn fractions(&self, tables: &[Table<'_>], alpha: EF) -> Vec<Frac<EF>> {
        if self.length == 0 {
            return Vec::new();
        }
        let size = 1 << (self.l_skip + self.dimensions);
        let mut fractions = vec![Frac::new(EF::ZERO, alpha); size];
        let mut rest = fractions.as_mut_slice();
        for table in tables {
            let rows = 1 << table.log_height.max(self.l_skip);
            let (own, others) = rest.split_at_mut(table.program.messages.len() * rows);
            rest = others;
            let parts = own.chunks_exact_mut(rows).collect();
            table.fractions(parts, alpha, &self.powers, table.share(self.l_skip));
        }
        fractions
    }

    /// What is summed over the rows of a table: its messages, each weighted by how far its place is
    /// from ξ, whose first `l_skip` values `xi` lacks, and its constraints by powers of λ.
    pub(super) fn sums(&self, number: usize, table: &Table<'_>, xi: &[EF], lambda: EF) -> Sums {
        let dimensions = table.dimensions(self.l_skip);
        let xi = xi.get(dimensions..self.dimensions).unwrap_or_default();
        let rows = self.l_skip + dimensions;
        let first = self.starts.get(number).map_or(0, |start| start >> rows);
        let mut sums = Sums::default();
        for (place, message) in table.program.messages.iter().enumerate() {
            let bits = (0..xi.len()).map(|bit| F::from_bool((first + place) >> bit & 1 == 1));
            let weight = eval_eq_mle(xi, &bits.collect::<Vec<_>>());
            sums.numerator.add(message.count, weight);
            sums.denominator.add_message(message, &self.powers, weight);
        }
        for (&place, weight) in table.program.constraints.iter().zip(lambda.powers()) {
            sums.constraints.add(place, weight);
        }
        sums.gathered()
    }
}

impl Default for Sums {
    fn default() -> Self {
        Self {
            numerator: Sum::constant(EF::ZERO),
            denominator: Sum::constant(EF::ZERO),
            constraints: Sum::constant(EF::ZERO),
        }
    }
}

impl Sums {
    fn gathered(self) -> Self {
        Self {
            numerator: self.numerator.gathered(),
            denominator: self.denominator.gathered(),
            constraints: self.constraints.gathered(),
        }
    }
}
