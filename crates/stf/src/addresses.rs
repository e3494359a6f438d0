//! Short lists of addresses in ascending order.

use alloc::vec::Vec;
use alloy_primitives::Address;
use cloister_crypto::hash::address_words;
use core::cmp::Ordering;

/// Brings addresses in ascending order, each once.
pub(crate) fn sort(addresses: &mut Vec<Address>) {
    addresses.sort_unstable_by(compare);
    addresses.dedup();
}

/// Puts an address where it belongs in a list in ascending order, unless it is there. For lists of
/// two or three, as they nearly always are.
pub(crate) fn insert(sorted: &mut Vec<Address>, address: &Address) {
    let mut at = sorted.len();
    // From the end on, for those that come in ascending order.
    while let Some(before) = at.checked_sub(1)
        && let Some(known) = sorted.get(before)
    {
        match compare(known, address) {
            Ordering::Less => break,
            Ordering::Equal => return,
            Ordering::Greater => at = before,
        }
    }
    if at == sorted.len() {
        sorted.push(*address);
    } else {
        sorted.insert(at, *address);
    }
}

/// By the first word that differs, which is nearly always the first one: the guest calls a function
/// for the comparison of arrays.
#[inline]
fn compare(one: &Address, other: &Address) -> Ordering {
    let words = address_words(one).into_iter().zip(address_words(other));
    for (one, other) in words {
        if one != other {
            return u32::from_be(one).cmp(&u32::from_be(other));
        }
    }
    Ordering::Equal
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn lists_are_sorted_like_sets(
            numbers in proptest::collection::vec((0..20_usize, 0..3_u8), 0..40),
        ) {
            let mut addresses: Vec<Address> = numbers
                .iter()
                .map(|(at, byte)| {
                    let mut address = Address::ZERO;
                    address[*at] = byte.wrapping_mul(0x7f);
                    address
                })
                .collect();
            let expected: BTreeSet<Address> = addresses.iter().copied().collect();
            let mut inserted = Vec::new();
            for address in &addresses {
                insert(&mut inserted, address);
            }
            sort(&mut addresses);
            prop_assert_eq!(&addresses, &inserted);
            prop_assert_eq!(addresses, expected.into_iter().collect::<Vec<_>>());
        }
    }
}
