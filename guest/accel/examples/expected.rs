//! Prints the digest that the self-test must arrive at, by software.

use alloy_primitives::{Address, B256, U256};
use cloister_crypto::{CryptoProvider, NativeCrypto, SignatureError};
use revm::precompile::Crypto;

/// What the sequencer runs: our recovery, and revm's own for the precompiled contracts.
#[derive(Debug)]
struct Software;

impl CryptoProvider for Software {
    fn recover_checked(
        &self,
        digest: &B256,
        r: &U256,
        s: &U256,
        odd_y: bool,
    ) -> Result<Address, SignatureError> {
        NativeCrypto.recover_checked(digest, r, s, odd_y)
    }
}

impl Crypto for Software {}

/// Keccak-256 in software, where `alloy-primitives` expects the machine's.
#[unsafe(no_mangle)]
unsafe extern "C" fn native_keccak256(bytes: *const u8, length: usize, output: *mut u8) {
    let mut hasher = alloy_primitives::Keccak256::new();
    // SAFETY: the caller's promise: so many bytes are readable, 32 writable.
    unsafe {
        hasher.update(core::slice::from_raw_parts(bytes, length));
        output.cast::<[u8; 32]>().write(hasher.finalize().0);
    }
}

fn main() {
    println!("{}", B256::new(cloister_guest_accel::selftest::digest(&Software)));
}
