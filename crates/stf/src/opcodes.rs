//! Opcodes that the guest executes in fewer instructions than revm's own: the same results, by other
//! means. Sealing executes every block with them too; only the meter, which watches the sequencer
//! build blocks, sees revm's own.

mod fast;
mod machine;

use revm::{
    handler::instructions::EthInstructions,
    interpreter::{Host, Instruction, interpreter::EthInterpreter},
};

/// Replaces revm's implementations; what they cost stays. Not for an inspector, which sees opcodes
/// only where revm executes them one by one.
pub(crate) fn install<H: Host>(instructions: &mut EthInstructions<EthInterpreter, H>) {
    for instruction in instructions.instruction_table_mut() {
        *instruction = Instruction::new(fast::run);
    }
}

#[cfg(test)]
mod tests;
