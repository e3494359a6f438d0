//! Proves that a sum of fractions is zero: each layer adds neighbours of the one below it, and a
//! sumcheck a layer leads from the root to the fractions themselves (Papini and Haböck, eprint
//! 2023/1284).

use openvm_stark_backend::{
    FiatShamirTranscript,
    p3_field::{Field as _, PrimeCharacteristicRing as _},
    poly_common::eval_eq_mle,
    proof::GkrLayerClaims,
    prover::{LogupZerocheckError, fractional_sumcheck_gkr::Frac, poly::evals_eq_hypercubes},
};
use openvm_stark_sdk::config::baby_bear_poseidon2::{BabyBearPoseidon2Config as SC, EF, F};
use rayon::prelude::*;

use super::table::{LANES, PackedExt, lanes, sum_of_lanes};

/// The proof, and the point at which the fractions are claimed.
pub(super) struct Proved {
    /// The root's denominator.
    pub(super) root: EF,
    pub(super) claims: Vec<GkrLayerClaims<SC>>,
    /// Of each layer but the first, each round's polynomial at 1, 2 and 3.
    pub(super) rounds: Vec<Vec<[EF; 3]>>,
    pub(super) point: Vec<EF>,
}

/// Two fractions that are added: p₀, q₀, p₁, q₁.
type Row = [EF; 4];

/// Proves that `fractions`, whose number is a power of two or zero, add up to zero.
///
/// # Errors
/// [`LogupZerocheckError::NonZeroRootSum`] when they do not.
pub(super) fn prove<TS: FiatShamirTranscript<SC>>(
    transcript: &mut TS,
    fractions: Vec<Frac<EF>>,
) -> Result<Proved, LogupZerocheckError> {
    let mut proved = Proved {
        root: EF::ONE,
        claims: Vec::new(),
        rounds: Vec::new(),
        point: Vec::new(),
    };
    let mut layers = layers(fractions);
    let Some(root) = layers.pop().and_then(|root| root.first().copied()) else {
        return Ok(proved);
    };
    if root.p != EF::ZERO {
        return Err(LogupZerocheckError::NonZeroRootSum);
    }
    proved.root = root.q;
    transcript.observe_ext(root.q);
    // What is claimed of the layer above, at `point`.
    let mut claim = [root.p, root.q];
    while let Some(layer) = layers.pop() {
        let lambda = if proved.point.is_empty() {
            EF::ZERO
        } else {
            transcript.sample_ext()
        };
        let claim_of_sum = claim[0] + lambda * claim[1];
        let (rounds, point, row) =
            layer_rounds(transcript, &layer, &proved.point, lambda, claim_of_sum);
        if !rounds.is_empty() {
            proved.rounds.push(rounds);
        }
        for value in row {
            transcript.observe_ext(value);
        }
        let [p_xi_0, q_xi_0, p_xi_1, q_xi_1] = row;
        let mu = transcript.sample_ext();
        claim = [
            p_xi_0 + (p_xi_1 - p_xi_0) * mu,
            q_xi_0 + (q_xi_1 - q_xi_0) * mu,
        ];
        proved.point = [vec![mu], point].concat();
        proved.claims.push(GkrLayerClaims {
            p_xi_0,
            p_xi_1,
            q_xi_0,
            q_xi_1,
        });
    }
    Ok(proved)
}

/// The layers, from the fractions up to the root.
fn layers(fractions: Vec<Frac<EF>>) -> Vec<Vec<Frac<EF>>> {
    let mut layers = vec![fractions];
    while let Some(below) = layers.last().filter(|layer| layer.len() > 1) {
        let pairs = below.par_chunks_exact(2);
        let above = pairs.map(|pair| pair.iter().copied().reduce(|left, right| left + right));
        layers.push(above.map(Option::unwrap_or_default).collect());
    }
    layers
}

