use super::*;
use alloy_primitives::{Address, Bytes, U256};
use proptest::prelude::*;
use revm::{
    bytecode::{Bytecode, opcode as op},
    interpreter::{
        CallInput, InputsImpl, InstructionResult, Interpreter, InterpreterAction, SharedMemory,
        host::DummyHost,
        instruction_table,
        instructions::gas_table_spec,
        interpreter::ExtBytecode,
        interpreter_types::{Jumps, ReturnData},
    },
    primitives::hardfork::SpecId,
};
use std::vec::Vec;

const SPECS: [SpecId; 2] = [SpecId::PRAGUE, SpecId::OSAKA];
/// Bytes of memory that belong to the frame below.
const BELOW: usize = 64;

/// What a frame starts with.
#[derive(Clone, Debug)]
struct Frame {
    spec: SpecId,
    code: Vec<u8>,
    stack: Vec<U256>,
    gas: u64,
    input: CallInput,
}

/// What came of it.
#[derive(Debug, PartialEq)]
struct Ended {
    action: InterpreterAction,
    /// What nobody can see of a frame that ran out of gas.
    inside: Option<(Vec<U256>, Vec<u8>, usize, u64)>,
}

impl Frame {
    /// Runs it to its end by our implementations or revm's.
    fn run(&self, ours: bool) -> Ended {
        self.run_to(ours).0
    }

    /// As [`Frame::run`], with the place in the code that it came to.
    fn run_to(&self, ours: bool) -> (Ended, usize) {
        let gas_table = gas_table_spec(self.spec);
        let mut instructions = EthInstructions::<EthInterpreter, DummyHost>::new(
            instruction_table(),
            gas_table,
            self.spec,
        );
        if ours {
            install(&mut instructions);
        }
        let mut below = SharedMemory::new();
        below.resize(BELOW);
        below.set(0, &(1..).take(BELOW).collect::<Vec<u8>>());
        let input = InputsImpl {
            target_address: Address::repeat_byte(0x1f),
            caller_address: Address::from([
                1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20,
            ]),
            input: self.input.clone(),
            call_value: U256::from_be_bytes([0x37; 32]),
            ..InputsImpl::default()
        };
        let mut interpreter = Interpreter::<EthInterpreter>::new(
            below.new_child_context(),
            ExtBytecode::new(Bytecode::new_legacy(self.code.clone().into())),
            input,
            false,
            self.spec,
            self.gas,
        );
        interpreter.return_data.set_buffer(vec![7; 45].into());
        for value in &self.stack {
            assert!(interpreter.stack.push(*value));
        }
        let mut host = DummyHost::new(self.spec);
        let action = interpreter.run_plain(
            instructions.instruction_table(),
            instructions.gas_table(),
            &mut host,
        );
        let out_of_gas = action.instruction_result() == Some(InstructionResult::OutOfGas);
        let inside = (!out_of_gas).then(|| {
            (
                interpreter.stack.data().clone(),
                interpreter.memory.context_memory().to_vec(),
                interpreter.bytecode.pc(),
                interpreter.gas.remaining(),
            )
        });
        (Ended { action, inside }, interpreter.bytecode.pc())
    }

    fn same(&self) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.run(true), self.run(false));
        Ok(())
    }
}

fn value() -> impl Strategy<Value = U256> {
    prop_oneof![
        3 => any::<[u64; 4]>().prop_map(U256::from_limbs),
        3 => (0..300_u64).prop_map(U256::from),
        1 => any::<u64>().prop_map(U256::from),
        1 => (0..4_usize, 0..200_u64).prop_map(|(limb, other)| {
            let mut limbs = [other, 0, 0, 0];
            limbs[limb] |= 1 << 63;
            U256::from_limbs(limbs)
        }),
        1 => (0..300_u64).prop_map(|less| U256::MAX - U256::from(less)),
    ]
}

fn input() -> impl Strategy<Value = CallInput> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..100)
            .prop_map(|data| CallInput::Bytes(Bytes::from(data))),
        (0..BELOW / 2, 0..BELOW / 2)
            .prop_map(|(start, length)| CallInput::SharedBuffer(start..start + length)),
    ]
}

