//! Opcodes that the guest executes in fewer instructions than revm's own: the same results, by other
//! means. The sequencer executes them too, so that there is one implementation.

use alloy_primitives::U256;
use revm::{
    bytecode::opcode::SWAP1,
    handler::instructions::EthInstructions,
    interpreter::{
        Host, Instruction, InstructionContext, InstructionExecResult, InstructionResult,
        interpreter::EthInterpreter,
    },
};

/// Replaces revm's implementations; what they cost stays.
pub(crate) fn install<H: Host>(instructions: &mut EthInstructions<EthInterpreter, H>) {
    let swaps = [
        swap::<1, H>,
        swap::<2, H>,
        swap::<3, H>,
        swap::<4, H>,
        swap::<5, H>,
        swap::<6, H>,
        swap::<7, H>,
        swap::<8, H>,
        swap::<9, H>,
        swap::<10, H>,
        swap::<11, H>,
        swap::<12, H>,
        swap::<13, H>,
        swap::<14, H>,
        swap::<15, H>,
        swap::<16, H>,
    ];
    let table = instructions.instruction_table_mut();
    let places = table.iter_mut().skip(usize::from(SWAP1));
    for (place, swap) in places.zip(swaps) {
        *place = Instruction::new(swap);
    }
}

/// SWAP1 to SWAP16. revm exchanges the values four bytes at a time, in a loop.
fn swap<const N: usize, H: Host>(
    context: InstructionContext<'_, H, EthInterpreter>,
) -> InstructionExecResult {
    let stack = context.interpreter.stack.data_mut();
    let Some((top, below)) = stack.split_last_mut() else {
        return Err(InstructionResult::StackUnderflow);
    };
    let Some(other) = below.len().checked_sub(N).and_then(|at| below.get_mut(at)) else {
        return Err(InstructionResult::StackUnderflow);
    };
    let ([a, b, c, d], [w, x, y, z]) = (*top.as_limbs(), *other.as_limbs());
    *top = U256::from_limbs([w, x, y, z]);
    *other = U256::from_limbs([a, b, c, d]);
    Ok(())
}
