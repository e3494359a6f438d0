//! The two hash functions of the tree and the values that they relate.

use cloister_crypto::{domain, hash_pair};
use core::fmt;

/// A SHA-256 digest: 32 bytes.
pub type Hash = [u8; 32];

/// The hash that stands for a subtree without leaves: 32 zero bytes.
pub const EMPTY: Hash = [0; 32];

/// Number of bits in a key, and so the greatest depth that a leaf can have.
pub const MAX_DEPTH: usize = 256;

/// The path of a leaf: 32 bytes, read from the most significant bit of the first byte on.
///
/// Keys are digests (of a kind, an address and a slot), so they spread evenly and nobody can
/// choose them to make the tree deep.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
// Aligned to words, which the guest copies at a fourth of the cost of bytes.
#[repr(C, align(4))]
pub struct LeafKey(pub Hash);

impl LeafKey {
    /// The bit that decides at `depth` whether the path goes left (`false`) or right (`true`).
    ///
    /// Depths of [`MAX_DEPTH`] and more have no bit and answer `false`.
    #[must_use]
    pub fn bit(&self, depth: usize) -> bool {
        self.0
            .get(depth / 8)
            .is_some_and(|byte| byte & (0x80 >> (depth % 8)) != 0)
    }

    /// Whether the first `depth` bits of both keys are equal.
    #[must_use]
    pub fn shares_prefix(&self, other: &Self, depth: usize) -> bool {
        self.common_bits(other) >= depth
    }

    /// How many leading bits both keys have in common: 0 to 256.
    #[must_use]
    pub fn common_bits(&self, other: &Self) -> usize {
        let mut bits = 0;
        for (ours, theirs) in self.0.iter().zip(&other.0) {
            let differing = ours ^ theirs;
            bits += differing.leading_zeros() as usize;
            if differing != 0 {
                break;
            }
        }
        bits
    }
}

impl fmt::Debug for LeafKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LeafKey({self})")
    }
}

impl fmt::Display for LeafKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

/// The hiding commitment to a leaf's value: 32 bytes.
///
/// What it commits to and with which salt is not the tree's business.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(C, align(4))]
pub struct LeafCommit(pub Hash);

impl fmt::Debug for LeafCommit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LeafCommit(")?;
        write_hex(f, &self.0)?;
        f.write_str(")")
    }
}

/// Something that lies on the path of a key: a key itself or a change to its leaf.
pub(crate) trait Keyed {
    /// The key.
    fn key(&self) -> &LeafKey;
}

impl Keyed for LeafKey {
    fn key(&self) -> &LeafKey {
        self
    }
}

impl Keyed for (LeafKey, LeafCommit) {
    fn key(&self) -> &LeafKey {
        &self.0
    }
}

/// Splits items sorted by key, which agree up to `depth`, into those that go left and right.
#[inline]
pub(crate) fn split<T: Keyed>(items: &[T], depth: usize) -> (&[T], &[T]) {
    // Most often there is one item; a search would cost the guest more.
    let at = match items {
        [only] => usize::from(!only.key().bit(depth)),
        _ => items.partition_point(|item| !item.key().bit(depth)),
    };
    items.split_at(at)
}

/// The first pair of neighbours that is not in strictly ascending order, by its second position.
pub(crate) fn first_unsorted<T: Keyed>(items: &[T]) -> Option<usize> {
    items
        .windows(2)
        .position(|pair| !ascend(pair[0].key(), pair[1].key()))
        .map(|at| at + 1)
}

/// Whether one key is before the other. The first word decides nearly always; the guest calls a
/// function for the comparison of arrays.
#[inline]
fn ascend(one: &LeafKey, other: &LeafKey) -> bool {
    let [first, second] = [one, other].map(|key| {
        let [a, b, c, d, ..] = key.0;
        u32::from_be_bytes([a, b, c, d])
    });
    first < second || first == second && one < other
}

/// Node hash of a leaf: `SHA-256(0x01 ‖ key ‖ commit)`.
#[must_use]
pub fn leaf_hash(key: &LeafKey, commit: &LeafCommit) -> Hash {
    hash_pair(domain::TREE_LEAF, &key.0, &commit.0)
}

/// Node hash of an inner node: `SHA-256(0x02 ‖ left ‖ right)`.
///
/// An absent child is [`EMPTY`].
#[must_use]
pub fn inner_hash(left: &Hash, right: &Hash) -> Hash {
    hash_pair(domain::TREE_INNER, left, right)
}

/// Writes bytes as lower-case hexadecimal digits.
pub(crate) fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_read_from_the_most_significant_one() {
        let mut key = LeafKey::default();
        key.0[0] = 0b0100_0001;
        key.0[31] = 1;
        let ones: alloc::vec::Vec<usize> = (0..300).filter(|&depth| key.bit(depth)).collect();
        assert_eq!(ones, [1, 7, 255]);
    }

    #[test]
    fn common_bits_count_up_to_the_first_difference() {
        let zero = LeafKey::default();
        let mut other = LeafKey::default();
        assert_eq!(zero.common_bits(&other), 256);
        other.0[2] = 0x10;
        assert_eq!(zero.common_bits(&other), 19);
        assert!(zero.shares_prefix(&other, 19));
        assert!(!zero.shares_prefix(&other, 20));
    }
}
