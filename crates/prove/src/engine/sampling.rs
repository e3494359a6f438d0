//! Where a program spends its instructions, by function: its counter is read every so many
//! instructions.

use std::collections::BTreeMap;

use elf::{ElfBytes, endian::LittleEndian};
use openvm_circuit::arch::{VmExecutor, VmState, instructions::exe::VmExe};
use openvm_stark_sdk::config::baby_bear_poseidon2::F;

use super::{execution::Ended, failure, internal, machine, program};
use crate::protocol::{Failure, FailureKind};

/// Instructions between two samples: a prime, so that no loop keeps step with it.
const STRIDE: u64 = 101;

/// Samples by function, the most frequent first. Each stands for 101 instructions.
///
/// # Errors
/// [`FailureKind::BadRequest`] for a program without symbols, and as plain execution.
pub fn by_function(
    elf: &[u8],
    exe: &VmExe<F>,
    input: &[u8],
    instructions: u64,
) -> Result<Vec<(String, u64)>, Failure> {
    let functions = functions(elf)?;
    let executor = VmExecutor::<F, _>::new(machine::config()?).map_err(internal)?;
    let instance = executor
        .instance(exe)
        .map_err(|error| failure(FailureKind::BadRequest, error))?;
    let system = executor.config.as_ref();
    let mut state = VmState::initial(
        system,
        &exe.init_memory,
        exe.pc_start,
        program::streams(input),
    );
    let mut samples = BTreeMap::new();
    let mut done = 0;
    while done + STRIDE < instructions {
        state = instance
            .execute_from_state(state, Some(STRIDE))
            .map_err(Ended::from)?;
        done += STRIDE;
        let function = functions
            .range(..=state.pc())
            .next_back()
            .map_or("(no symbol)", |(_, name)| name.as_str());
        *samples.entry(function).or_insert(0) += 1;
    }
    let mut samples: Vec<_> = samples
        .into_iter()
        .map(|(name, count)| (name.to_owned(), count * STRIDE))
        .collect();
    samples.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Ok(samples)
}

/// Functions by their first address.
fn functions(elf: &[u8]) -> Result<BTreeMap<u32, String>, Failure> {
    let bad = |reason: String| failure(FailureKind::BadRequest, reason);
    let elf = ElfBytes::<LittleEndian>::minimal_parse(elf)
        .map_err(|error| bad(format!("program: {error}")))?;
    let Some((symbols, names)) = elf
        .symbol_table()
        .map_err(|error| bad(format!("program: {error}")))?
    else {
        return Err(bad("the program is stripped: build one with symbols".into()));
    };
    let functions = symbols
        .iter()
        .filter(|symbol| symbol.st_symtype() == elf::abi::STT_FUNC)
        .filter_map(|symbol| {
            let name = names.get(usize::try_from(symbol.st_name).ok()?).ok()?;
            let name = rustc_demangle::demangle(name);
            Some((u32::try_from(symbol.st_value).ok()?, format!("{name:#}")))
        })
        .collect();
    Ok(functions)
}
