//! SHA-256 (FIPS 180-4) with a domain byte in front, and HMAC (RFC 2104) with it.
//!
//! This is the only place that hashes with SHA-256: on the proving machine its own compression
//! function is used instead of software, chosen when the program is built.

#[cfg(not(target_os = "zkvm"))]
mod native;
#[cfg(target_os = "zkvm")]
mod zkvm;

#[cfg(not(target_os = "zkvm"))]
use native as machine;
#[cfg(target_os = "zkvm")]
use zkvm as machine;

#[cfg(target_os = "zkvm")]
pub(crate) use machine::reverse;
pub(crate) use machine::{Beginning, Keyed, Sha256, hash_seven};

pub use machine::{Pair, address_words, hash_pair, hash_pair_to, sha256};

/// A half of a [`Pair`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// The first one.
    Left,
    /// The second one.
    Right,
}

/// SHA-256 of bytes as they are, without a domain: for Ethereum's precompiled contract.
#[must_use]
pub fn plain_sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_hashed_like_its_parts() {
        assert_eq!(
            hash_pair(2, &[3; 32], &[4; 32]),
            sha256(2, &[&[3; 32], &[4; 32]])
        );
    }

    #[test]
    fn a_kept_pair_is_hashed_like_one_put_together() {
        let mut pair = Pair::new(2);
        pair.set(Half::Right, &[4; 32]);
        pair.set(Half::Left, &[3; 32]);
        assert_eq!(
            [Half::Left, Half::Right].map(|half| pair.get(half)),
            [[3; 32], [4; 32]]
        );
        let mut above = Pair::new(7);
        above.set_hash(Half::Right, &pair);
        assert_eq!(above.get(Half::Right), hash_pair(2, &[3; 32], &[4; 32]));
        assert_eq!(above.get(Half::Left), [0; 32]);
    }

    #[test]
    fn the_hash_is_that_of_fips_180() {
        // The example message `abc` of FIPS 180-4, its first byte as the domain.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex::encode(sha256(b'a', &[b"b", b"c"])), expected);
        assert_eq!(hex::encode(plain_sha256(b"abc")), expected);
    }
}
