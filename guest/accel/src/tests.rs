//! The curve and the providers on a model of the machine, honest and hostile.

use core::mem::MaybeUninit;

use alloy_primitives::{B256, U256};
use cloister_crypto::{CryptoProvider as _, NativeCrypto, SignatureError};
use k256::ecdsa::SigningKey;
use revm::precompile::{Crypto as _, DefaultCrypto};

use crate::{
    curve::{Int, Machine, ORDER, Operation, PRIME, Point, recover},
    generator,
    provider::{Provider, number},
};

/// Keccak-256 in software, where `alloy-primitives` expects the machine's.
#[unsafe(no_mangle)]
unsafe extern "C" fn native_keccak256(bytes: *const u8, length: usize, output: *mut u8) {
    let mut hasher = alloy_primitives::Keccak256::new();
    // SAFETY: the caller's promise, as in `keccak.rs`.
    unsafe {
        hasher.update(core::slice::from_raw_parts(bytes, length));
        output.cast::<[u8; 32]>().write(hasher.finalize().0);
    }
}

/// What a host can do where the machine lets it.
trait Host {
    /// The hint for a root, given the right one if there is one.
    fn hint(root: Option<U256>) -> U256;
    /// How a result below 2^256 - p is given, which has two representations.
    fn represent(value: U256) -> U256 {
        value
    }
}

/// Tells the truth; for a number that is no square the root of its negative.
struct Honest;
/// Says that there is no root.
struct Denies;
/// Gives a root that is none.
struct Lies;
/// Gives the right root, not reduced where that is possible.
struct Unreduced;
/// Gives results unreduced where that is possible.
struct Inflates;

impl Host for Honest {
    fn hint(root: Option<U256>) -> U256 {
        root.unwrap_or(U256::from(5))
    }
}

impl Host for Denies {
    fn hint(_: Option<U256>) -> U256 {
        U256::ZERO
    }
}

impl Host for Lies {
    fn hint(root: Option<U256>) -> U256 {
        root.map_or(U256::MAX, |root| root.wrapping_add(U256::from(1)))
    }
}

impl Host for Unreduced {
    fn hint(root: Option<U256>) -> U256 {
        let root = root.unwrap_or(U256::ZERO);
        root.checked_add(prime()).unwrap_or(U256::MAX)
    }
}

impl Host for Inflates {
    fn hint(root: Option<U256>) -> U256 {
        Honest::hint(root)
    }

    fn represent(value: U256) -> U256 {
        value.checked_add(prime()).unwrap_or(value)
    }
}

/// The machine's instructions as their documentation has them, over `H`.
struct Model<H>(core::marker::PhantomData<H>);

fn int(value: U256) -> Int {
    let mut words = [0; 8];
    for (index, word) in words.iter_mut().enumerate() {
        *word = (value >> (32 * index)).as_limbs()[0] as u32;
    }
    Int(words)
}

fn prime() -> U256 {
    number(&PRIME)
}

fn order() -> U256 {
    number(&ORDER)
}

fn minus(a: U256, b: U256, modulus: U256) -> U256 {
    (a % modulus).add_mod(modulus - b % modulus, modulus)
}

fn inverse(a: U256, modulus: U256) -> U256 {
    (a % modulus).pow_mod(modulus - U256::from(2), modulus)
}

/// The third point on the line through two, mirrored, given the line's slope.
fn third(a: &Point, other_x: U256, slope: U256) -> (U256, U256) {
    let p = prime();
    let (x1, y1) = (number(&a.x), number(&a.y));
    let x = minus(minus(slope.mul_mod(slope, p), x1, p), other_x, p);
    (x, minus(slope.mul_mod(minus(x1, x, p), p), y1, p))
}

impl<H: Host> Machine for Model<H> {
    fn to(out: &mut MaybeUninit<Int>, operation: Operation, a: &Int, b: &Int) {
        let (a, b, p) = (number(a), number(b), prime());
        let result = match operation {
            Operation::Add => (a % p).add_mod(b % p, p),
            Operation::Sub => minus(a, b, p),
            Operation::Mul => (a % p).mul_mod(b % p, p),
        };
        out.write(int(H::represent(result)));
    }

    fn equal(a: &Int, b: &Int) -> bool {
        assert!(a.is_below(&PRIME) && b.is_below(&PRIME), "nothing can be proved");
        a == b
    }

    fn root_hint(a: &Int) -> Int {
        let (a, p) = (number(a) % prime(), prime());
        let root = a.pow_mod((p + U256::from(1)) >> 2, p);
        int(H::hint((root.mul_mod(root, p) == a).then_some(root)))
    }

    fn scalar_sub(a: &Int, b: &Int) -> Int {
        int(minus(number(a), number(b), order()))
    }