fn spec() -> impl Strategy<Value = SpecId> {
    prop::sample::select(SPECS.as_slice())
}

/// Every opcode, except the one that this host panics at.
fn opcodes() -> impl Iterator<Item = u8> {
    (0..=255).filter(|code| *code != op::DIFFICULTY)
}

fn opcode() -> impl Strategy<Value = u8> {
    prop::sample::select(opcodes().collect::<Vec<u8>>())
}

/// Some bytes of code: mostly opcodes that are executed here, on operands that are often in range.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let hot = [
        op::ADD,
        op::MUL,
        op::SUB,
        op::LT,
        op::GT,
        op::SLT,
        op::SGT,
        op::EQ,
        op::ISZERO,
        op::AND,
        op::OR,
        op::XOR,
        op::NOT,
        op::SHL,
        op::SHR,
        op::ADDRESS,
        op::CALLER,
        op::CALLVALUE,
        op::CALLDATALOAD,
        op::CALLDATASIZE,
        op::RETURNDATASIZE,
        op::POP,
        op::MLOAD,
        op::MSTORE,
        op::JUMP,
        op::JUMPI,
        op::KECCAK256,
        op::GAS,
    ];
    prop_oneof![
        6 => prop::sample::select(hot.to_vec()).prop_map(|code| vec![code]),
        4 => (op::DUP1..=op::SWAP16).prop_map(|code| vec![code]),
        4 => Just(vec![op::JUMPDEST]),
        8 => (0..100_u8).prop_map(|small| vec![op::PUSH1, small]),
        1 => Just(vec![op::PUSH0]),
        1 => Just(MASK.to_vec()),
        1 => (0..300_u16).prop_map(|small| [&[op::PUSH2], small.to_be_bytes().as_slice()].concat()),
        2 => (op::PUSH1..=op::PUSH32, prop::collection::vec(opcode(), 32)).prop_map(
            |(code, data)| {
                let bytes = usize::from(code - op::PUSH0);
                [&[code], &data[..bytes]].concat()
            }
        ),
        2 => (0..100_u8).prop_map(|at| vec![op::PUSH1, at, op::MSTORE]),
        2 => (0..60_u8).prop_map(|to| vec![op::PUSH1, to, op::JUMPI]),
        2 => (0..60_u8, op::JUMP..=op::JUMPI).prop_map(|(to, code)| vec![op::PUSH2, 0, to, code]),
        1 => opcode().prop_map(|code| vec![code]),
    ]
}

/// The mask of an address.
const MASK: [u8; 8] = [op::PUSH1, 1, op::PUSH1, 1, op::PUSH1, 160, op::SHL, op::SUB];

fn program() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(piece(), 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn programs_do_what_revms_do(
        spec in spec(),
        code in program(),
        stack in prop_oneof![
            4 => prop::collection::vec(value(), 0..30),
            1 => prop::collection::vec(Just(U256::from(40)), 1_000..=1_024),
        ],
        gas in prop_oneof![0..400_u64, 0..20_000_u64],
        input in input(),
    ) {
        Frame { spec, code, stack, gas, input }.same()?;
    }

    #[test]
    fn each_opcode_does_what_revms_does(
        spec in spec(),
        code in opcode(),
        stack in prop::collection::vec(value(), 0..20),
        input in input(),
    ) {
        // Places 1 to 33 are the data of a PUSH, or all of them can be jumped to.
        let code = [&[code], [op::JUMPDEST; 34].as_slice()].concat();
        let gas = 1 << 40;
        Frame { spec, code, stack, gas, input }.same()?;
    }

    #[test]
    fn memory_is_what_revms_is(
        spec in spec(),
        values in prop::collection::vec((value(), 0..200_u8), 1..5),
        from in 0..200_u8,
    ) {
        let mut code = Vec::new();
        for (value, at) in values {
            code.push(op::PUSH32);
            code.extend(value.to_be_bytes::<32>());
            code.extend([op::PUSH1, at, op::MSTORE]);
        }
        code.extend([op::PUSH1, from, op::MLOAD, op::DUP1, op::ISZERO]);
        let (stack, input) = (Vec::new(), CallInput::default());
        Frame { spec, code, stack, gas: 10_000, input }.same()?;
    }
}

