//! Runs the accelerators on the machine, for tests and benchmarks; it is never proved.
//!
//! The input's first byte chooses: 0, the digest of the self-test is revealed; 1, as many signers are
//! recovered as the second byte says, and nothing is revealed.
#![no_std]
#![no_main]

use alloy_primitives::{B256, U256};
use cloister_crypto::CryptoProvider as _;
use cloister_guest_accel::{GuestCrypto, runtime, selftest};

/// Where the runtime continues after it has set the stack up.
#[unsafe(no_mangle)]
extern "C" fn guest_main() -> ! {
    cloister_guest_accel::install();
    let provider = GuestCrypto::new();
    match *runtime::read_input() {
        [0] => runtime::reveal(&selftest::digest(&provider)),
        [1, count] => {
            for number in 1..=count {
                let digest = B256::repeat_byte(number);
                // 1 is the first coordinate of a point.
                let s = U256::from_be_bytes([number; 32]) >> 1;
                if provider.recover(&digest, &U256::from(1), &s, false).is_err() {
                    runtime::exit(runtime::EXIT_PANIC);
                }
            }
        }
        _ => runtime::exit(runtime::EXIT_PANIC),
    }
    runtime::exit(0)
}
