//! Counts what the virtual machine does, opcode by opcode, for [`crate::cost`].
//!
//! It only watches: a block that is metered comes out like one that is not, and the sealing of every
//! batch, which executes it again without a meter, shows that it does.

use alloc::vec::Vec;

use alloy_primitives::{Address, U256};
use revm::{
    Inspector,
    bytecode::opcode,
    context::ContextTr,
    interpreter::{
        CallInputs, CallOutcome, CreateInputs, CreateOutcome, InstructionResult, Interpreter,
        interpreter_types::{Jumps, LoopControl, MemoryTr},
    },
};

use crate::cost::{Feature, Work, words};

/// Watches one transaction at a time.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    work: Work,
    /// Bytes of memory before the opcode that runs.
    memory_bytes: usize,
    /// What the opcode that runs adds if it does not fail.
    pending: Option<(Feature, u64)>,
    /// For each frame that runs, the outermost first: what is taken back if it fails.
    undoable: Vec<u64>,
}

impl Meter {
    /// Takes what was counted and begins anew.
    pub(crate) fn take(&mut self) -> Work {
        core::mem::take(self).work
    }

    /// A frame ended: what it did is taken back, or may be with the frame around it.
    fn leave(&mut self, succeeded: bool) {
        let entries = self.undoable.pop().unwrap_or_default();
        if !succeeded {
            self.work.add(Feature::Undone, entries);
        } else if let Some(outer) = self.undoable.last_mut() {
            *outer = outer.saturating_add(entries);
        }
    }
}

impl<CTX: ContextTr> Inspector<CTX> for Meter {
    fn step(&mut self, interp: &mut Interpreter, _context: &mut CTX) {
        let code = interp.bytecode.opcode();
        self.work.add(opcode_feature(code), 1);
        self.memory_bytes = interp.memory.size();
        self.pending = amount(code, interp.stack.data());
        if let Some(entries) = self.undoable.last_mut() {
            *entries = entries.saturating_add(undoable(code));
        }
    }

    fn step_end(&mut self, interp: &mut Interpreter, _context: &mut CTX) {
        // An opcode that failed did not come to its work: gas is taken before.
        let failed = interp
            .bytecode
            .instruction_result()
            .is_some_and(InstructionResult::is_halt);
        if failed {
            return;
        }
        if let Some((feature, times)) = self.pending.take() {
            self.work.add(feature, times);
        }
        let grown = interp.memory.size().saturating_sub(self.memory_bytes);
        self.work.add(Feature::MemoryWord, words(grown));
        self.work.add(Feature::MemoryGrowth, u64::from(grown > 0));
    }

    fn call(&mut self, _context: &mut CTX, _inputs: &mut CallInputs) -> Option<CallOutcome> {
        self.undoable.push(0);
        None
    }

    fn call_end(&mut self, _context: &mut CTX, inputs: &CallInputs, outcome: &mut CallOutcome) {
        self.leave(outcome.result.is_ok());
        self.work
            .add(Feature::CopyWord, words(outcome.result.output.len()));
        if outcome.was_precompile_called {
            let called = Called {
                address: inputs.bytecode_address,
                input_bytes: inputs.input.len(),
                gas: outcome.result.gas.total_gas_spent(),
                result: outcome.result.result,
            };
            called.count(&mut self.work);
        }
    }

    fn create(&mut self, _context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        let bytes = inputs.init_code().len();
        self.work.add(Feature::InitWord, words(bytes));
        self.undoable.push(0);
        None
    }

    fn create_end(
        &mut self,
        _context: &mut CTX,
        _inputs: &CreateInputs,
        outcome: &mut CreateOutcome,
    ) {
        self.leave(outcome.result.is_ok());
        let bytes = outcome.result.output.len();
        self.work.add(Feature::CopyWord, words(bytes));
        self.work.add(Feature::DeployedWord, words(bytes));
    }
}

