//! How far the estimates of instructions were off, as the prover's measurements show.

/// Errors are |estimate - measured| / measured, in thousandths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct EstimateError {
    /// Batches looked at.
    pub batches: u32,
    /// Mean.
    pub mean_permille: u64,
    /// 95 of 100 batches are not further off.
    pub p95_permille: u64,
    /// The worst.
    pub worst_permille: u64,
    /// Batches that took more than estimated.
    pub underestimated: u32,
}

impl EstimateError {
    /// Of batches with (estimated, measured) instructions.
    pub(crate) fn of(batches: &[(u64, u64)]) -> Self {
        let mut errors: Vec<u64> = batches.iter().map(error_permille).collect();
        errors.sort_unstable();
        let count = errors.len() as u64;
        let sum = errors
            .iter()
            .fold(0u64, |sum, error| sum.saturating_add(*error));
        // The rank of the 95th percentile: 19 of 20, rounded up, counted from one.
        let rank = errors.len().saturating_mul(19).div_ceil(20);
        let underestimated = batches.iter().filter(|(estimated, got)| got > estimated);
        Self {
            batches: u32::try_from(count).unwrap_or(u32::MAX),
            mean_permille: sum.checked_div(count).unwrap_or_default(),
            p95_permille: rank
                .checked_sub(1)
                .and_then(|at| errors.get(at))
                .copied()
                .unwrap_or_default(),
            worst_permille: errors.last().copied().unwrap_or_default(),
            underestimated: u32::try_from(underestimated.count()).unwrap_or(u32::MAX),
        }
    }
}

fn error_permille((estimated, measured): &(u64, u64)) -> u64 {
    let off = u128::from(estimated.abs_diff(*measured)).saturating_mul(1_000);
    let permille = off / u128::from((*measured).max(1));
    u64::try_from(permille).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_measured_has_no_error() {
        assert_eq!(EstimateError::of(&[]), EstimateError::default());
    }

    #[test]
    fn tells_mean_ninety_fifth_percentile_and_worst() {
        // Off by 1, 2, … 20 of 1,000, the last one below.
        let mut batches: Vec<(u64, u64)> = (1..20).map(|off| (1_000 + off, 1_000)).collect();
        batches.push((980, 1_000));
        let expected = EstimateError {
            batches: 20,
            mean_permille: 10,
            p95_permille: 19,
            worst_permille: 20,
            underestimated: 1,
        };
        assert_eq!(EstimateError::of(&batches), expected);
    }

    #[test]
    fn extremes_do_not_overflow() {
        let error = EstimateError::of(&[(u64::MAX, 0), (0, u64::MAX)]);
        assert_eq!(error.worst_permille, u64::MAX);
    }
}
