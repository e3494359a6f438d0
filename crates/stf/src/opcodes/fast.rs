//! A loop over opcodes in place of revm's: most opcodes that contracts execute are executed here in
//! few instructions each, and everything else by revm's own functions.
//!
//! An opcode for which anything is unusual (an error, memory that grows) is not executed here but
//! by revm, so that nothing here has to know how it comes out.
#![expect(
    clippy::inline_always,
    reason = "the machine's fields stay in registers only if nothing here is called"
)]

use cloister_crypto::equal;
use revm::{
    bytecode::opcode as op,
    interpreter::{
        Host, Instruction, InstructionContext, InstructionExecResult, InstructionResult,
        InstructionTable, Interpreter, instruction_table,
        instructions::{
            GasTable, gas_table_spec,
            host::{sstore_default_gas_accounting, sstore_with_gas_accounting},
        },
        interpreter::EthInterpreter,
        interpreter_types::Jumps,
    },
    primitives::{U256, hardfork::SpecId},
};

use super::machine::{Machine, NotHere, Words};

/// What opcodes cost before they are executed: the same in every fork that there is.
pub(super) const GAS: GasTable = gas_table_spec(SpecId::OSAKA);

/// What executes opcodes that are not executed here: revm, except for the gas of SSTORE.
struct Originals<H>(core::marker::PhantomData<H>);

impl<H: Host> Originals<H> {
    const TABLE: InstructionTable<EthInterpreter, H> = {
        let mut table = instruction_table();
        table[SSTORE] = Instruction::new(sstore);
        table
    };
}

/// The opcode as an index of the table.
const SSTORE: usize = 0x55;

fn sstore<H: Host>(context: InstructionContext<'_, H, EthInterpreter>) -> InstructionExecResult {
    sstore_with_gas_accounting(context, |context, target, load| {
        let values = &load.data;
        let first_and_not_zero = !equal::numbers(&values.new_value, &values.present_value)
            && equal::numbers(&values.original_value, &values.present_value)
            && !equal::numbers(&values.new_value, &U256::ZERO);
        if !first_and_not_zero || context.host.is_amsterdam_eip8037_enabled() {
            return sstore_default_gas_accounting(context, target, load);
        }
        // Most often a slot is written once. revm compares the values many times, to find that
        // nothing is refunded.
        let params = context.host.gas_params();
        let cold = if load.is_cold {
            params.cold_storage_cost()
        } else {
            0
        };
        let written = if equal::numbers(&values.original_value, &U256::ZERO) {
            params.sstore_set_without_load_cost()
        } else {
            params.sstore_reset_without_cold_load_cost()
        };
        let cost = cold.saturating_add(written);
        if context.interpreter.gas.record_regular_cost(cost) {
            Ok(())
        } else {
            Err(InstructionResult::OutOfGas)
        }
    })
}

/// Executes opcodes up to the end of the frame or to a call. In revm's table it stands for every
/// opcode, so that it is called once, for the first one.
pub(super) fn run<H: Host>(
    context: InstructionContext<'_, H, EthInterpreter>,
) -> InstructionExecResult {
    let InstructionContext { interpreter, host } = context;
    // revm has stepped over the opcode and taken its gas.
    interpreter.bytecode.relative_jump(-1);
    let opcode = interpreter.bytecode.opcode();
    let taken = gas(opcode);
    let remaining = interpreter.gas.remaining().wrapping_add(taken);
    interpreter.gas.set_remaining(remaining);
    let mut words = Words::new();
    let Some(mut machine) = Machine::new(interpreter, &mut words) else {
        return step(interpreter, host, opcode);
    };
    loop {
        machine.enter(interpreter);
        let Err(NotHere) = stretch(&mut machine, interpreter);
        machine.leave(interpreter)?;
        let opcode = machine.opcode();
        if !grow(interpreter, host, opcode)? {
            step(interpreter, host, opcode)?;
        }
    }
}

