//! By the `sha2` and `hmac` crates.

use core::fmt;

use cloister_types::Salt;
use hmac::{Hmac, Mac};
use sha2::Digest;
use zeroize::Zeroize;

use super::Half;

/// A hash on the way.
#[derive(Clone)]
pub(crate) struct Sha256(sha2::Sha256);

impl Sha256 {
    pub(crate) fn new() -> Self {
        Self(sha2::Sha256::new())
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// SHA-256 of a domain byte and the parts after it.
#[must_use]
pub fn sha256(domain: u8, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(&[domain]);
    for part in parts {
        hasher.update(part);
    }
    hasher.finish()
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
    sha2::Sha256::digest(input).into()
}

/// SHA-256 of a domain byte and seven 32-byte values.
#[must_use]
pub(crate) fn hash_seven(domain: u8, values: [&[u8; 32]; 7]) -> [u8; 32] {
    sha256(domain, &values.map(<[u8; 32]>::as_slice))
}

/// Writes [`hash_pair`] where it belongs.
pub fn hash_pair_to(out: &mut [u8; 32], domain: u8, left: &[u8; 32], right: &[u8; 32]) {
    *out = hash_pair(domain, left, right);
}

/// An address as words, in the machine's order of bytes: what maps compare and hash.
#[must_use]
pub fn address_words(address: &[u8; 20]) -> [u32; 5] {
    let mut words = [0; 5];
    for (word, bytes) in words.iter_mut().zip(address.as_chunks::<4>().0) {
        *word = u32::from_ne_bytes(*bytes);
    }
    words
}

/// The message of [`hash_pair`], kept so that a half can be replaced.
#[derive(Clone, Debug)]
pub struct Pair {
    domain: u8,
    halves: [[u8; 32]; 2],
}

impl Pair {
    /// A pair of two hashes of zeros.
    #[must_use]
    pub const fn new(domain: u8) -> Self {
        Self {
            domain,
            halves: [[0; 32]; 2],
        }
    }

    /// Replaces a half.
    pub const fn set(&mut self, half: Half, hash: &[u8; 32]) {
        let [left, right] = &mut self.halves;
        match half {
            Half::Left => *left = *hash,
            Half::Right => *right = *hash,
        }
    }

    /// A half.
    #[must_use]
    pub const fn get(&self, half: Half) -> [u8; 32] {
        let [left, right] = self.halves;
        match half {
            Half::Left => left,
            Half::Right => right,
        }
    }

    /// Replaces a half by the hash of another pair.
    pub fn set_hash(&mut self, half: Half, of: &Self) {
        let [left, right] = &of.halves;
        self.set(half, &hash_pair(of.domain, left, right));
    }
}

/// HMAC with the key already absorbed (two compressions, done once).
#[derive(Clone)]
pub(crate) struct Keyed(Hmac<sha2::Sha256>);

impl Keyed {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        // A key shorter than a block is padded with zeros: RFC 2104, section 2.
        let mut block = [0; 64];
        let (start, _) = block.split_at_mut(32);
        start.copy_from_slice(key);
        let mac = <Hmac<sha2::Sha256> as hmac::digest::KeyInit>::new(&block.into());
        block.zeroize();
        Self(mac)
    }

    /// The first bytes, 16 or 32, of the HMAC of the parts, which are at most 55 bytes together.
    pub(crate) fn mac<const BYTES: usize>(&self, parts: &[&[u8]]) -> [u8; BYTES] {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        let digest: [u8; 32] = mac.finalize().into_bytes().into();
        let mut bytes = [0; BYTES];
        for (byte, digest) in bytes.iter_mut().zip(digest) {
            *byte = digest;
        }
        bytes
    }

    /// What begins with a byte and 32 bytes, with which several messages begin.
    pub(crate) fn beginning(&self, first: u8, middle: &[u8; 32]) -> Beginning<'_> {
        let mut mac = self.0.clone();
        mac.update(&[first]);
        mac.update(middle);
        Beginning {
            mac,
            key: core::marker::PhantomData,
        }
    }
}

/// The first 33 bytes of messages of 38.
pub(crate) struct Beginning<'a> {
    mac: Hmac<sha2::Sha256>,
    /// As on the proving machine, where the key is not copied.
    key: core::marker::PhantomData<&'a Keyed>,
}

impl Beginning<'_> {
    /// The first 16 bytes of the HMAC of a message that ends with a byte and a big-endian number.
    pub(crate) fn mac(&mut self, byte: u8, number: u32) -> Salt {
        let mut mac = self.mac.clone();
        mac.update(&[byte]);
        mac.update(&number.to_be_bytes());
        let digest: [u8; 32] = mac.finalize().into_bytes().into();
        let mut bytes = [0; 16];
        for (byte, digest) in bytes.iter_mut().zip(digest) {
            *byte = digest;
        }
        Salt::from(bytes)
    }
}

impl fmt::Debug for Keyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyed(..)")
    }
}
