//! SHA-256 (FIPS 180-4) with a domain byte in front.

use sha2::{Digest, Sha256};

/// SHA-256 of a domain byte and the parts after it.
#[must_use]
pub fn sha256(domain: u8, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update([domain]);
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// SHA-256 of a domain byte and two 32-byte values: the form of most hashes here.
#[must_use]
pub fn hash_pair(domain: u8, left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut input = [0; 65];
    let (first, rest) = input.split_at_mut(1);
    first.copy_from_slice(&[domain]);
    let (first, second) = rest.split_at_mut(32);
    first.copy_from_slice(left);
    second.copy_from_slice(right);
    Sha256::digest(input).into()
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
    fn the_hash_is_that_of_fips_180() {
        // The example message `abc` of FIPS 180-4, its first byte as the domain.
        assert_eq!(
            hex::encode(sha256(b'a', &[b"b", b"c"])),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