/// Gas that suffices for an access to [`GROWS_TO`] and for the memory up to it.
const SUFFICES: u64 = 20_000;
const GROWS_TO: usize = 1 << 16;

/// Lets memory grow for MSTORE and MLOAD, and says whether it did: then they are executed here, not
/// by revm. Only where nothing can fail, because revm would take the opcode's own gas before.
#[inline(always)]
fn grow<H: Host>(
    interpreter: &mut Interpreter<EthInterpreter>,
    host: &H,
    opcode: u8,
) -> Result<bool, InstructionResult> {
    let values = match opcode {
        op::MSTORE => 2,
        op::MLOAD => 1,
        _ => return Ok(false),
    };
    let stack = interpreter.stack.data();
    let Some(offset) = stack.last().filter(|_| stack.len() >= values) else {
        return Ok(false);
    };
    let Some(offset) = usize::try_from(offset).ok().filter(|at| *at < GROWS_TO) else {
        return Ok(false);
    };
    let end = offset.saturating_add(32);
    if interpreter.gas.remaining() < SUFFICES || end <= interpreter.memory.len() {
        return Ok(false);
    }
    interpreter.resize_memory(host.gas_params(), offset, 32)?;
    Ok(true)
}

#[inline(always)]
fn gas(opcode: u8) -> u64 {
    GAS.get(usize::from(opcode))
        .copied()
        .unwrap_or_default()
        .into()
}

/// Executes the next opcode as revm does.
#[inline(always)]
fn step<H: Host>(
    interpreter: &mut Interpreter<EthInterpreter>,
    host: &mut H,
    opcode: u8,
) -> InstructionExecResult {
    interpreter.bytecode.relative_jump(1);
    if interpreter.gas.record_cost_unsafe(gas(opcode)) {
        return Err(InstructionResult::OutOfGas);
    }
    let instruction = Originals::<H>::TABLE
        .get(usize::from(opcode))
        .copied()
        .unwrap_or(Instruction::unknown());
    instruction.execute(InstructionContext { interpreter, host })
}

macro_rules! stretch {
    (
        $machine:ident:
        $($code:ident $method:ident $(::<$count:literal>)? ($($argument:ident)?)),* ;
        $($other:literal)*
    ) => {{
        while $machine.has_gas() {
            match $machine.opcode() {
                $(op::$code => $machine.$method $(::<$count>)? ($($argument)?)?,)*
                // One by one, which spares the machine a comparison.
                $($other)|* => return Err(NotHere),
            }
        }
        Err(NotHere)
    }};
}