    fn scalar_div(a: &Int, b: &Int) -> Int {
        let (a, b, n) = (number(a), number(b), order());
        assert_ne!(b % n, U256::ZERO, "division by zero");
        int((a % n).mul_mod(inverse(b, n), n))
    }

    fn add_point(to: &mut Point, other: &Point) {
        let p = prime();
        let rise = minus(number(&other.y), number(&to.y), p);
        let run = minus(number(&other.x), number(&to.x), p);
        assert_ne!(run, U256::ZERO, "the slope could be anything");
        let slope = rise.mul_mod(inverse(run, p), p);
        let (x, y) = third(to, number(&other.x), slope);
        *to = Point {
            x: int(H::represent(x)),
            y: int(H::represent(y)),
        };
    }

    fn sum_to(out: &mut MaybeUninit<Point>, a: &Point, b: &Point) {
        let mut sum = *a;
        Self::add_point(&mut sum, b);
        out.write(sum);
    }

    fn double(point: &mut Point) {
        let p = prime();
        let (x, y) = (number(&point.x), number(&point.y));
        let square = (x % p).mul_mod(x % p, p);
        let rise = square.mul_mod(U256::from(3), p);
        let run = (y % p).mul_mod(U256::from(2), p);
        let (x, y) = third(point, x, rise.mul_mod(inverse(run, p), p));
        *point = Point {
            x: int(H::represent(x)),
            y: int(H::represent(y)),
        };
    }

    fn cheated() -> ! {
        panic!("the host cheated")
    }
}

/// Digests, `r`, `s` and parities that a signature can have, good and bad ones.
fn cases() -> Vec<(B256, U256, U256, bool)> {
    let mut cases = Vec::new();
    for number in 1..=6_u8 {
        let key = SigningKey::from_slice(&[number; 32]).unwrap();
        let digest = alloy_primitives::keccak256([number]);
        let (signature, recovery) = key.sign_prehash_recoverable(digest.as_slice()).unwrap();
        let r = U256::from_be_slice(&signature.r().to_bytes());
        let s = U256::from_be_slice(&signature.s().to_bytes());
        for odd in [false, true] {
            cases.push((digest, r, s, odd ^ recovery.is_y_odd()));
            cases.push((digest, r, order() - s, odd));
        }
    }
    let one = U256::from(1);
    let numbers = [
        one,
        U256::from(2),
        // On no point, and on one.
        U256::from(5),
        U256::from(6),
        order() >> 1,
        order() - one,
        (one << 128) - one,
        one << 128,
        generator_x(),
    ];
    let digests = [B256::ZERO, B256::repeat_byte(0xff), B256::from(order()), B256::from(one)];
    for r in numbers {
        for s in numbers {
            for digest in digests {
                cases.push((digest, r, s, r.bit(3) ^ s.bit(1)));
            }
        }
    }
    cases
}

fn generator_x() -> U256 {
    number(&generator::ONE[9].x)
}

/// Signatures whose key would be infinity: R = k·G and z = s·k.
fn infinite_cases() -> Vec<(B256, U256, U256, bool)> {
    let generator = &generator::ONE[9];
    let odd = number(&generator.y).bit(0);
    [U256::from(1), U256::from(77), order() >> 1]
        .map(|s| (B256::from(s), generator_x(), s, odd))
        .to_vec()
}

fn agrees<H: Host + 'static>(cases: &[(B256, U256, U256, bool)]) {
    let provider = Provider::<Model<H>>::new();
    for (digest, r, s, odd) in cases {
        let ours = provider.recover(digest, r, s, *odd);
        assert_eq!(ours, NativeCrypto.recover(digest, r, s, *odd), "{digest} {r} {s} {odd}");
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&r.to_be_bytes::<32>());
        signature[32..].copy_from_slice(&s.to_be_bytes::<32>());
        assert_eq!(
            provider.secp256k1_ecrecover(&signature, u8::from(*odd), &digest.0),
            DefaultCrypto.secp256k1_ecrecover(&signature, u8::from(*odd), &digest.0),
            "{digest} {r} {s} {odd}"
        );
    }
}

#[test]
fn gives_the_answers_of_the_software() {
    agrees::<Honest>(&cases());
}

#[test]
fn a_key_at_infinity_is_none() {
    let cases = infinite_cases();
    agrees::<Honest>(&cases);
    for (digest, r, s, odd) in cases {
        let key = recover::<Model<Honest>>(&int(U256::from_be_bytes(digest.0)), &int(r), &int(s), odd);
        assert_eq!(key, None);
    }
}