/// What counts an opcode itself, whatever its operands.
const fn opcode_feature(code: u8) -> Feature {
    use opcode as op;
    match code {
        op::POP
        | op::PC
        | op::MSIZE
        | op::GAS
        | op::CALLVALUE
        | op::CALLDATASIZE
        | op::CODESIZE
        | op::RETURNDATASIZE
        | op::JUMPDEST
        | op::PUSH0..=op::PUSH4
        | op::DUP1..=op::DUP16
        | op::DUPN => Feature::OpStack,
        op::SWAP1..=op::SWAP16 | op::SWAPN | op::EXCHANGE => Feature::OpSwap,
        op::ADD | op::SUB | op::LT..=op::NOT | op::SHL | op::SHR | op::ADDRESS | op::CALLER => {
            Feature::OpSimple
        }
        op::MUL => Feature::OpMul,
        op::DIV | op::SDIV | op::MOD | op::SMOD => Feature::OpDiv,
        op::ADDMOD | op::MULMOD => Feature::OpModular,
        op::EXP => Feature::OpExp,
        op::KECCAK256 => Feature::OpKeccak,
        op::MLOAD | op::MSTORE | op::PUSH5..=op::PUSH32 => Feature::OpMemory,
        op::CALLDATACOPY | op::CODECOPY | op::RETURNDATACOPY | op::MCOPY | op::MSTORE8 => {
            Feature::OpCopy
        }
        op::LOG0..=op::LOG4 => Feature::OpLog,
        op::JUMP | op::JUMPI => Feature::OpJump,
        op::SLOAD
        | op::BALANCE
        | op::SELFBALANCE
        | op::EXTCODESIZE
        | op::EXTCODECOPY
        | op::EXTCODEHASH
        | op::BLOCKHASH => Feature::OpState,
        op::BYTE
        | op::SAR
        | op::CLZ
        | op::SIGNEXTEND
        | op::CALLDATALOAD
        | op::ORIGIN
        | op::GASPRICE
        | op::COINBASE
        | op::TIMESTAMP
        | op::NUMBER
        | op::DIFFICULTY
        | op::GASLIMIT
        | op::CHAINID
        | op::BASEFEE
        | op::BLOBHASH
        | op::BLOBBASEFEE
        | op::SLOTNUM => Feature::OpEnvironment,
        op::SSTORE | op::SELFDESTRUCT => Feature::OpStore,
        op::TLOAD | op::TSTORE => Feature::OpTransient,
        op::CALL | op::CALLCODE | op::DELEGATECALL | op::STATICCALL => Feature::OpCall,
        op::CREATE | op::CREATE2 => Feature::OpCreate,
        // STOP, RETURN, REVERT, and whatever is no opcode: each ends its frame.
        _ => Feature::OpEnd,
    }
}

/// What an opcode leaves to take back, in what it costs to take back a TSTORE.
const fn undoable(code: u8) -> u64 {
    use opcode as op;
    match code {
        op::SLOAD
        | op::BALANCE
        | op::EXTCODESIZE
        | op::EXTCODECOPY
        | op::EXTCODEHASH
        | op::TSTORE
        | op::DELEGATECALL
        | op::STATICCALL
        | op::SELFDESTRUCT => 1,
        // The first look at a slot and its change; a look at an account and its ether.
        op::SSTORE | op::CALL | op::CALLCODE => 2,
        // The creator's nonce, the account, its code, its ether.
        op::CREATE | op::CREATE2 => 4,
        _ => 0,
    }
}

/// What an opcode adds by its operands. `stack` ends with the top.
fn amount(code: u8, stack: &[U256]) -> Option<(Feature, u64)> {
    use opcode as op;
    let operand = |depth: usize| {
        stack
            .len()
            .checked_sub(depth.saturating_add(1))
            .and_then(|at| stack.get(at))
    };
    let bytes = |depth| operand(depth).map(U256::saturating_to::<usize>);
    let copied = |depth| bytes(depth).map(|bytes| (Feature::CopyWord, words(bytes)));
    match code {
        op::EXP => operand(1).map(|exponent| {
            let bytes = exponent.byte_len();
            (Feature::ExpByte, u64::try_from(bytes).unwrap_or(u64::MAX))
        }),
        op::KECCAK256 => bytes(1).map(|bytes| (Feature::KeccakBlock, keccak_blocks(bytes))),
        // Its input is hashed for the address.
        op::CREATE2 => bytes(2).map(|bytes| (Feature::KeccakBlock, keccak_blocks(bytes))),
        op::CALLDATACOPY | op::CODECOPY | op::RETURNDATACOPY => copied(2),
        op::MCOPY => bytes(2).map(|bytes| (Feature::MoveWord, words(bytes))),
        op::EXTCODECOPY => copied(3),
        op::LOG0..=op::LOG4 | op::RETURN | op::REVERT => copied(1),
        _ => None,
    }
}

