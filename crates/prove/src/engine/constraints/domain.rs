//! The subgroup that the first round of the sumcheck is over, and its cosets.

use openvm_stark_backend::{
    p3_field::{
        Field, PrimeCharacteristicRing as _, TwoAdicField as _, batch_multiplicative_inverse,
    },
    poly_common::UnivariatePoly,
};
use openvm_stark_sdk::config::baby_bear_poseidon2::{EF, F};

/// The subgroup D of order 2^`l_skip`, and cosets g·D, g²·D, …, where g generates the field.
#[derive(Debug)]
pub(super) struct Domain {
    /// Its order's binary logarithm.
    pub(super) l_skip: usize,
    /// Its elements.
    pub(super) points: Vec<F>,
    /// What values at the points of D are multiplied by to get the value at each point of each coset.
    pub(super) cosets: Vec<Vec<Vec<F>>>,
    /// Inverse of what X^|D| − 1 is on each coset.
    pub(super) vanishing_inverses: Vec<F>,
}

impl Domain {
    /// D with `cosets` cosets.
    pub(super) fn new(l_skip: usize, cosets: usize) -> Self {
        let points: Vec<F> = F::two_adic_generator(l_skip)
            .powers()
            .take(1 << l_skip)
            .collect();
        let shifts: Vec<F> = F::GENERATOR.powers().skip(1).take(cosets).collect();
        let vanishing = shifts.iter();
        let vanishing = vanishing.map(|shift| shift.exp_power_of_2(l_skip) - F::ONE);
        let coset = |&shift: &F| {
            let coset = points.iter();
            coset
                .map(|&point| weights(&points, shift * point))
                .collect()
        };
        Self {
            l_skip,
            cosets: shifts.iter().map(coset).collect(),
            vanishing_inverses: batch_multiplicative_inverse(&vanishing.collect::<Vec<_>>()),
            points,
        }
    }

    /// How many elements it has.
    pub(super) const fn size(&self) -> usize {
        1 << self.l_skip
    }

    /// The sum of a polynomial over its points.
    pub(super) fn sum(&self, polynomial: &UnivariatePoly<EF>) -> EF {
        let multiples = polynomial.coeffs().iter().step_by(self.size());
        multiples.copied().sum::<EF>() * F::from_usize(self.size())
    }

    /// What values at its points are multiplied by to get the value at `point`.
    pub(super) fn weights(&self, point: EF) -> Vec<EF> {
        let points: Vec<EF> = self.points.iter().copied().map(EF::from).collect();
        weights(&points, point)
    }
}

/// Lagrange's polynomials of a subgroup at a point outside it:
/// `L_k(X) = (X^N − 1) / N · ω^k / (X − ω^k)`.
fn weights<K: Field>(points: &[K], at: K) -> Vec<K> {
    let distances: Vec<K> = points.iter().map(|&point| at - point).collect();
    let vanishing = at.exp_u64(points.len() as u64) - K::ONE;
    let scale = vanishing * K::from_usize(points.len()).inverse();
    let inverses = batch_multiplicative_inverse(&distances);
    let terms = points.iter().zip(inverses);
    terms
        .map(|(&point, inverse)| scale * point * inverse)
        .collect()
}