/// The sumcheck of one layer: its rounds, what the verifier chose, and what is left of its rows.
fn layer_rounds<TS: FiatShamirTranscript<SC>>(
    transcript: &mut TS,
    layer: &[Frac<EF>],
    xi: &[EF],
    lambda: EF,
    mut claim: EF,
) -> (Vec<[EF; 3]>, Vec<EF>, Row) {
    let own = |at: usize| match layer.get(2 * at..2 * at + 2) {
        Some([left, right]) => [left.p, left.q, right.p, right.q],
        _ => Row::default(),
    };
    let after = xi.get(1..).unwrap_or_default();
    let eq = evals_eq_hypercubes(after.len(), after.iter().rev());
    let (mut rounds, mut point) = (Vec::new(), Vec::new());
    let mut rows: Option<Vec<Row>> = None;
    // How far what was chosen is from ξ.
    let mut so_far = EF::ONE;
    for (round, &xi) in xi.iter().enumerate() {
        let pairs = 1 << (after.len() - round);
        let eq = eq.get(pairs - 1..2 * pairs - 1).unwrap_or_default();
        let [one, two] = match &rows {
            None => sums(&own, eq, lambda),
            Some(rows) => sums(&|at| rows.get(at).copied().unwrap_or_default(), eq, lambda),
        }
        .map(|sum| sum * so_far);
        // The polynomial is eq(ξ, X) times one of degree 2.
        let zero = (claim - xi * one) * (EF::ONE - xi).inverse();
        let three = zero + (two - one) * F::from_u8(3);
        let value = |at: EF, inner: EF| -> EF { eval_eq_mle::<_, _, EF>(&[xi], &[at]) * inner };
        let values =
            [(1, one), (2, two), (3, three)].map(|(at, inner)| value(EF::from_u8(at), inner));
        for value in values {
            transcript.observe_ext(value);
        }
        rounds.push(values);
        let chosen = transcript.sample_ext();
        point.push(chosen);
        let second = (two - one.double() + zero).halve();
        let first = one - zero - second;
        claim = value(chosen, zero + (first + second * chosen) * chosen);
        so_far *= eval_eq_mle::<_, _, EF>(&[xi], &[chosen]);
        rows = Some(match &rows {
            None => fold(&own, pairs, chosen),
            Some(rows) => fold(
                &|at| rows.get(at).copied().unwrap_or_default(),
                pairs,
                chosen,
            ),
        });
    }
    let row = rows.map_or_else(|| own(0), |rows| rows.first().copied().unwrap_or_default());
    (rounds, point, row)
}

/// What the sums of both fractions of a row add up to, over pairs of rows at 1 and 2 of the line
/// through them, numerator and λ times denominator.
fn sums(row: &(impl Fn(usize) -> Row + Sync), eq: &[EF], lambda: EF) -> [EF; 2] {
    let lambda = PackedExt::from(lambda);
    let zero = || [PackedExt::ZERO; 2];
    let groups = (0..eq.len().div_ceil(LANES)).into_par_iter();
    let sums = groups.fold(zero, |mut sums, group| {
        let first = group * LANES;
        let weights = lanes(|lane| eq.get(first + lane).copied().unwrap_or_default());
        let pairs: [[Row; 2]; LANES] = std::array::from_fn(|lane| {
            let pair = 2 * (first + lane);
            [row(pair), row(pair + 1)]
        });
        #[expect(
            clippy::indexing_slicing,
            reason = "lanes, rows and values are of fixed number"
        )]
        let columns: [[PackedExt; 4]; 2] =
            [0, 1].map(|which| [0, 1, 2, 3].map(|value| lanes(|lane| pairs[lane][which][value])));
        let [low, mut line] = columns;
        for (at, sum) in sums.iter_mut().enumerate() {
            if at > 0 {
                for (value, low) in line.iter_mut().zip(low) {
                    *value += *value - low;
                }
            }
            let [left_p, left_q, right_p, right_q] = line;
            *sum += weights * (left_p * right_q + left_q * (right_p + lambda * right_q));
        }
        sums
    });
    let sums = sums.reduce(zero, |left, right| {
        let [one, two] = left;
        [one + right[0], two + right[1]]
    });
    sums.map(sum_of_lanes)
}

/// Takes pairs of rows together at `point` of the line through them.
fn fold(row: &(impl Fn(usize) -> Row + Sync), pairs: usize, point: EF) -> Vec<Row> {
    let pairs = (0..pairs).into_par_iter();
    pairs
        .map(|pair| {
            let (mut folded, high) = (row(2 * pair), row(2 * pair + 1));
            for (low, high) in folded.iter_mut().zip(high) {
                *low += (high - *low) * point;
            }
            folded
        })
        .collect()
}
