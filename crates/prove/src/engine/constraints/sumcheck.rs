//! The sumcheck over the rows of all tables at once.

use openvm_stark_backend::{
    FiatShamirTranscript,
    p3_field::{Field as _, PrimeCharacteristicRing as _},
    poly_common::{UnivariatePoly, eq_uni_poly, eval_eq_mle, eval_eq_sharp_uni, eval_eq_uni},
    proof::{BatchConstraintProof, column_openings_by_rot},
    prover::{
        poly::{eq_sharp_uni_poly, evals_eq_hypercubes},
        sumcheck::sumcheck_round0_deg,
    },
};
use openvm_stark_sdk::config::baby_bear_poseidon2::{BabyBearPoseidon2Config as SC, EF, F};
use rayon::prelude::*;

use super::{
    domain::Domain,
    messages::Layout,
    program::Sum,
    rounds::{Folded, Round0, Sums},
    table::Table,
};

/// The sumcheck, between two rounds.
pub(super) struct Sumcheck<'a> {
    /// What the verifier chose for the messages, after the first `l_skip`.
    xi: &'a [EF],
    /// Highest degree of all tables.
    degree: usize,
    summands: Vec<Summand<'a>>,
    /// What the verifier chose so far.
    point: Vec<EF>,
    /// What the next round's polynomial must add up to.
    claim: EF,
    /// How far `point` is from ξ, for constraints and for messages.
    eq: [EF; 2],
    proof: BatchConstraintProof<SC>,
}

/// A table, with what is summed over its rows.
struct Summand<'a> {
    table: Folded<'a>,
    /// Weights of the corners of cubes of 0, 1, … dimensions.
    eq: Vec<EF>,
    /// Constraints and messages.
    sums: [Sum<EF>; 2],
    /// What they are, once one row is left.
    last: Option<EF>,
}

/// A table in round 0.
struct Begun<'a> {
    table: Table<'a>,
    eq: Vec<EF>,
    sums: Sums,
    round: Round0,
}

impl<'a> Sumcheck<'a> {
    /// Proves round 0, over D.
    pub(super) fn begin<TS: FiatShamirTranscript<SC>>(
        transcript: &mut TS,
        (l_skip, degree): (usize, usize),
        tables: Vec<Table<'a>>,
        layout: &Layout,
        xi: &'a [EF],
    ) -> Self {
        let lambda = transcript.sample_ext();
        let domain = Domain::new(l_skip, degree);
        let (skipped, rest) = xi.split_at(l_skip);
        let start = |(number, table)| Begun::new(number, table, &domain, layout, rest, lambda);
        let begun: Vec<Begun<'a>> = tables.into_par_iter().enumerate().map(start).collect();

        let eq_sharp = eq_sharp_uni_poly(skipped);
        let messages = begun.iter().flat_map(|Begun { round, .. }| {
            [&round.numerator, &round.denominator].map(|sum| product(&eq_sharp, sum))
        });
        let messages: Vec<UnivariatePoly<EF>> = messages.collect();
        let terms: Vec<EF> = messages.iter().map(|sum| domain.sum(sum)).collect();
        for &term in &terms {
            transcript.observe_ext(term);
        }
        let powers = transcript.sample_ext().powers();
        let mu: Vec<EF> = powers.take(3 * begun.len()).collect();
        let (message_mu, constraint_mu) = mu.split_at(2 * begun.len());

        let xi_0 = xi.first().copied().unwrap_or_default();
        let length = sumcheck_round0_deg(l_skip, degree + 1) + 1;
        let zero = || UnivariatePoly::new(EF::zero_vec(length));
        let (mut polynomial, mut constraints) = (zero(), zero());
        for (Begun { round, .. }, &mu) in begun.iter().zip(constraint_mu) {
            add(&mut constraints, &round.constraints, mu);
        }
        let eq_uni = eq_uni_poly::<F, _>(l_skip, xi_0);
        add(&mut polynomial, &product(&eq_uni, &constraints), EF::ONE);
        for (sum, &mu) in messages.iter().zip(message_mu) {
            add(&mut polynomial, sum, mu);
        }
        for &coefficient in polynomial.coeffs() {
            transcript.observe_ext(coefficient);
        }
        let chosen = transcript.sample_ext();
        let weights = domain.weights(chosen);
        let mu = message_mu.chunks_exact(2).zip(constraint_mu);
        let summands = begun
            .into_iter()
            .zip(mu)
            .map(|(begun, (messages, &constraints))| {
                Summand::new(begun, &domain, &weights, messages, constraints)
            });
        Self {
            xi: rest,
            degree,
            summands: summands.collect(),
            point: vec![chosen],
            claim: polynomial.eval_at_point(chosen),
            eq: [
                eval_eq_uni(l_skip, xi_0, chosen),
                eval_eq_sharp_uni(&domain.points, skipped, chosen),
            ],
            proof: BatchConstraintProof {
                numerator_term_per_air: terms.iter().copied().step_by(2).collect(),
                denominator_term_per_air: terms.iter().copied().skip(1).step_by(2).collect(),
                univariate_round_coeffs: polynomial.into_coeffs(),
                sumcheck_round_polys: Vec::new(),
                column_openings: Vec::new(),
            },
        }
    }

