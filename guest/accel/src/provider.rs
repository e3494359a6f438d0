//! The providers that the state transition and revm ask.

use alloy_primitives::{Address, B256, U256, keccak256};
use cloister_crypto::{CryptoProvider, SignatureError};
use revm::precompile::{Crypto, PrecompileHalt};

use crate::curve::{self, Int, Machine, ORDER, Point};
#[cfg(target_os = "zkvm")]
pub use crate::machine::Accelerated;

/// Signatures by the machine's instructions, for transactions and for revm's precompiles.
#[cfg(target_os = "zkvm")]
pub type GuestCrypto = Provider<Accelerated>;

/// Sets the accelerators up and makes revm use them. Call it once, first of all.
#[cfg(target_os = "zkvm")]
pub fn install() {
    crate::machine::set_up();
    revm::precompile::install_crypto(Provider::<Accelerated>::new());
}

/// Signatures by the instructions of `M`.
pub struct Provider<M>(core::marker::PhantomData<fn() -> M>);

impl<M> Provider<M> {
    /// The provider; it holds nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(core::marker::PhantomData)
    }
}

impl<M> Default for Provider<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<M> core::fmt::Debug for Provider<M> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Provider")
    }
}

impl<M: Machine> CryptoProvider for Provider<M> {
    fn recover_checked(
        &self,
        digest: &B256,
        r: &U256,
        s: &U256,
        odd_y: bool,
    ) -> Result<Address, SignatureError> {
        let key = curve::recover::<M>(&from_bytes(&digest.0), &int(r), &int(s), odd_y)
            .ok_or(SignatureError::Invalid)?;
        Ok(Address::from_word(hash_of(&key)))
    }
}

impl<M: Machine + 'static> Crypto for Provider<M> {
    fn sha256(&self, input: &[u8]) -> [u8; 32] {
        cloister_crypto::hash::plain_sha256(input)
    }

    /// As revm's own: `r` and `s` from 1 to the order less 1, `s` in either half.
    fn secp256k1_ecrecover(
        &self,
        signature: &[u8; 64],
        odd_y: u8,
        digest: &[u8; 32],
    ) -> Result<[u8; 32], PrecompileHalt> {
        let invalid = PrecompileHalt::Secp256k1RecoverFailed;
        let (r, s) = signature.split_at(32);
        let (Ok(r), Ok(s)) = (r.try_into(), s.try_into()) else {
            return Err(invalid);
        };
        let (r, s) = (from_bytes(r), from_bytes(s));
        let zero = Int([0; 8]);
        if r == zero || s == zero || !r.is_below(&ORDER) || !s.is_below(&ORDER) {
            return Err(invalid);
        }
        let key = curve::recover::<M>(&from_bytes(digest), &r, &s, odd_y & 1 == 1).ok_or(invalid)?;
        let mut word = hash_of(&key).0;
        let (padding, _) = word.split_at_mut(12);
        padding.fill(0);
        Ok(word)
    }
}

/// Keccak-256 of a public key's coordinates.
fn hash_of(key: &Point) -> B256 {
    let mut words = [0_u32; 16];
    let (x, y) = words.split_at_mut(8);
    for (half, coordinate) in [(x, &key.x), (y, &key.y)] {
        for (to, from) in half.iter_mut().zip(coordinate.0.iter().rev()) {
            *to = from.to_be();
        }
    }
    // SAFETY: 16 words are 64 bytes, of which every value is one.
    let bytes = unsafe { &*words.as_ptr().cast::<[u8; 64]>() };
    keccak256(bytes)
}

/// From 64-bit words, the least significant first.
fn int(value: &U256) -> Int {
    let [a, b, c, d] = *value.as_limbs();
    let mut words = [0; 8];
    for (pair, limb) in words.as_chunks_mut::<2>().0.iter_mut().zip([a, b, c, d]) {
        *pair = halves(limb);
    }
    Int(words)
}

#[expect(clippy::cast_possible_truncation, reason = "the halves are meant")]
const fn halves(limb: u64) -> [u32; 2] {
    [limb as u32, (limb >> 32) as u32]
}

/// From 32 bytes, the most significant first.
fn from_bytes(bytes: &[u8; 32]) -> Int {
    let mut words = [0; 8];
    for (word, bytes) in words.iter_mut().rev().zip(bytes.as_chunks::<4>().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    Int(words)
}

/// The number that an integer of the machine is.
pub(crate) fn number(int: &Int) -> U256 {
    let mut limbs = [0; 4];
    for (limb, pair) in limbs.iter_mut().zip(int.0.as_chunks::<2>().0) {
        let [low, high] = *pair;
        *limb = u64::from(low) | u64::from(high) << 32;
    }
    U256::from_limbs(limbs)
}