#[test]
fn every_opcode_at_every_height_and_edge_of_gas() {
    let heights = (0..=18).chain([1_022, 1_023, 1_024]);
    for height in heights {
        for (code, spec) in opcodes().flat_map(|code| SPECS.map(|spec| (code, spec))) {
            for gas in (0..=13).chain([29, 30, 31, 100, 1 << 40]) {
                let frame = Frame {
                    spec,
                    code: [&[code], [op::JUMPDEST; 34].as_slice()].concat(),
                    stack: (0..height).map(|at| U256::from(at * 7 % 41)).collect(),
                    gas,
                    input: CallInput::Bytes(vec![9; 40].into()),
                };
                assert_eq!(frame.run(true), frame.run(false), "{frame:?}");
            }
        }
    }
}

#[test]
fn a_push_and_its_jump_at_every_edge() {
    for (height, jump) in [0, 1, 2, 1_023, 1_024]
        .into_iter()
        .flat_map(|height| [op::JUMP, op::JUMPI].map(|code| (height, code)))
    {
        // Back, to itself, behind, in the data of a PUSH, out of the code.
        for to in [0_u16, 1, 3, 4, 5, 6, 7, 8, 9, 40, 255, 256, u16::MAX] {
            for (gas, condition) in (0..40).flat_map(|gas| [(gas, 0), (gas, 1)]) {
                let [high, low] = to.to_be_bytes();
                let mut stack = vec![U256::from(3); height];
                if let Some(top) = stack.last_mut() {
                    *top = U256::from(condition) << 255;
                }
                let code = [op::JUMPDEST, op::PUSH2, high, low, jump];
                let frame = Frame {
                    spec: SpecId::OSAKA,
                    code: [
                        code.as_slice(),
                        &[op::JUMPDEST, op::PUSH1, op::JUMPDEST, op::JUMPDEST],
                    ]
                    .concat(),
                    stack,
                    gas,
                    input: CallInput::default(),
                };
                assert_eq!(frame.run(true), frame.run(false), "{frame:?}");
            }
        }
    }
}

#[test]
fn a_mask_at_every_edge() {
    for height in (0..4).chain(1_019..=1_024) {
        for gas in (0..25).chain([1 << 40]) {
            // Another byte at each place, and the end of the code there.
            for at in 0..=MASK.len() {
                let mut changed = MASK;
                if let Some(byte) = changed.get_mut(at) {
                    *byte ^= 1;
                }
                let (cut, _) = MASK.split_at(at);
                for code in [changed.to_vec(), cut.to_vec()] {
                    let frame = Frame {
                        spec: SpecId::PRAGUE,
                        code,
                        stack: vec![U256::from(3); height],
                        gas,
                        input: CallInput::default(),
                    };
                    assert_eq!(frame.run(true), frame.run(false), "{frame:?}");
                }
            }
        }
    }
}

#[test]
fn hashes_of_memory_that_is_there_or_not() {
    let bounds = [
        0_u64,
        1,
        31,
        32,
        33,
        63,
        64,
        65,
        95,
        96,
        97,
        1 << 32,
        u64::MAX,
    ];
    for (offset, length) in bounds
        .into_iter()
        .flat_map(|offset| bounds.map(|length| (offset, length)))
    {
        for gas in (0..20).map(|more| 50 + more).chain([90, 1_000, 100_000]) {
            let words = [
                U256::MAX / U256::from(7),
                U256::from(length),
                U256::from(offset),
            ];
            let frame = Frame {
                spec: SpecId::PRAGUE,
                code: vec![
                    op::DUP3,
                    op::PUSH1,
                    20,
                    op::MSTORE,
                    op::DUP3,
                    op::PUSH1,
                    64,
                    op::MSTORE,
                    op::KECCAK256,
                ],
                stack: words.to_vec(),
                gas,
                input: CallInput::default(),
            };
            assert_eq!(frame.run(true), frame.run(false), "{frame:?}");
        }
    }
}