    /// Proves a round over one dimension of the cubes, the first being 1. Tables of fewer dimensions
    /// stand at the corner where all others are 1.
    pub(super) fn round<TS: FiatShamirTranscript<SC>>(
        &mut self,
        transcript: &mut TS,
        round: usize,
    ) {
        let (degree, eq) = (self.degree, self.eq);
        let previous = self.point.last().copied().unwrap_or_default();
        let summands = self.summands.iter_mut();
        let (mut head, mut tail) = (vec![EF::ZERO; degree], EF::ZERO);
        for summand in summands {
            match summand.round(degree, eq, previous) {
                Values::Curve(values) => {
                    for (sum, value) in head.iter_mut().zip(values) {
                        *sum += value;
                    }
                }
                Values::Line(value) => tail += value,
            }
        }
        // The polynomial is eq(ξ, X) · head(X) + X · tail.
        let xi = self.xi.get(round - 1).copied().unwrap_or_default();
        let at_one = head.first().copied().unwrap_or_default() * xi + tail;
        head.insert(0, (self.claim - at_one) * (EF::ONE - xi).inverse());
        let points: Vec<F> = (0..=degree).map(F::from_usize).collect();
        let head = UnivariatePoly::lagrange_interpolate(&points, &head);
        let value = |at: EF| {
            let eq: EF = eval_eq_mle(&[xi], &[at]);
            eq * head.eval_at_point(at) + at * tail
        };
        let values: Vec<EF> = (1..=degree + 1)
            .map(|at| value(EF::from_usize(at)))
            .collect();
        for &value in &values {
            transcript.observe_ext(value);
        }
        self.proof.sumcheck_round_polys.push(values);
        let chosen = transcript.sample_ext();
        self.claim = value(chosen);
        self.point.push(chosen);
        let eq: EF = eval_eq_mle(&[xi], &[chosen]);
        self.eq = self.eq.map(|so_far| so_far * eq);
        for summand in &mut self.summands {
            summand.table.fold(chosen);
        }
    }

    /// Opens all columns; the proof, and the point at which they are opened.
    pub(super) fn end<TS: FiatShamirTranscript<SC>>(
        self,
        transcript: &mut TS,
    ) -> (BatchConstraintProof<SC>, Vec<EF>) {
        let mut proof = self.proof;
        let tables: Vec<_> = self.summands.iter().map(|summand| &summand.table).collect();
        proof.column_openings = tables.iter().map(|table| table.openings()).collect();
        // Common matrices of all tables first.
        let parts = tables.iter().zip(&proof.column_openings);
        let common = parts.clone().map(|(table, parts)| (table, parts.get(..1)));
        let others = parts.map(|(table, parts)| (table, parts.get(1..)));
        for (table, parts) in common.chain(others) {
            for part in parts.unwrap_or_default() {
                for (claim, rotated) in column_openings_by_rot(part, table.rotates()) {
                    transcript.observe_ext(claim);
                    transcript.observe_ext(rotated);
                }
            }
        }
        (proof, self.point)
    }
}