#[test]
fn refuses_what_is_out_of_range_in_both_forms() {
    let one = U256::from(1);
    let mut cases = Vec::new();
    for bad in [U256::ZERO, order(), order() + one, prime(), U256::MAX] {
        cases.push((B256::repeat_byte(1), bad, one, false));
        cases.push((B256::repeat_byte(1), one, bad, true));
    }
    agrees::<Honest>(&cases);
    let provider = Provider::<Model<Honest>>::new();
    let (digest, r, s, odd) = cases_with_high_s();
    assert_eq!(provider.recover(&digest, &r, &s, odd), Err(SignatureError::HighS));
}

fn cases_with_high_s() -> (B256, U256, U256, bool) {
    let high = |case: &(B256, U256, U256, bool)| case.2 > order() >> 1;
    cases().into_iter().find(high).unwrap()
}

/// SPV-10.
#[test]
fn spv_10_a_false_root_changes_no_answer() {
    let cases = cases();
    agrees::<Denies>(&cases);
    agrees::<Lies>(&cases);
    agrees::<Unreduced>(&cases);
}

/// SPV-10: with a root that is not checked for being reduced, its parity could be chosen. The point
/// with y = 1 has another one with y = p + 1 of the other parity.
#[test]
fn spv_10_an_unreduced_root_has_no_parity() {
    let p = prime();
    // x^3 = y^2 - 7 must be a cube for a small y: search one whose y + p fits in 256 bits.
    let (x, y) = (1_u64..200)
        .map(U256::from)
        .find_map(|y| {
            let cube = minus(y.mul_mod(y, p), U256::from(7), p);
            // p = 7 mod 9, so a cube root is the power (p + 2) / 9.
            let x = cube.pow_mod((p + U256::from(2)) / U256::from(9), p);
            (x.mul_mod(x, p).mul_mod(x, p) == cube && x < order()).then_some((x, y))
        })
        .unwrap();
    assert!(y.checked_add(p).is_some());
    let digest = B256::repeat_byte(9);
    for odd in [false, true] {
        agrees::<Unreduced>(&[(digest, x, U256::from(3), odd)]);
    }
}

/// SPV-11: with results that are given unreduced, nothing is proved; no answer is a false one.
#[test]
fn spv_11_unreduced_results_prove_nothing() {
    let honest = Provider::<Model<Honest>>::new();
    let hostile = Provider::<Model<Inflates>>::new();
    for (digest, r, s, odd) in cases().into_iter().chain(infinite_cases()) {
        let told = std::panic::catch_unwind(|| hostile.recover(&digest, &r, &s, odd));
        if let Ok(told) = told {
            assert_eq!(told, honest.recover(&digest, &r, &s, odd));
        }
    }
}

/// SPV-11: equal and opposite summands, which a signer can bring about: R is a small multiple of G,
/// and the windows meet. The model refuses to add points with the same `x`.
#[test]
fn spv_11_meeting_points_are_doubled_or_vanish() {
    let mut cases = Vec::new();
    for digit in (0..16).filter(|digit| *digit != 8) {
        for table in [&generator::ONE, &generator::HALF_WAY] {
            let point: &Point = &table[digit];
            let (r, odd) = (number(&point.x), number(&point.y).bit(0));
            if r >= order() {
                continue;
            }
            for u1 in 0..12_u64 {
                for u2 in 1..12_u64 {
                    // u1 = -z/r, u2 = s/r.
                    let z = minus(U256::ZERO, U256::from(u1).mul_mod(r, order()), order());
                    let s = U256::from(u2).mul_mod(r, order());
                    cases.push((B256::from(z), r, s, odd));
                }
            }
        }
    }
    agrees::<Honest>(&cases);
}

#[test]
fn the_generators_tables_are_its_multiples() {
    let mut base = generator::ONE[9];
    for table in [&generator::ONE, &generator::HALF_WAY] {
        let mut multiple = base;
        for digit in 1..=8_usize {
            if digit == 2 {
                Model::<Honest>::double(&mut multiple);
            } else if digit > 2 {
                Model::<Honest>::add_point(&mut multiple, &base);
            }
            let negative = int(minus(U256::ZERO, number(&multiple.y), prime()));
            assert_eq!(table[8 - digit], Point { x: multiple.x, y: negative });
            if digit < 8 {
                assert_eq!(table[8 + digit], multiple);
            }
        }
        for _ in 0..128 {
            Model::<Honest>::double(&mut base);
        }
    }
    let key = SigningKey::from_slice(&[&[0; 31][..], &[1]].concat()).unwrap();
    let point = key.verifying_key().to_encoded_point(false);
    assert_eq!(point.as_bytes()[1..33], generator_x().to_be_bytes::<32>());
}

#[test]
fn sha_256_of_the_precompiled_contract_is_the_software_s() {
    let provider = Provider::<Model<Honest>>::new();
    let bytes: Vec<u8> = (0..=255).cycle().take(300).collect();
    for length in 0..300 {
        let input = &bytes[..length];
        assert_eq!(provider.sha256(input), DefaultCrypto.sha256(input));
    }
}
