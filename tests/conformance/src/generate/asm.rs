//! Small programs, assembled by hand.

use alloy_primitives::{Address, Bytes, U256};

/// Opcodes by their names in the Yellow Paper and the EIPs.
pub(crate) mod op {
    pub(crate) const STOP: u8 = 0x00;
    pub(crate) const ADD: u8 = 0x01;
    pub(crate) const SUB: u8 = 0x03;
    pub(crate) const KECCAK256: u8 = 0x20;
    pub(crate) const ADDRESS: u8 = 0x30;
    pub(crate) const BALANCE: u8 = 0x31;
    pub(crate) const ORIGIN: u8 = 0x32;
    pub(crate) const CALLER: u8 = 0x33;
    pub(crate) const CALLVALUE: u8 = 0x34;
    pub(crate) const CALLDATALOAD: u8 = 0x35;
    pub(crate) const CALLDATASIZE: u8 = 0x36;
    pub(crate) const CALLDATACOPY: u8 = 0x37;
    pub(crate) const CODECOPY: u8 = 0x39;
    pub(crate) const EXTCODESIZE: u8 = 0x3b;
    pub(crate) const EXTCODECOPY: u8 = 0x3c;
    pub(crate) const RETURNDATASIZE: u8 = 0x3d;
    pub(crate) const RETURNDATACOPY: u8 = 0x3e;
    pub(crate) const EXTCODEHASH: u8 = 0x3f;
    pub(crate) const POP: u8 = 0x50;
    pub(crate) const MLOAD: u8 = 0x51;
    pub(crate) const MSTORE: u8 = 0x52;
    pub(crate) const MSTORE8: u8 = 0x53;
    pub(crate) const SLOAD: u8 = 0x54;
    pub(crate) const SSTORE: u8 = 0x55;
    pub(crate) const JUMP: u8 = 0x56;
    pub(crate) const JUMPI: u8 = 0x57;
    pub(crate) const MSIZE: u8 = 0x59;
    pub(crate) const GAS: u8 = 0x5a;
    pub(crate) const JUMPDEST: u8 = 0x5b;
    pub(crate) const TLOAD: u8 = 0x5c;
    pub(crate) const TSTORE: u8 = 0x5d;
    pub(crate) const MCOPY: u8 = 0x5e;
    pub(crate) const PUSH0: u8 = 0x5f;
    pub(crate) const DUP1: u8 = 0x80;
    pub(crate) const DUP2: u8 = 0x81;
    pub(crate) const SWAP1: u8 = 0x90;
    pub(crate) const LOG0: u8 = 0xa0;
    pub(crate) const CREATE: u8 = 0xf0;
    pub(crate) const CALL: u8 = 0xf1;
    pub(crate) const CALLCODE: u8 = 0xf2;
    pub(crate) const RETURN: u8 = 0xf3;
    pub(crate) const DELEGATECALL: u8 = 0xf4;
    pub(crate) const CREATE2: u8 = 0xf5;
    pub(crate) const STATICCALL: u8 = 0xfa;
    pub(crate) const REVERT: u8 = 0xfd;
    pub(crate) const INVALID: u8 = 0xfe;
    pub(crate) const SELFDESTRUCT: u8 = 0xff;
}

/// A program in the making.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asm(Vec<u8>);

impl Asm {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn op(mut self, code: u8) -> Self {
        self.0.push(code);
        self
    }

    pub(crate) fn ops(mut self, codes: &[u8]) -> Self {
        self.0.extend_from_slice(codes);
        self
    }

    /// The shortest push of a word; PUSH0 (EIP-3855) for zero.
    pub(crate) fn word(mut self, value: U256) -> Self {
        let bytes = value.to_be_bytes_trimmed_vec();
        let length = u8::try_from(bytes.len()).unwrap_or_default();
        self.0.push(op::PUSH0.saturating_add(length));
        self.0.extend(bytes);
        self
    }

    pub(crate) fn push(self, value: u64) -> Self {
        self.word(U256::from(value))
    }

    pub(crate) fn address(mut self, address: Address) -> Self {
        self.0.push(0x73);
        self.0.extend_from_slice(address.as_slice());
        self
    }

    /// A push of exactly two bytes, for jumps.
    pub(crate) fn push2(mut self, value: usize) -> Self {
        let value = u16::try_from(value).unwrap_or_default();
        self.0.push(0x61);
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// Stores the top of the stack.
    pub(crate) fn keep(self, slot: u64) -> Self {
        self.push(slot).op(op::SSTORE)
    }

    /// Writes bytes to memory from 0 on, in whole words.
    pub(crate) fn memory(self, bytes: &[u8]) -> Self {
        let mut code = self;
        for (offset, part) in (0_u64..).step_by(32).zip(bytes.chunks(32)) {
            let mut word = [0; 32];
            word.iter_mut().zip(part).for_each(|(to, from)| *to = *from);
            code = code
                .word(U256::from_be_bytes(word))
                .push(offset)
                .op(op::MSTORE);
        }
        code
    }

    /// Copies the whole call data to memory at 0.
    pub(crate) fn call_data_to_memory(self) -> Self {
        self.ops(&[op::CALLDATASIZE, op::PUSH0, op::PUSH0, op::CALLDATACOPY])
    }

    /// CALL, CALLCODE (with a value), DELEGATECALL or STATICCALL (without) with `input` bytes of
    /// memory from 0 and no room for output.
    pub(crate) fn call(self, kind: u8, gas: u64, to: Address, value: u64, input: u64) -> Self {
        let code = self.ops(&[op::PUSH0, op::PUSH0]).push(input).push(0);
        let code = match kind {
            op::CALL | op::CALLCODE => code.push(value),
            _ => code,
        };
        let code = code.address(to);
        if gas == u64::MAX {
            code.op(op::GAS).op(kind)
        } else {
            code.push(gas).op(kind)
        }
    }

    /// Returns `length` bytes of memory from 0.
    pub(crate) fn give(self, length: u64) -> Self {
        self.push(length).ops(&[op::PUSH0, op::RETURN])
    }

    /// Where the next byte goes.
    pub(crate) const fn here(&self) -> usize {
        self.0.len()
    }

    /// Repeats `body` as often as the number on the stack says; the body finds the count that is
    /// left on the stack and leaves it there.
    pub(crate) fn repeat(self, body: &[u8]) -> Self {
        let start = self.here();
        self.op(op::JUMPDEST)
            .ops(body)
            .push(1)
            .ops(&[op::SWAP1, op::SUB, op::DUP1])
            .push2(start)
            .op(op::JUMPI)
            .op(op::POP)
    }

    pub(crate) fn code(self) -> Vec<u8> {
        self.0
    }
}

impl From<Asm> for Bytes {
    fn from(asm: Asm) -> Self {
        asm.0.into()
    }
}

/// Code that deploys `runtime`.
pub(crate) fn deployer(runtime: &[u8]) -> Vec<u8> {
    let length = runtime.len();
    let head = |start| {
        Asm::new().push2(length).op(op::DUP1).push2(start).ops(&[
            op::PUSH0,
            op::CODECOPY,
            op::PUSH0,
            op::RETURN,
        ])
    };
    head(head(0).here()).ops(runtime).code()
}
