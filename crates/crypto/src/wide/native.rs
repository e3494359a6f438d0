//! By plain arithmetic.
#![expect(unsafe_code, reason = "the same form as on the proving machine")]
#![expect(
    clippy::inline_always,
    reason = "the same form as on the proving machine"
)]

use alloy_primitives::U256;

macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident = $operation:expr;)*) => {
        $(
            $(#[$doc])*
            ///
            /// # Safety
            /// As the module says.
            #[inline(always)]
            pub unsafe fn $name(to: *mut U256, one: *const U256, other: *const U256) {
                // SAFETY: the caller's promise.
                unsafe { *to = $operation(*one, *other) }
            }
        )*
    };
}

operations! {
    /// The sum modulo 2^256.
    add = U256::wrapping_add;
    /// The difference modulo 2^256.
    sub = U256::wrapping_sub;
    /// What is in one of both.
    xor = |one, other| one ^ other;
    /// What is in either.
    or = |one, other| one | other;
    /// What is in both.
    and = |one, other| one & other;
    /// `one` times two to the power of `other`, which must be less than 256.
    shl = |one: U256, other: U256| one.wrapping_shl(usize::from(other.byte(0)));
    /// `one` divided by two to the power of `other`, which must be less than 256.
    shr = |one: U256, other: U256| one.wrapping_shr(usize::from(other.byte(0)));
    /// 1 if `one` is less than `other`, else 0.
    less = |one: U256, other: U256| U256::from(one < other);
    /// The product modulo 2^256.
    mul = U256::wrapping_mul;
}

/// A copy.
///
/// # Safety
/// As the module says.
#[inline(always)]
pub unsafe fn copy(to: *mut U256, from: *const U256) {
    // SAFETY: the caller's promise.
    unsafe { *to = *from }
}

/// Whether both are equal.
///
/// # Safety
/// As the module says.
#[inline(always)]
#[must_use]
pub unsafe fn equal(one: *const U256, other: *const U256) -> bool {
    // SAFETY: the caller's promise.
    unsafe { *one == *other }
}
