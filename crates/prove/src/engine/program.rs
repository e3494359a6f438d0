//! Programs and their inputs, as the machine takes them.

use std::{path::Path, sync::Arc};

use openvm_circuit::arch::{Streams, instructions::exe::VmExe};
use openvm_sdk_config::TranspilerConfig;
use openvm_stark_backend::p3_field::PrimeCharacteristicRing;
use openvm_stark_sdk::config::baby_bear_poseidon2::F;
use openvm_transpiler::{FromElf, elf::Elf};

use super::{failure, machine};
use crate::{
    artefact::read_limited,
    protocol::{Failure, FailureKind},
};

/// Addresses that a program may use, in bytes.
const MEMORY_BYTES: u32 = 1 << 29;

/// Largest program file, in bytes.
const MAX_PROGRAM_BYTES: u64 = 64 << 20;

/// Largest input, in bytes. Every byte takes four in the machine's input stream.
pub const MAX_INPUT_BYTES: u64 = 256 << 20;

/// Turns a RISC-V program into one of the machine's.
///
/// # Errors
/// [`FailureKind::BadRequest`] for what is not a 32-bit RISC-V program or uses instructions that
/// the machine does not have.
pub fn load(elf: &[u8]) -> Result<Arc<VmExe<F>>, Failure> {
    let bad = |reason: String| failure(FailureKind::BadRequest, reason);
    let elf = Elf::decode(elf, MEMORY_BYTES).map_err(|error| bad(format!("program: {error}")))?;
    let transpiler = machine::config()?.transpiler();
    let exe = VmExe::from_elf(elf, transpiler).map_err(|error| bad(format!("program: {error}")))?;
    Ok(Arc::new(exe))
}

/// Reads a program file.
///
/// # Errors
/// [`FailureKind::BadRequest`] when it cannot be read or is too large.
pub fn read_elf(path: &Path) -> Result<Vec<u8>, Failure> {
    read_limited(path, MAX_PROGRAM_BYTES)
}

/// Reads a batch's input.
///
/// # Errors
/// [`FailureKind::BadRequest`] when it cannot be read or is too large.
pub fn read_input(path: &Path) -> Result<Vec<u8>, Failure> {
    read_limited(path, MAX_INPUT_BYTES)
}

/// The input as the program's one vector of hints.
#[must_use]
pub fn streams(input: &[u8]) -> Streams<F> {
    let values: Vec<F> = input.iter().map(|byte| F::from_u8(*byte)).collect();
    Streams::from(vec![values])
}