#[test]
fn memory_grows_at_every_edge_of_gas() {
    for offset in [
        0_u64,
        1,
        31,
        32,
        64,
        1_000,
        65_503,
        65_504,
        65_535,
        65_536,
        1 << 32,
    ] {
        for gas in (0..30)
            .chain(19_990..20_040)
            .chain([14_000, 16_000, 100_000])
        {
            for code in [op::MSTORE, op::MLOAD] {
                let frame = Frame {
                    spec: SpecId::OSAKA,
                    code: vec![op::DUP1, code, op::MSIZE],
                    stack: vec![U256::MAX / U256::from(5), U256::from(offset)],
                    gas,
                    input: CallInput::default(),
                };
                assert_eq!(frame.run(true), frame.run(false), "{frame:?}");
            }
        }
    }
}

#[test]
fn shifts_by_every_number_of_bits() {
    let value = U256::from_be_bytes([0xa5; 32]);
    for (code, bits) in [op::SHL, op::SHR]
        .into_iter()
        .flat_map(|code| (0..260).map(move |bits| (code, bits)))
    {
        let frame = Frame {
            spec: SpecId::OSAKA,
            code: vec![code],
            stack: vec![value, U256::from(bits)],
            gas: 10,
            input: CallInput::default(),
        };
        assert_eq!(frame.run(true), frame.run(false), "{bits}");
    }
}

/// Gas is counted in budgets that a long loop exhausts many times.
#[test]
fn loops_end_when_gas_does() {
    let endless = vec![op::JUMPDEST, op::PUSH0, op::JUMP];
    let counted = vec![
        op::JUMPDEST,
        op::PUSH1,
        1,
        op::SWAP1,
        op::SUB,
        op::DUP1,
        op::PUSH0,
        op::JUMPI,
        op::GAS,
    ];
    for code in [endless, counted] {
        for gas in (0..60).chain(9_980..10_020).chain([3_000_000]) {
            let frame = Frame {
                spec: SpecId::OSAKA,
                code: code.clone(),
                stack: vec![U256::from(300)],
                gas,
                input: CallInput::default(),
            };
            assert_eq!(frame.run(true), frame.run(false), "{gas}");
        }
    }
}

#[test]
fn opcodes_cost_the_same_in_every_fork() {
    for spec in SPECS {
        assert_eq!(gas_table_spec(spec), fast::GAS);
    }
}

#[test]
fn code_that_ends_within_a_push_is_padded() {
    for code in op::PUSH1..=op::PUSH32 {
        for spec in SPECS {
            let frame = Frame {
                spec,
                code: vec![op::PUSH1, 5, code, 0xff],
                stack: Vec::new(),
                gas: 100,
                input: CallInput::default(),
            };
            assert_eq!(frame.run(true), frame.run(false), "{code:x}");
        }
    }
}

/// SSTF-10: code without a jump, which nothing else would stop.
#[test]
fn at_most_one_opcode_is_executed_without_gas() {
    let spec = SpecId::OSAKA;
    for (code, gas) in [(op::NOT, 3), (op::ADDRESS, 2), (op::DUP1, 3)] {
        for paid in [0, 1, 5, 400] {
            for more in 0..gas {
                let frame = Frame {
                    spec,
                    code: vec![code; 900],
                    stack: vec![U256::ZERO],
                    gas: paid * gas + more,
                    input: CallInput::default(),
                };
                let (ended, place) = frame.run_to(true);
                let result = ended.action.instruction_result();
                assert_eq!(result, Some(InstructionResult::OutOfGas));
                let paid = usize::try_from(paid).unwrap();
                assert!(place <= paid + 1, "{code:x}: {place} opcodes for {paid}");
            }
        }
    }
}