/// Permutations of Keccak over so many bytes.
fn keccak_blocks(bytes: usize) -> u64 {
    blocks(bytes, 136)
}

/// Blocks of `size` bytes that a hash pads its input to, if padding takes at least a byte.
fn blocks(bytes: usize, size: usize) -> u64 {
    let full = bytes.checked_div(size).unwrap_or_default();
    u64::try_from(full).unwrap_or(u64::MAX).saturating_add(1)
}

/// A call of a precompile that came to its end.
struct Called {
    address: Address,
    input_bytes: usize,
    gas: u64,
    result: InstructionResult,
}

impl Called {
    fn count(&self, work: &mut Work) {
        work.add(Feature::Precompile, 1);
        work.add(Feature::CopyWord, words(self.input_bytes));
        // Gas is checked before anything is computed.
        if self.result == InstructionResult::PrecompileOOG {
            return;
        }
        let items = |size: usize| {
            let items = self.input_bytes.div_ceil(size);
            u64::try_from(items).unwrap_or(u64::MAX)
        };
        // What refuses its input spends all gas, without computing what that gas would buy.
        let gas = if self.result.is_ok() { self.gas } else { 0 };
        match number(&self.address) {
            Some(0x01) => work.add(Feature::EcRecover, 1),
            // SHA-256 and RIPEMD-160 pad by at least nine bytes.
            Some(0x02) => work.add(Feature::Sha256Block, self.hashed_blocks()),
            Some(0x03) => work.add(Feature::RipemdBlock, self.hashed_blocks()),
            // Identity: its input and its output are copied.
            Some(0x04) => {}
            Some(0x05) => work.add(Feature::ModexpGas, gas),
            Some(0x06) => work.add(Feature::Bn254Add, 1),
            Some(0x07) => work.add(Feature::Bn254Mul, 1),
            Some(0x08) => {
                work.add(Feature::Bn254Pairing, 1);
                work.add(Feature::Bn254Pair, items(192));
            }
            // A gas a round.
            Some(0x09) => work.add(Feature::Blake2Round, gas),
            Some(0x0a) => work.add(Feature::Kzg, 1),
            Some(0x0b) => work.add(Feature::BlsG1Add, 1),
            Some(0x0c) => work.add(Feature::BlsG1Point, items(160)),
            Some(0x0d) => work.add(Feature::BlsG2Add, 1),
            Some(0x0e) => work.add(Feature::BlsG2Point, items(288)),
            Some(0x0f) => {
                work.add(Feature::BlsPairing, 1);
                work.add(Feature::BlsPair, items(384));
            }
            Some(0x10) => work.add(Feature::BlsMapG1, 1),
            Some(0x11) => work.add(Feature::BlsMapG2, 1),
            Some(0x100) => work.add(Feature::P256Verify, 1),
            Some(_) | None => work.add(Feature::OtherPrecompileGas, self.gas),
        }
    }

    fn hashed_blocks(&self) -> u64 {
        blocks(self.input_bytes.saturating_add(8), 64)
    }
}

/// The number that a precompile's address is.
fn number(address: &Address) -> Option<u16> {
    let (zeros, number) = address.0.split_last_chunk::<2>()?;
    zeros
        .iter()
        .all(|byte| *byte == 0)
        .then(|| u16::from_be_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precompiles_are_known_by_number() {
        assert_eq!(number(&Address::with_last_byte(9)), Some(9));
        let mut high = Address::ZERO;
        high.0[18] = 1;
        assert_eq!(number(&high), Some(0x100));
        assert_eq!(number(&Address::repeat_byte(1)), None);
    }

    #[test]
    fn counts_blocks_as_hashes_pad() {
        assert_eq!(keccak_blocks(0), 1);
        assert_eq!(keccak_blocks(135), 1);
        assert_eq!(keccak_blocks(136), 2);
        assert_eq!(blocks(55 + 8, 64), 1);
        assert_eq!(blocks(56 + 8, 64), 2);
    }

    #[test]
    fn operands_that_are_missing_count_nothing() {
        assert_eq!(amount(opcode::KECCAK256, &[U256::ONE]), None);
        assert_eq!(
            amount(opcode::KECCAK256, &[U256::from(136), U256::ZERO]),
            Some((Feature::KeccakBlock, 2))
        );
        assert_eq!(
            amount(opcode::MCOPY, &[U256::MAX, U256::ZERO, U256::ZERO]),
            Some((Feature::MoveWord, words(usize::MAX)))
        );
    }
}