/// Executes opcodes up to one that is not executed here.
#[inline(always)]
fn stretch(
    machine: &mut Machine<'_>,
    frame: &Interpreter<EthInterpreter>,
) -> Result<core::convert::Infallible, NotHere> {
    stretch! { machine:
        ADD add(), MUL mul(), SUB sub(), LT lt(), GT gt(), SLT slt(), SGT sgt(), EQ eq(),
        ISZERO is_zero(), AND and(), OR or(), XOR xor(), NOT not(), SHL shl(), SHR shr(),
        KECCAK256 keccak256(),
        ADDRESS address(frame), CALLER caller(frame), CALLVALUE call_value(frame),
        CALLDATALOAD call_data_load(frame), CALLDATASIZE call_data_size(frame),
        CODESIZE code_size(frame), RETURNDATASIZE return_data_size(frame),
        PC program_counter(), MSIZE memory_size(), GAS gas_left(frame),
        POP pop(), MLOAD mload(), MSTORE mstore(),
        JUMP jump(), JUMPI jump_if(), JUMPDEST jump_destination(),
        PUSH0 push::<0>(), PUSH1 push_or_mask(), PUSH2 push_and_jump(), PUSH3 push::<3>(),
        PUSH4 push::<4>(), PUSH5 push::<5>(), PUSH6 push::<6>(), PUSH7 push::<7>(),
        PUSH8 push::<8>(), PUSH9 push::<9>(), PUSH10 push::<10>(), PUSH11 push::<11>(),
        PUSH12 push::<12>(), PUSH13 push::<13>(), PUSH14 push::<14>(), PUSH15 push::<15>(),
        PUSH16 push::<16>(), PUSH17 push::<17>(), PUSH18 push::<18>(), PUSH19 push::<19>(),
        PUSH20 push::<20>(), PUSH21 push::<21>(), PUSH22 push::<22>(), PUSH23 push::<23>(),
        PUSH24 push::<24>(), PUSH25 push::<25>(), PUSH26 push::<26>(), PUSH27 push::<27>(),
        PUSH28 push::<28>(), PUSH29 push::<29>(), PUSH30 push::<30>(), PUSH31 push::<31>(),
        PUSH32 push::<32>(),
        DUP1 dup::<1>(), DUP2 dup::<2>(), DUP3 dup::<3>(), DUP4 dup::<4>(), DUP5 dup::<5>(),
        DUP6 dup::<6>(), DUP7 dup::<7>(), DUP8 dup::<8>(), DUP9 dup::<9>(), DUP10 dup::<10>(),
        DUP11 dup::<11>(), DUP12 dup::<12>(), DUP13 dup::<13>(), DUP14 dup::<14>(),
        DUP15 dup::<15>(), DUP16 dup::<16>(),
        SWAP1 swap::<1>(), SWAP2 swap::<2>(), SWAP3 swap::<3>(), SWAP4 swap::<4>(),
        SWAP5 swap::<5>(), SWAP6 swap::<6>(), SWAP7 swap::<7>(), SWAP8 swap::<8>(),
        SWAP9 swap::<9>(), SWAP10 swap::<10>(), SWAP11 swap::<11>(), SWAP12 swap::<12>(),
        SWAP13 swap::<13>(), SWAP14 swap::<14>(), SWAP15 swap::<15>(), SWAP16 swap::<16>();
        0x00 0x04 0x05 0x06 0x07 0x08 0x09 0x0a 0x0b 0x0c 0x0d 0x0e 0x0f 0x1a 0x1d
        0x1e 0x1f 0x21 0x22 0x23 0x24 0x25 0x26 0x27 0x28 0x29 0x2a 0x2b 0x2c 0x2d
        0x2e 0x2f 0x31 0x32 0x37 0x39 0x3a 0x3b 0x3c 0x3e 0x3f 0x40 0x41 0x42 0x43
        0x44 0x45 0x46 0x47 0x48 0x49 0x4a 0x4b 0x4c 0x4d 0x4e 0x4f 0x53 0x54 0x55
        0x5c 0x5d 0x5e 0xa0 0xa1 0xa2 0xa3 0xa4 0xa5 0xa6 0xa7 0xa8 0xa9 0xaa 0xab
        0xac 0xad 0xae 0xaf 0xb0 0xb1 0xb2 0xb3 0xb4 0xb5 0xb6 0xb7 0xb8 0xb9 0xba
        0xbb 0xbc 0xbd 0xbe 0xbf 0xc0 0xc1 0xc2 0xc3 0xc4 0xc5 0xc6 0xc7 0xc8 0xc9
        0xca 0xcb 0xcc 0xcd 0xce 0xcf 0xd0 0xd1 0xd2 0xd3 0xd4 0xd5 0xd6 0xd7 0xd8
        0xd9 0xda 0xdb 0xdc 0xdd 0xde 0xdf 0xe0 0xe1 0xe2 0xe3 0xe4 0xe5 0xe6 0xe7
        0xe8 0xe9 0xea 0xeb 0xec 0xed 0xee 0xef 0xf0 0xf1 0xf2 0xf3 0xf4 0xf5 0xf6
        0xf7 0xf8 0xf9 0xfa 0xfb 0xfc 0xfd 0xfe 0xff
    }
}
