//! Whether 32 bytes are equal: one instruction of the proving machine, where a comparison of arrays
//! is a call.
#![expect(unsafe_code, reason = "the machine's instruction takes addresses")]
#![expect(
    clippy::inline_always,
    reason = "the guest pays for calls, and inlined, it is known what lies at a word's boundary"
)]

use alloy_primitives::U256;

use crate::wide;

/// Whether both numbers are equal.
#[must_use]
#[inline(always)]
pub fn numbers(one: &U256, other: &U256) -> bool {
    // SAFETY: both are references.
    unsafe { wide::equal(one, other) }
}

/// Whether both byte strings are equal.
#[must_use]
#[inline(always)]
pub fn bytes(one: &[u8; 32], other: &[u8; 32]) -> bool {
    #[cfg(target_os = "zkvm")]
    if (one.as_ptr().addr() | other.as_ptr().addr()).is_multiple_of(4) {
        // SAFETY: both are references, and the machine demands no more than words.
        return unsafe { wide::equal(one.as_ptr().cast(), other.as_ptr().cast()) };
    }
    one == other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_counts() {
        let one = [7; 32];
        assert!(bytes(&one, &one.clone()));
        for at in 0..32 {
            let mut other = one;
            other[at] ^= 0x80;
            assert!(!bytes(&one, &other));
            let numbers_of = [one, other].map(U256::from_be_bytes::<32>);
            assert!(!numbers(&numbers_of[0], &numbers_of[1]));
            assert!(numbers(&numbers_of[1], &numbers_of[1].clone()));
        }
    }
}
