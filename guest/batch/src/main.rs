//! The program that is proved: reads one batch, executes it, reveals its hash.
//!
//! The input is one vector of the machine's input stream, the encoding of `BatchInput`. A valid
//! batch reveals the 32 bytes of its hash and ends with code 0. Any other reveals nothing and ends
//! with the code of the error's class, see `guest/README.md`.
#![no_std]
#![no_main]

extern crate alloc;

use cloister_guest_accel::{GuestCrypto, runtime};
use cloister_stf::execute_encoded;

/// Where the runtime continues after it has set the stack up.
#[unsafe(no_mangle)]
extern "C" fn guest_main() -> ! {
    cloister_guest_accel::install();
    let input = alloy_primitives::Bytes::from(runtime::read_input());
    match execute_encoded(&input, &GuestCrypto::new()) {
        Ok(output) => {
            runtime::reveal(&output.header().hash());
            runtime::exit(0)
        }
        Err(error) => runtime::exit(error.class()),
    }
}
