//! Opcodes that the guest executes in fewer instructions than revm's own: the same results, by other
//! means. The sequencer executes them too, so that there is one implementation.
#![expect(
    clippy::inline_always,
    reason = "one function for both directions, but no call"
)]
#![expect(
    clippy::needless_pass_by_value,
    reason = "the form that revm's table takes"
)]

use alloy_primitives::U256;
use revm::{
    bytecode::opcode::{SHL, SHR, SWAP1},
    handler::instructions::EthInstructions,
    interpreter::{
        Host, Instruction, InstructionContext, InstructionExecResult, InstructionResult,
        interpreter::EthInterpreter,
    },
};

use crate::table::halves;

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
    if let Some(place) = table.get_mut(usize::from(SHL)) {
        *place = Instruction::new(shl);
    }
    if let Some(place) = table.get_mut(usize::from(SHR)) {
        *place = Instruction::new(shr);
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
    // As limbs, which the compiler keeps in registers.
    let (one, another) = (*top.as_limbs(), *other.as_limbs());
    *top = U256::from_limbs(another);
    *other = U256::from_limbs(one);
    Ok(())
}

/// SHL (EIP-145).
fn shl<H: Host>(context: InstructionContext<'_, H, EthInterpreter>) -> InstructionExecResult {
    shift(context, |words, by, bits| {
        let (mut shifted, mut carried) = ([0; WORDS], 0);
        for (to, word) in shifted.iter_mut().skip(by).zip(words) {
            *to = word.wrapping_shl(bits) | carried;
            // In two steps, because a word cannot be shifted by all of its bits.
            carried = (word >> 1).wrapping_shr(31 ^ bits);
        }
        shifted
    })
}

/// SHR (EIP-145).
fn shr<H: Host>(context: InstructionContext<'_, H, EthInterpreter>) -> InstructionExecResult {
    shift(context, |words, by, bits| {
        let (mut shifted, mut carried) = ([0; WORDS], 0);
        for (to, word) in shifted.iter_mut().rev().skip(by).zip(words.iter().rev()) {
            *to = word.wrapping_shr(bits) | carried;
            carried = (word << 1).wrapping_shl(31 ^ bits);
        }
        shifted
    })
}

/// Words of the machine in a value.
const WORDS: usize = 8;

/// Replaces the two topmost values by the second, shifted by the first: by whole words and by bits,
/// fewer than 32. revm shifts words of 64 bits, each by several instructions.
#[inline(always)]
fn shift<H: Host>(
    context: InstructionContext<'_, H, EthInterpreter>,
    by_words_and_bits: impl FnOnce([u32; WORDS], usize, u32) -> [u32; WORDS],
) -> InstructionExecResult {
    let stack = context.interpreter.stack.data_mut();
    let Some([value, by]) = stack.last_chunk_mut::<2>() else {
        return Err(InstructionResult::StackUnderflow);
    };
    *value = match u8::try_from(*by) {
        Ok(by) => {
            let [first, second, third, fourth] = value.as_limbs().map(halves);
            let words = [
                first[0], first[1], second[0], second[1], third[0], third[1], fourth[0], fourth[1],
            ];
            let bits = u32::from(by) & 31;
            let shifted = by_words_and_bits(words, usize::from(by >> 5), bits);
            let whole = |[low, high]: [u32; 2]| u64::from(low) | u64::from(high) << 32;
            let mut limbs = [0; 4];
            for (limb, pair) in limbs.iter_mut().zip(shifted.as_chunks::<2>().0) {
                *limb = whole(*pair);
            }
            U256::from_limbs(limbs)
        }
        Err(_) => U256::ZERO,
    };
    stack.pop();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use revm::{
        bytecode::Bytecode,
        interpreter::{
            InputsImpl, Interpreter, SharedMemory, host::DummyHost, instruction_table,
            interpreter::ExtBytecode,
        },
        primitives::hardfork::SpecId,
    };
    use std::vec::Vec;

    /// What is on the stack after an opcode, by our implementations or revm's.
    fn ran(ours: bool, code: u8, stack: &[U256]) -> Result<Vec<U256>, InstructionResult> {
        let spec = SpecId::OSAKA;
        let mut instructions =
            EthInstructions::<EthInterpreter, DummyHost>::new(instruction_table(), [0; 256], spec);
        if ours {
            install(&mut instructions);
        }
        let mut interpreter = Interpreter::<EthInterpreter>::new(
            SharedMemory::new(),
            ExtBytecode::new(Bytecode::new_legacy([code].into())),
            InputsImpl::default(),
            false,
            spec,
            u64::MAX,
        );
        for value in stack {
            assert!(interpreter.stack.push(*value));
        }
        let mut host = DummyHost::new(spec);
        let table = instructions.instruction_table();
        interpreter.step(table, instructions.gas_table(), &mut host)?;
        Ok(interpreter.stack.data().clone())
    }

    fn value() -> impl Strategy<Value = U256> {
        prop_oneof![
            any::<[u64; 4]>().prop_map(U256::from_limbs),
            (0..300_u64).prop_map(U256::from),
        ]
    }

    proptest! {
        #[test]
        fn opcodes_do_what_revms_do(
            code in prop_oneof![Just(SHL), Just(SHR), SWAP1..=SWAP1 + 15],
            stack in prop::collection::vec(value(), 0..20),
        ) {
            prop_assert_eq!(ran(true, code, &stack), ran(false, code, &stack));
        }
    }

    #[test]
    fn shifts_by_every_number_of_bits() {
        let value = U256::from_be_bytes([0xa5; 32]);
        for code in [SHL, SHR] {
            for bits in 0..260_u64 {
                let stack = [value, U256::from(bits)];
                assert_eq!(ran(true, code, &stack), ran(false, code, &stack), "{bits}");
            }
        }
    }
}
