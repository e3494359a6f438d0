//! 256-bit numbers in a form that a policy language with 64-bit integers can compare.

use alloy_primitives::{I256, U256};
use serde::Serialize;

/// A 256-bit number for policies, whose own integers have 64 bits.
///
/// `low` is exact while `over` is false. `e6` and `e18` count whole tokens of 6 and 18 decimals,
/// *rounded away from zero*, so that a rule "more than 1000 tokens" (`amount.e18 > 1000`) already
/// sees 1000 tokens and one base unit. All three saturate at the ends of a 64-bit integer, which
/// keeps any comparison with a smaller limit right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// The exact number in decimal, with a leading `-` when negative.
    pub raw: String,
    /// The number in base units, saturated.
    pub low: i64,
    /// `low` was saturated.
    pub over: bool,
    /// Units of 10^6, rounded away from zero, saturated.
    pub e6: i64,
    /// Units of 10^18, rounded away from zero, saturated.
    pub e18: i64,
}

const E6: u64 = 1_000_000;
const E18: u64 = 1_000_000_000_000_000_000;

impl Amount {
    /// An unsigned number.
    #[must_use]
    pub fn unsigned(value: U256) -> Self {
        Self::new(value, false)
    }

    /// A signed number.
    #[must_use]
    pub fn signed(value: I256) -> Self {
        Self::new(value.unsigned_abs(), value.is_negative())
    }

    fn new(magnitude: U256, negative: bool) -> Self {
        let (low, over) = saturate(magnitude, negative);
        let raw = if negative {
            format!("-{magnitude}")
        } else {
            magnitude.to_string()
        };
        let scaled = |unit: u64| saturate(magnitude.div_ceil(U256::from(unit)), negative).0;
        Self {
            raw,
            low,
            over,
            e6: scaled(E6),
            e18: scaled(E18),
        }
    }

    /// The larger in magnitude of the saturated values; equal ones keep `self`.
    #[must_use]
    pub fn larger(self, other: Self) -> Self {
        let rank = |a: &Self| {
            (
                a.raw.trim_start_matches('-').len(),
                a.raw.trim_start_matches('-').to_owned(),
            )
        };
        if rank(&other) > rank(&self) {
            other
        } else {
            self
        }
    }
}

fn saturate(magnitude: U256, negative: bool) -> (i64, bool) {
    match (i64::try_from(magnitude), negative) {
        (Ok(value), false) => (value, false),
        (Ok(value), true) => (-value, false),
        (Err(_), false) => (i64::MAX, true),
        // The one magnitude that fits only when negative.
        (Err(_), true) => (i64::MIN, magnitude != U256::from(1_u64 << 63)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_are_exact() {
        let amount = Amount::unsigned(U256::from(1_500_000));
        assert_eq!(
            (amount.low, amount.over, amount.e6, amount.e18),
            (1_500_000, false, 2, 1)
        );
        assert_eq!(amount.raw, "1500000");
    }

    #[test]
    fn a_limit_in_whole_tokens_sees_the_first_base_unit_above_it() {
        let thousand = U256::from(1000) * U256::from(E18);
        assert_eq!(Amount::unsigned(thousand).e18, 1000);
        assert_eq!(Amount::unsigned(thousand + U256::ONE).e18, 1001);
    }

    #[test]
    fn the_largest_number_saturates_everywhere() {
        let amount = Amount::unsigned(U256::MAX);
        assert!(amount.over);
        assert_eq!(
            (amount.low, amount.e6, amount.e18),
            (i64::MAX, i64::MAX, i64::MAX)
        );
    }

    #[test]
    fn negative_numbers_keep_their_sign() {
        let amount = Amount::signed(I256::try_from(-5).unwrap());
        assert_eq!(
            (amount.raw.as_str(), amount.low, amount.e18),
            ("-5", -5, -1)
        );
        let least = Amount::signed(I256::try_from(i64::MIN).unwrap());
        assert_eq!((least.low, least.over), (i64::MIN, false));
        assert_eq!(Amount::signed(I256::MIN).low, i64::MIN);
        assert!(Amount::signed(I256::MIN).over);
    }

    #[test]
    fn the_larger_amount_is_found_by_value_not_by_text() {
        let nine = Amount::unsigned(U256::from(9));
        let ten = Amount::unsigned(U256::from(10));
        assert_eq!(nine.clone().larger(ten.clone()), ten);
        assert_eq!(ten.clone().larger(nine), ten);
    }
}
