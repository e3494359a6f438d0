//! What the accelerators answer, in one digest: computed on the machine and by software, it must be
//! the same. Every result goes into it, of good and bad input, at every length and alignment.

use alloy_primitives::{B256, U256, keccak256};
use cloister_crypto::{
    BatchKey, BatchSalter, CryptoProvider,
    hash::{Half, Pair, hash_pair, plain_sha256, sha256},
};
use revm::precompile::Crypto;

use crate::{curve::ORDER, generator};

/// Longest message that is hashed, in bytes.
const LONGEST: usize = 300;

/// The results so far.
struct Results([u8; 32]);

impl Results {
    fn add(&mut self, result: &[u8]) {
        let mut message = [0; 65];
        message[..32].copy_from_slice(&self.0);
        message[32] = u8::try_from(result.len()).unwrap_or(u8::MAX);
        message[33..33 + result.len()].copy_from_slice(result);
        self.0 = plain_sha256(&message);
    }
}

/// The digest of all results.
#[must_use]
pub fn digest(provider: &(impl CryptoProvider + Crypto)) -> [u8; 32] {
    let mut results = Results([0; 32]);
    hashes(&mut results, provider);
    recoveries(&mut results, provider);
    results.0
}

fn hashes(results: &mut Results, provider: &impl Crypto) {
    let mut bytes = [0_u8; LONGEST + 4];
    for (index, byte) in (0_u8..=250).cycle().zip(&mut bytes) {
        *byte = index;
    }
    for start in 0..4 {
        for length in 0..=LONGEST {
            let message = &bytes[start..start + length];
            results.add(keccak256(message).as_slice());
            results.add(&provider.sha256(message));
            let (first, second) = message.split_at(length / 3);
            results.add(&sha256(7, &[first, second]));
            results.add(&sha256(8, &[&[1], first, &[2], second]));
        }
        for other in 0..4 {
            let left = bytes[start..].first_chunk().unwrap_or(&[0; 32]);
            let right = bytes[40 + other..].first_chunk().unwrap_or(&[0; 32]);
            results.add(&hash_pair(9, left, right));
            let mut pair = Pair::new(9);
            pair.set(Half::Left, left);
            pair.set(Half::Right, right);
            let mut above = Pair::new(10);
            above.set(Half::Right, left);
            above.set_hash(Half::Left, &pair);
            results.add(&above.get(Half::Left));
            above.set_hash(Half::Right, &pair);
            pair.set_hash(Half::Left, &above);
            results.add(&pair.get(Half::Left));
            results.add(&pair.get(Half::Right));
            let salter = BatchSalter::new(&BatchKey::new(*left));
            results.add(salter.leaf_salt(right).as_bytes());
            results.add(salter.log_salt(&B256::new(*right), 5).as_bytes());
        }
    }
}

fn recoveries(results: &mut Results, provider: &(impl CryptoProvider + Crypto)) {
    let one = U256::from(1);
    let order = crate::provider::number(&ORDER);
    let x = |digit: usize| crate::provider::number(&generator::ONE[digit].x);
    let numbers = [
        U256::ZERO,
        one,
        U256::from(2),
        U256::from(5),
        U256::from(6),
        order >> 1,
        (order >> 1) + one,
        order - one,
        order,
        U256::MAX,
        (one << 128) - one,
        x(9),
        x(10),
        x(0),
    ];
    let digests = [B256::ZERO, B256::repeat_byte(0xff), B256::from(x(9)), B256::from(order)];
    for r in &numbers {
        for s in &numbers {
            for digest in &digests {
                for odd in [false, true] {
                    recovery(results, provider, digest, r, s, odd);
                }
            }
        }
    }
    // The key would be the point at infinity: R = G and z = s.
    for s in [one, U256::from(77), order - one] {
        for odd in [false, true] {
            recovery(results, provider, &B256::from(s), &x(9), &s, odd);
        }
    }
}

fn recovery(
    results: &mut Results,
    provider: &(impl CryptoProvider + Crypto),
    digest: &B256,
    r: &U256,
    s: &U256,
    odd: bool,
) {
    match provider.recover(digest, r, s, odd) {
        Ok(address) => results.add(address.as_slice()),
        Err(_) => results.add(&[1]),
    }
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&r.to_be_bytes::<32>());
    signature[32..].copy_from_slice(&s.to_be_bytes::<32>());
    match provider.secp256k1_ecrecover(&signature, u8::from(odd), &digest.0) {
        Ok(word) => results.add(&word),
        Err(_) => results.add(&[2]),
    }
}
