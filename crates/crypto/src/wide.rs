//! Numbers of 256 bits, one instruction of the proving machine each.
//!
//! The machine works on 32 bytes of memory at once: a value of the virtual machine's stack is added,
//! compared or copied by one instruction instead of tens. Elsewhere the same functions are plain
//! arithmetic.
//!
//! Every function takes addresses, because results may take the place of operands. What is common
//! to all: operands must be readable, `to` writable, and each aligned, to words on the proving
//! machine and as the type demands elsewhere.

#[cfg(not(target_os = "zkvm"))]
mod native;
#[cfg(target_os = "zkvm")]
mod zkvm;

#[cfg(not(target_os = "zkvm"))]
use native as machine;
#[cfg(target_os = "zkvm")]
use zkvm as machine;

pub use machine::{add, and, copy, equal, less, mul, or, shl, shr, sub, xor};
