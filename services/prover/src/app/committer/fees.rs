//! What a transaction may cost: pure arithmetic on wei per gas.

use crate::app::model::Fees;

/// Limits that the operator set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FeeLimits {
    /// Most that one unit of gas may cost.
    pub cap: u128,
    /// Least tip.
    pub min_tip: u128,
}

/// Gas is dearer than the operator allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "gas costs {needed} wei now, more than `l1.max_fee_per_gas_wei` of {cap}: wait or raise the limit"
)]
pub(crate) struct TooDear {
    /// What inclusion would take.
    pub needed: u128,
    /// What is allowed.
    pub cap: u128,
}

/// Fees for a new transaction: room for the base fee to double, within the cap.
pub(crate) fn quote(
    base_fee: u128,
    suggested_tip: u128,
    limits: FeeLimits,
) -> Result<Fees, TooDear> {
    let tip = suggested_tip.max(limits.min_tip);
    let needed = base_fee.saturating_add(limits.min_tip);
    if needed > limits.cap {
        return Err(TooDear {
            needed,
            cap: limits.cap,
        });
    }
    let max_fee = base_fee
        .saturating_mul(2)
        .saturating_add(tip)
        .min(limits.cap);
    Ok(Fees {
        max_fee,
        // A tip that the base fee leaves no room for would never be paid.
        tip: tip
            .min(max_fee.saturating_sub(base_fee))
            .max(limits.min_tip),
    })
}

/// Fees that replace `last` under the same nonce: nodes ask for a tenth more of both, so an eighth
/// is added; never less than what a new transaction would get. `None`: the cap forbids it.
pub(crate) fn bump(last: Fees, fresh: Fees, limits: FeeLimits) -> Option<Fees> {
    let raised = |fee: u128| {
        fee.saturating_add(fee.div_ceil(8))
            .max(fee.saturating_add(1))
    };
    let fees = Fees {
        max_fee: raised(last.max_fee).max(fresh.max_fee),
        tip: raised(last.tip).max(fresh.tip),
    };
    if fees.max_fee <= limits.cap {
        return Some(fees);
    }
    // The last step goes right up to the cap, if that is still a tenth more.
    let enough = last.max_fee.saturating_add(last.max_fee.div_ceil(10));
    (limits.cap >= enough && fees.tip <= limits.cap).then_some(Fees {
        max_fee: limits.cap,
        tip: fees.tip,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: FeeLimits = FeeLimits {
        cap: 1_000,
        min_tip: 2,
    };

    #[test]
    fn leaves_room_for_the_base_fee_to_double() {
        assert_eq!(
            quote(100, 10, LIMITS),
            Ok(Fees {
                max_fee: 210,
                tip: 10
            })
        );
    }

    #[test]
    fn never_goes_beyond_the_cap() {
        assert_eq!(
            quote(995, 10, LIMITS),
            Ok(Fees {
                max_fee: 1_000,
                tip: 5
            })
        );
        assert_eq!(
            quote(999, 10, LIMITS),
            Err(TooDear {
                needed: 1_001,
                cap: 1_000
            })
        );
    }

    #[test]
    fn a_bump_is_at_least_a_tenth_of_both() {
        for max_fee in [1, 7, 80, 800] {
            let last = Fees { max_fee, tip: 1 };
            let fees = bump(last, last, LIMITS).expect("room");
            assert!(fees.max_fee * 10 >= max_fee * 11, "{fees:?}");
            assert!(fees.tip * 10 >= 11, "{fees:?}");
            assert!(fees.tip <= fees.max_fee);
        }
    }

    #[test]
    fn a_bump_follows_the_market() {
        let last = Fees {
            max_fee: 100,
            tip: 5,
        };
        let fresh = Fees {
            max_fee: 400,
            tip: 20,
        };
        assert_eq!(bump(last, fresh, LIMITS), Some(fresh));
    }

    #[test]
    fn the_last_bump_ends_at_the_cap() {
        let last = Fees {
            max_fee: 900,
            tip: 5,
        };
        assert_eq!(
            bump(last, last, LIMITS),
            Some(Fees {
                max_fee: 1_000,
                tip: 6
            })
        );
        let at_cap = Fees {
            max_fee: 1_000,
            tip: 6,
        };
        assert_eq!(bump(at_cap, at_cap, LIMITS), None);
    }
}