impl<'a> Begun<'a> {
    fn new(
        number: usize,
        table: Table<'a>,
        domain: &Domain,
        layout: &Layout,
        xi: &[EF],
        lambda: EF,
    ) -> Self {
        let dimensions = table.dimensions(domain.l_skip);
        let eq = evals_eq_hypercubes(dimensions, xi.iter().take(dimensions).rev());
        let sums = layout.sums(number, &table, xi, lambda);
        Self {
            round: table.round_0(domain, level(&eq, dimensions), &sums),
            table,
            eq,
            sums,
        }
    }
}

/// What a table adds to a round's polynomial.
enum Values {
    /// To what is multiplied by eq(ξ, X): its values at 1, 2, ….
    Curve(Vec<EF>),
    /// To what is multiplied by X.
    Line(EF),
}

impl<'a> Summand<'a> {
    fn new(
        begun: Begun<'a>,
        domain: &Domain,
        weights: &[EF],
        message_mu: &[EF],
        constraint_mu: EF,
    ) -> Self {
        let Begun {
            table, eq, sums, ..
        } = begun;
        let share = EF::from(table.share(domain.l_skip));
        let mut messages = Sum::constant(EF::ZERO);
        let parts = [(sums.numerator, share), (sums.denominator, EF::ONE)];
        for ((sum, share), &mu) in parts.into_iter().zip(message_mu) {
            messages.add_all(sum, mu * share);
        }
        let mut constraints = Sum::constant(EF::ZERO);
        constraints.add_all(sums.constraints, constraint_mu);
        Self {
            table: table.fold(domain, weights),
            eq,
            sums: [constraints, messages.gathered()],
            last: None,
        }
    }

    fn round(&mut self, degree: usize, eq: [EF; 2], previous: EF) -> Values {
        if let Some(pairs) = self.table.dimensions() {
            let sums = self.table.round(level(&self.eq, pairs), degree, &self.sums);
            let [constraints, messages] = sums;
            let values = constraints.into_iter().zip(messages);
            let values =
                values.map(|(constraints, messages)| eq[0] * constraints + eq[1] * messages);
            return Values::Curve(values.collect());
        }
        let value = if let Some(last) = self.last {
            last * previous
        } else {
            let [constraints, messages] = self.table.last(&self.sums);
            eq[0] * constraints + eq[1] * messages
        };
        self.last = Some(value);
        Values::Line(value)
    }
}

/// The weights of the corners of a cube of these dimensions.
fn level(eq: &[EF], dimensions: usize) -> &[EF] {
    let range = (1 << dimensions) - 1..(2 << dimensions) - 1;
    eq.get(range).unwrap_or_default()
}

fn product(left: &UnivariatePoly<EF>, right: &UnivariatePoly<EF>) -> UnivariatePoly<EF> {
    let mut product = EF::zero_vec(left.coeffs().len() + right.coeffs().len());
    for (at, &left) in left.coeffs().iter().enumerate() {
        for (sum, &right) in product.iter_mut().skip(at).zip(right.coeffs()) {
            *sum += left * right;
        }
    }
    UnivariatePoly::new(product)
}

/// Adds a polynomial, `factor` times. What is longer than `sum` is zero.
fn add(sum: &mut UnivariatePoly<EF>, polynomial: &UnivariatePoly<EF>, factor: EF) {
    for (sum, &coefficient) in sum.coeffs_mut().iter_mut().zip(polynomial.coeffs()) {
        *sum += coefficient * factor;
    }
}
