//! What the accelerators answer, in one digest: computed on the machine and by software, it must be
//! the same. Every result goes into it, of good and bad input, at every length and alignment.

use alloy_primitives::{B256, U256, keccak256};
use cloister_crypto::{
    BatchKey, BatchSalter, CryptoProvider,
    hash::{Half, Pair, hash_pair, plain_sha256, sha256},
    wide,
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
    wide_numbers(&mut results);
    memory(&mut results);
    results.0
}

/// Operations on 256-bit numbers, with the result beside the operands and in their place.
fn wide_numbers(results: &mut Results) {
    type Operation = unsafe fn(*mut U256, *const U256, *const U256);
    const OPERATIONS: [Operation; 9] = [
        wide::add,
        wide::sub,
        wide::xor,
        wide::or,
        wide::and,
        wide::less,
        wide::mul,
        wide::shl,
        wide::shr,
    ];
    let high = U256::from(1) << 255;
    let mut numbers = [U256::ZERO; 20];
    let chosen = [U256::ZERO, U256::from(1), U256::MAX, high, high - U256::from(1)];
    for (at, number) in numbers.iter_mut().enumerate() {
        let hash = || U256::from_be_bytes(keccak256([at as u8]).0);
        // Some of every length, all of their bytes of any value.
        *number = chosen.get(at).copied().unwrap_or_else(|| hash() >> (at * 13 - 65));
    }
    for one in numbers {
        for other in numbers {
            for (kind, operation) in OPERATIONS.into_iter().enumerate() {
                // Shifts take fewer than 256 bits.
                let other = if kind > 6 { other & U256::from(255) } else { other };
                let (mut beside, mut first, mut second) = (U256::MAX, one, other);
                // SAFETY: all are numbers of this function.
                unsafe {
                    operation(&mut beside, &one, &other);
                    operation(&mut first, &raw const first, &other);
                    operation(&mut second, &one, &raw const second);
                }
                for result in [beside, first, second] {
                    results.add(&result.to_be_bytes::<32>());
                }
            }
            let mut copied = other;
            // SAFETY: as above.
            let equal = unsafe {
                let equal = wide::equal(&one, &other);
                wide::copy(&mut copied, &one);
                [equal, wide::equal(&one, &copied)]
            };
            results.add(&equal.map(u8::from));
            results.add(&copied.to_be_bytes::<32>());
        }
    }
}

/// Copies, moves, fills and comparisons of every length and alignment.
fn memory(results: &mut Results) {
    const LENGTHS: [usize; 24] = [
        0, 1, 2, 3, 4, 5, 7, 8, 12, 20, 31, 32, 33, 35, 36, 47, 52, 63, 64, 65, 96, 100, 128, 131,
    ];
    #[repr(align(4))]
    struct Aligned([u8; 400]);
    let mut from = Aligned([0; 400]);
    for (at, byte) in from.0.iter_mut().enumerate() {
        *byte = (at * 7 + at / 37) as u8;
    }
    for length in core::hint::black_box(LENGTHS) {
        for start in 0..4 {
            for target in 0..4 {
                let mut to = Aligned([0x55; 400]);
                to.0[target..target + length].copy_from_slice(&from.0[start..start + length]);
                results.add(&plain_sha256(&to.0[..length + 8]));
                to.0[target..target + length].fill(0);
                results.add(&plain_sha256(&to.0[..length + 8]));
                to.0[target..target + length].fill(0xa3);
                results.add(&plain_sha256(&to.0[..length + 8]));
                // Within one place: the target behind and before the source, near and far.
                for distance in [0, 4, 8, 28, 32, 36, 60, 64, 130] {
                    for (source, target) in [(start, distance + target), (distance + start, target)] {
                        let mut both = Aligned(from.0);
                        both.0.copy_within(source..source + length, target);
                        results.add(&plain_sha256(&both.0[..300]));
                    }
                }
                // A difference at each place, in either direction.
                let mut other = Aligned([0; 400]);
                other.0[target..target + length].copy_from_slice(&from.0[start..start + length]);
                results.add(&[compared(&from.0[start..], &other.0[target..], length)]);
                for at in (0..length).step_by(5) {
                    for change in [1, 255] {
                        let was = other.0[target + at];
                        other.0[target + at] = was.wrapping_add(change);
                        let ordered = compared(&from.0[start..], &other.0[target..], length);
                        results.add(&[ordered]);
                        other.0[target + at] = was;
                    }
                }
            }
        }
    }
}

/// How the beginnings of two lists compare, and whether they are equal.
fn compared(one: &[u8], other: &[u8], length: usize) -> u8 {
    let (one, other) = (&one[..length], &other[..length]);
    let equal = u8::from(one == other);
    match one.cmp(other) {
        core::cmp::Ordering::Less => equal,
        core::cmp::Ordering::Equal => equal + 2,
        core::cmp::Ordering::Greater => equal + 4,
    }
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
