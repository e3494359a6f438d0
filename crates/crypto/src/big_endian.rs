//! Numbers of 256 bits as bytes, the most significant one first.
//!
//! The proving machine's numbers begin with the least significant byte; it turns all words of a
//! number around at once.
#![cfg_attr(
    target_os = "zkvm",
    expect(unsafe_code, reason = "the machine's instructions take addresses")
)]

use alloy_primitives::U256;

/// The number that bytes are.
#[must_use]
#[inline]
pub fn number(bytes: &[u8; 32]) -> U256 {
    #[cfg(target_os = "zkvm")]
    if bytes.as_ptr().addr().is_multiple_of(4) {
        let mut number = core::mem::MaybeUninit::<U256>::uninit();
        // SAFETY: both have eight words, all of which are written.
        return unsafe {
            crate::hash::reverse(bytes.as_ptr().cast(), number.as_mut_ptr().cast());
            number.assume_init()
        };
    }
    U256::from_be_bytes(*bytes)
}

/// The bytes that a number is.
#[must_use]
#[inline]
pub fn bytes(number: &U256) -> [u8; 32] {
    #[cfg(target_os = "zkvm")]
    {
        let mut words = core::mem::MaybeUninit::<[u32; 8]>::uninit();
        // SAFETY: both have eight words, all of which are written, and are 32 bytes.
        unsafe {
            crate::hash::reverse(
                core::ptr::from_ref(number).cast(),
                words.as_mut_ptr().cast(),
            );
            words.as_ptr().cast::<[u8; 32]>().read()
        }
    }
    #[cfg(not(target_os = "zkvm"))]
    number.to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_are_read_back(expected: [u8; 32]) {
            let value = number(&expected);
            prop_assert_eq!(value, U256::from_be_bytes(expected));
            prop_assert_eq!(bytes(&value), expected);
        }
    }
}
