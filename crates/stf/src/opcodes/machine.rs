//! What the interpreter works on, as addresses.
#![expect(
    unsafe_code,
    reason = "values are worked on where they lie, by instructions that take addresses"
)]
#![expect(
    clippy::inline_always,
    reason = "the fields stay in registers only if nothing here is called"
)]

use core::{hint::black_box, mem::MaybeUninit, slice};

use cloister_crypto::{keccak256, wide};
use revm::{
    bytecode::opcode::{JUMP, JUMPDEST, JUMPI, PUSH1, SHL, SUB},
    interpreter::{
        CallInput, InstructionResult, Interpreter, STACK_LIMIT, interpreter::EthInterpreter,
        interpreter_types::Jumps,
    },
    primitives::{Address, U256},
};

/// Gas of the opcodes that are executed here, the same in every fork that there is.
mod cost {
    pub(super) const JUMPDEST: i32 = 1;
    pub(super) const BASE: i32 = 2;
    pub(super) const VERY_LOW: i32 = 3;
    pub(super) const LOW: i32 = 5;
    pub(super) const MID: i32 = 8;
    pub(super) const HIGH: i32 = 10;
    pub(super) const KECCAK256: u32 = 30;
    pub(super) const KECCAK256_WORD: u32 = 6;
}

#[cfg(target_endian = "big")]
compile_error!("values are written byte by byte, the lowest first");

/// Most gas that is counted at once. What one opcode costs is left of the counter's range below zero.
const BUDGET: u32 = if cfg!(test) { 1 << 12 } else { 1 << 30 };
/// Longest code.
const LONGEST_CODE: usize = 1 << 24;

/// Operands by address that never change.
struct Constants {
    zero: U256,
    one: U256,
    ones: U256,
    sign: U256,
    /// Bits of a value.
    bits: U256,
    /// What is small is below.
    small: U256,
    /// What a small value has none of, in the order of bytes in memory.
    not_small: U256,
    /// All bits of an address.
    address: U256,
}

static CONSTANTS: Constants = Constants {
    zero: U256::ZERO,
    one: U256::ONE,
    ones: U256::MAX,
    sign: U256::from_limbs([0, 0, 0, 1 << 63]),
    bits: U256::from_limbs([256, 0, 0, 0]),
    small: U256::from_limbs([1 << 32, 0, 0, 0]),
    not_small: U256::from_limbs([u64::MAX, u64::MAX, u64::MAX, (1 << 32) - 1]),
    address: U256::from_limbs([u64::MAX, u64::MAX, (1 << 32) - 1, 0]),
};

/// What follows a PUSH1 that begins the mask of an address: `(1 << 160) - 1`.
const MASK: [u8; 7] = [1, PUSH1, 1, PUSH1, 160, SHL, SUB];

/// Operands by address.
pub(super) struct Words {
    /// Places in the code that may be jumped to are below.
    code_length: MaybeUninit<U256>,
    /// Where a value in memory may begin is below.
    memory_room: MaybeUninit<U256>,
    /// Where a value in the call data may begin is below.
    data_room: MaybeUninit<U256>,
    scratch: MaybeUninit<U256>,
}

impl Words {
    pub(super) const fn new() -> Self {
        Self {
            code_length: MaybeUninit::uninit(),
            memory_room: MaybeUninit::uninit(),
            data_room: MaybeUninit::uninit(),
            scratch: MaybeUninit::uninit(),
        }
    }
}

/// An opcode that is not executed here: nothing of it has happened.
pub(super) struct NotHere;

pub(super) type Executed = Result<(), NotHere>;

/// Where a frame stands. Between [`Machine::enter`] and [`Machine::leave`] the interpreter's own
/// counters are stale.
///
/// Invariant in that time: `base..limit` is the stack's buffer, whose values below `top` are
/// initialised; `next` points to an opcode that revm's analysis has seen as one, or to the code's
/// first; `memory` points to the frame's memory, which has room for a value wherever
/// `words.memory_room` says so.
///
/// revm's analysis pads code with zeros such that the bytes that a PUSH reads and an opcode after
/// them, STOP at the end, lie within the padded code.
pub(super) struct Machine<'a> {
    next: *const u8,
    /// The place above the topmost value.
    top: *mut U256,
    /// What is left of the budget. An opcode takes its gas when it has been executed, and the next
    /// one is only executed if there is no less than none: one at most is not paid for, and nobody
    /// can see what it did.
    gas: i32,
    budget: u32,
    base: *mut U256,
    limit: *mut U256,
    memory: *mut u8,
    memory_length: u32,
    code: *const u8,
    jumps: *const u8,
    code_length: u32,
    constants: &'static Constants,
    words: &'a mut Words,
}

/// The least significant 32 bits.
#[inline(always)]
fn low(value: *const U256) -> u32 {
    // SAFETY: callers pass addresses of initialised values.
    unsafe { value.cast::<u32>().read() }
}

/// Writes a value whose other bits are zero.
#[inline(always)]
fn set_low(value: *mut U256, low: u32) {
    // SAFETY: callers pass addresses of initialised values.
    unsafe { value.cast::<u32>().write(low) }
}

#[inline(always)]
fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// As an operand; what cannot be one is the largest.
#[inline(always)]
fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// Whether an address in memory is one of a value: memory often begins at such a place.
#[inline(always)]
fn is_aligned(place: *const u8) -> bool {
    place.addr().is_multiple_of(align_of::<U256>())
}

/// Copies `N` bytes in reverse order, as between code or memory and values.
///
/// # Safety
/// `from` must be readable and `to` writable for so many bytes, which do not overlap.
#[inline(always)]
unsafe fn reverse<const N: usize>(to: *mut u8, from: *const u8) {
    for at in 0..N {
        // SAFETY: within `N` bytes.
        unsafe {
            to.add(at)
                .write(from.add(N.wrapping_sub(at).wrapping_sub(1)).read());
        };
    }
}

/// A function of its own, so that what stays in registers elsewhere is decided without it.
///
/// # Safety
/// `to` must be writable, and so many bytes from `from` readable.
#[inline(never)]
unsafe fn hash(to: *mut U256, from: *const u8, length: usize) {
    // SAFETY: the caller's promise.
    let hash = keccak256(unsafe { slice::from_raw_parts(from, length) });
    // SAFETY: both have 32 bytes.
    unsafe { reverse::<32>(to.cast(), hash.as_ptr()) };
}

macro_rules! binary {
    ($($(#[$doc:meta])* $name:ident($machine:ident, $one:ident, $other:ident, $gas:ident) $do:block)*) => {
        $(
            $(#[$doc])*
            #[inline(always)]
            pub(super) fn $name(&mut self) -> Executed {
                let $machine = self;
                let ($other, $one) = $machine.two()?;
                // SAFETY: both are values on the stack.
                unsafe { $do };
                $machine.top = $one;
                $machine.pass(1, cost::$gas)
            }
        )*
    };
}

impl<'a> Machine<'a> {
    /// At the interpreter's state; `None` for code that is no such.
    #[inline(always)]
    pub(super) fn new(
        interpreter: &Interpreter<EthInterpreter>,
        words: &'a mut Words,
    ) -> Option<Self> {
        let jumps = interpreter.bytecode.legacy_jump_table()?;
        let code = interpreter.bytecode.bytes_ref();
        if code.len() > LONGEST_CODE {
            return None;
        }
        // So that the compiler has one address in a register, not seven to put together.
        let constants = black_box(&CONSTANTS);
        // SAFETY: places for values.
        unsafe {
            wide::copy(words.code_length.as_mut_ptr(), &raw const constants.zero);
            wide::copy(words.memory_room.as_mut_ptr(), &raw const constants.zero);
            wide::copy(words.data_room.as_mut_ptr(), &raw const constants.zero);
        }
        let code_length = number(jumps.len());
        set_low(words.code_length.as_mut_ptr(), code_length);
        Some(Self {
            next: code.as_ptr(),
            top: core::ptr::null_mut(),
            gas: 0,
            budget: 0,
            base: core::ptr::null_mut(),
            limit: core::ptr::null_mut(),
            memory: core::ptr::null_mut(),
            memory_length: 0,
            code: code.as_ptr(),
            jumps: jumps.as_slice().as_ptr(),
            code_length,
            constants,
            words,
        })
    }

    /// Takes over from the interpreter.
    #[inline(always)]
    pub(super) fn enter(&mut self, interpreter: &mut Interpreter<EthInterpreter>) {
        let stack = interpreter.stack.data_mut();
        self.base = stack.as_mut_ptr();
        self.limit = self.base.wrapping_add(stack.capacity().min(STACK_LIMIT));
        self.top = self.base.wrapping_add(stack.len());
        let mut memory = interpreter.memory.context_memory_mut();
        self.memory = memory.as_mut_ptr();
        self.memory_length = number(memory.len());
        let room = self.memory_length.saturating_sub(31);
        set_low(self.words.memory_room.as_mut_ptr(), room);
        self.next = self.code.wrapping_add(interpreter.bytecode.pc());
        self.budget = u32::try_from(interpreter.gas.remaining())
            .unwrap_or(BUDGET)
            .min(BUDGET);
        self.gas = self.budget.cast_signed();
    }

    /// Hands over to the interpreter.
    #[inline(always)]
    pub(super) fn leave(
        &self,
        interpreter: &mut Interpreter<EthInterpreter>,
    ) -> Result<(), InstructionResult> {
        // SAFETY: `top` is within the stack's buffer, and what is below initialised.
        unsafe {
            let height = self.top.offset_from_unsigned(self.base);
            interpreter.stack.data_mut().set_len(height);
        }
        // SAFETY: both are within the code.
        let pc = unsafe { self.next.offset_from_unsigned(self.code) };
        interpreter.bytecode.absolute_jump(pc);
        let spent = self.budget.wrapping_sub(self.gas.cast_unsigned());
        let left = interpreter.gas.remaining().checked_sub(spent.into());
        // The opcode that was not paid for ends the frame; it changed nothing but the frame's stack
        // and memory, which end with it.
        interpreter
            .gas
            .set_remaining(left.ok_or(InstructionResult::OutOfGas)?);
        Ok(())
    }

    /// Whether all opcodes so far were paid for, out of the budget. Asked before each one: code that
    /// goes on without gas would cost the guest what nobody paid and no estimate knows (SSTF-10).
    #[inline(always)]
    pub(super) const fn has_gas(&self) -> bool {
        self.gas >= 0
    }

    /// The opcode that comes next.
    #[inline(always)]
    pub(super) fn opcode(&self) -> u8 {
        // SAFETY: `next` points into the code.
        unsafe { *self.next }
    }

    /// Goes on behind an opcode of so many bytes.
    #[inline(always)]
    #[expect(clippy::unnecessary_wraps, reason = "opcodes end with it")]
    fn pass(&mut self, bytes: usize, gas: i32) -> Executed {
        self.gas = self.gas.wrapping_sub(gas);
        // SAFETY: code is padded such that an opcode follows.
        self.next = unsafe { self.next.add(bytes) };
        Ok(())
    }

    /// The value so deep in the stack; 1 is the topmost.
    #[inline(always)]
    fn value(&self, depth: usize) -> Result<*mut U256, NotHere> {
        // It cannot wrap: the stack does not lie at the very beginning of the address space.
        let value = self.top.wrapping_sub(depth);
        if value < self.base {
            return Err(NotHere);
        }
        Ok(value)
    }

    /// The second value from above and the topmost.
    #[inline(always)]
    fn two(&self) -> Result<(*mut U256, *mut U256), NotHere> {
        let second = self.value(2)?;
        Ok((second, second.wrapping_add(1)))
    }

    /// Where the next value is pushed to.
    #[inline(always)]
    fn place(&self) -> Result<*mut U256, NotHere> {
        if self.top == self.limit {
            return Err(NotHere);
        }
        Ok(self.top)
    }

    /// Pushes what `write` writes over a zero.
    #[inline(always)]
    fn push_over_zero(&mut self, write: impl FnOnce(*mut U256)) -> Executed {
        let place = self.place()?;
        // SAFETY: a place in the stack's buffer.
        unsafe { wide::copy(place, &raw const self.constants.zero) };
        write(place);
        self.top = place.wrapping_add(1);
        Ok(())
    }

    /// PUSH0 to PUSH32.
    #[inline(always)]
    pub(super) fn push<const N: usize>(&mut self) -> Executed {
        let data = self.next.wrapping_add(1);
        // SAFETY: the code is padded by as many bytes as the last PUSH reads, and `N` is at most 32.
        self.push_over_zero(|place| unsafe { reverse::<N>(place.cast(), data) })?;
        self.pass(
            N.wrapping_add(1),
            if N == 0 { cost::BASE } else { cost::VERY_LOW },
        )
    }

    /// PUSH1, with the opcodes that mostly follow where code of Solidity needs the mask of an
    /// address.
    #[inline(always)]
    pub(super) fn push_or_mask(&mut self) -> Executed {
        let place = self.place()?;
        // SAFETY: compared in order, and each of these opcodes has an opcode behind its data.
        let is_mask = unsafe {
            let mut masks = MASK.iter().enumerate();
            masks.all(|(at, byte)| self.next.add(at.wrapping_add(1)).read() == *byte)
        };
        // Three places are needed on the way.
        if !is_mask || self.limit.addr().wrapping_sub(place.addr()) < size_of::<[U256; 3]>() {
            return self.push::<1>();
        }
        // SAFETY: a place in the stack's buffer.
        unsafe { wide::copy(place, &raw const self.constants.address) };
        self.top = place.wrapping_add(1);
        self.pass(MASK.len().wrapping_add(1), 5 * cost::VERY_LOW)
    }

    #[inline(always)]
    fn push_small(&mut self, small: usize) -> Executed {
        self.push_over_zero(|place| set_low(place, number(small)))?;
        self.pass(1, cost::BASE)
    }

    #[inline(always)]
    fn push_address(&mut self, address: &Address) -> Executed {
        let from: *const Address = address;
        // SAFETY: an address has 20 bytes.
        self.push_over_zero(|place| unsafe { reverse::<20>(place.cast(), from.cast()) })?;
        self.pass(1, cost::BASE)
    }

    #[inline(always)]
    pub(super) fn caller(&mut self, interpreter: &Interpreter<EthInterpreter>) -> Executed {
        self.push_address(&interpreter.input.caller_address)
    }

    #[inline(always)]
    pub(super) fn address(&mut self, interpreter: &Interpreter<EthInterpreter>) -> Executed {
        self.push_address(&interpreter.input.target_address)
    }

    #[inline(always)]
    pub(super) fn call_value(&mut self, interpreter: &Interpreter<EthInterpreter>) -> Executed {
        let place = self.place()?;
        // SAFETY: a place in the stack's buffer.
        unsafe { wide::copy(place, &raw const interpreter.input.call_value) };
        self.top = place.wrapping_add(1);
        self.pass(1, cost::BASE)
    }

    #[inline(always)]
    pub(super) fn call_data_size(&mut self, interpreter: &Interpreter<EthInterpreter>) -> Executed {
        self.push_small(interpreter.input.input.len())
    }

    #[inline(always)]
    pub(super) fn return_data_size(
        &mut self,
        interpreter: &Interpreter<EthInterpreter>,
    ) -> Executed {
        self.push_small(interpreter.return_data.0.len())
    }

    #[inline(always)]
    pub(super) fn code_size(&mut self, interpreter: &Interpreter<EthInterpreter>) -> Executed {
        self.push_small(interpreter.bytecode.len())
    }

    #[inline(always)]
    pub(super) fn program_counter(&mut self) -> Executed {
        self.push_small(self.next.addr().wrapping_sub(self.code.addr()))
    }

    #[inline(always)]
    pub(super) fn memory_size(&mut self) -> Executed {
        self.push_small(index(self.memory_length))
    }

    /// GAS, if the budget shows that there is as much.
    #[inline(always)]
    pub(super) fn gas_left(&mut self, interpreter: &Interpreter<EthInterpreter>) -> Executed {
        let budget = self.gas.wrapping_sub(cost::BASE);
        if budget < 0 {
            return Err(NotHere);
        }
        let spent = self.budget.wrapping_sub(budget.cast_unsigned());
        let left = interpreter.gas.remaining().wrapping_sub(spent.into());
        // SAFETY: the lowest 64 bits of a place in the stack's buffer.
        self.push_over_zero(|place| unsafe { place.cast::<u64>().write(left) })?;
        self.pass(1, cost::BASE)
    }

    /// CALLDATALOAD of 32 bytes that are all there, in a transaction's own call data.
    #[inline(always)]
    pub(super) fn call_data_load(&mut self, interpreter: &Interpreter<EthInterpreter>) -> Executed {
        let value = self.value(1)?;
        let CallInput::Bytes(data) = &interpreter.input.input else {
            return Err(NotHere);
        };
        set_low(
            self.words.data_room.as_mut_ptr(),
            number(data.len().saturating_sub(31)),
        );
        // SAFETY: `value` is on the stack; 32 bytes can be read from places below `data_room`.
        unsafe {
            let scratch = self.words.scratch.as_mut_ptr();
            wide::less(scratch, value, self.words.data_room.as_ptr());
            if low(scratch) == 0 {
                return Err(NotHere);
            }
            reverse::<32>(value.cast(), data.as_ptr().add(index(low(value))));
        }
        self.pass(1, cost::VERY_LOW)
    }

    #[inline(always)]
    pub(super) fn pop(&mut self) -> Executed {
        self.top = self.value(1)?;
        self.pass(1, cost::BASE)
    }

    /// DUP1 to DUP16.
    #[inline(always)]
    pub(super) fn dup<const N: usize>(&mut self) -> Executed {
        let (value, place) = (self.value(N)?, self.place()?);
        // SAFETY: a value on the stack and a place above.
        unsafe { wide::copy(place, value) };
        self.top = place.wrapping_add(1);
        self.pass(1, cost::VERY_LOW)
    }

    /// SWAP1 to SWAP16.
    #[inline(always)]
    pub(super) fn swap<const N: usize>(&mut self) -> Executed {
        let (one, other) = (self.top.wrapping_sub(1), self.value(N.wrapping_add(1))?);
        // SAFETY: two values on the stack.
        unsafe {
            let scratch = self.words.scratch.as_mut_ptr();
            wide::copy(scratch, one);
            wide::copy(one, other);
            wide::copy(other, scratch);
        }
        self.pass(1, cost::VERY_LOW)
    }

    binary! {
        add(machine, one, other, VERY_LOW) { wide::add(other, one, other) }
        mul(machine, one, other, LOW) { wide::mul(other, one, other) }
        sub(machine, one, other, VERY_LOW) { wide::sub(other, one, other) }
        and(machine, one, other, VERY_LOW) { wide::and(other, one, other) }
        or(machine, one, other, VERY_LOW) { wide::or(other, one, other) }
        xor(machine, one, other, VERY_LOW) { wide::xor(other, one, other) }
        lt(machine, one, other, VERY_LOW) { wide::less(other, one, other) }
        gt(machine, one, other, VERY_LOW) { wide::less(other, other, one) }
        /// Numbers with signs are in order if their signs are flipped.
        slt(machine, one, other, VERY_LOW) {
            let sign = &raw const machine.constants.sign;
            wide::xor(one, one, sign);
            wide::xor(other, other, sign);
            wide::less(other, one, other);
        }
        /// As SLT.
        sgt(machine, one, other, VERY_LOW) {
            let sign = &raw const machine.constants.sign;
            wide::xor(one, one, sign);
            wide::xor(other, other, sign);
            wide::less(other, other, one);
        }
        /// Only zero is less than one.
        eq(machine, one, other, VERY_LOW) {
            wide::xor(other, one, other);
            wide::less(other, other, &raw const machine.constants.one);
        }
        shl(machine, one, other, VERY_LOW) {
            if machine.is_shift(one) {
                wide::shl(other, other, one);
            } else {
                wide::copy(other, &raw const machine.constants.zero);
            }
        }
        shr(machine, one, other, VERY_LOW) {
            if machine.is_shift(one) {
                wide::shr(other, other, one);
            } else {
                wide::copy(other, &raw const machine.constants.zero);
            }
        }
    }

    /// Whether a value is shifted by so much to something else than zero.
    #[inline(always)]
    fn is_shift(&mut self, by: *const U256) -> bool {
        // SAFETY: `by` is on the stack.
        unsafe {
            let scratch = self.words.scratch.as_mut_ptr();
            wide::less(scratch, by, &raw const self.constants.bits);
            low(scratch) != 0
        }
    }

    #[inline(always)]
    pub(super) fn is_zero(&mut self) -> Executed {
        let value = self.value(1)?;
        // SAFETY: a value on the stack.
        unsafe { wide::less(value, value, &raw const self.constants.one) };
        self.pass(1, cost::VERY_LOW)
    }

    #[inline(always)]
    pub(super) fn not(&mut self) -> Executed {
        let value = self.value(1)?;
        // SAFETY: a value on the stack.
        unsafe { wide::xor(value, value, &raw const self.constants.ones) };
        self.pass(1, cost::VERY_LOW)
    }

    /// Where in memory a value begins, if all of it is there.
    #[inline(always)]
    fn in_memory(&mut self, offset: *const U256) -> Result<*mut u8, NotHere> {
        // SAFETY: `offset` is on the stack.
        unsafe {
            let scratch = self.words.scratch.as_mut_ptr();
            wide::less(scratch, offset, self.words.memory_room.as_ptr());
            if low(scratch) == 0 {
                return Err(NotHere);
            }
        }
        Ok(self.memory.wrapping_add(index(low(offset))))
    }

    /// Whether a value in memory can be seen to have 32 bits.
    ///
    /// # Safety
    /// The value must be readable.
    #[inline(always)]
    unsafe fn is_small(&mut self, value: *const u8) -> bool {
        // SAFETY: the caller's promise, and the value is aligned.
        is_aligned(value)
            && unsafe {
                let scratch = self.words.scratch.as_mut_ptr();
                wide::and(scratch, value.cast(), &raw const self.constants.not_small);
                wide::equal(scratch, &raw const self.constants.zero)
            }
    }

    #[inline(always)]
    pub(super) fn mload(&mut self) -> Executed {
        let value = self.value(1)?;
        let from = self.in_memory(value)?;
        // SAFETY: 32 bytes of memory and a value on the stack.
        unsafe {
            if self.is_small(from) {
                wide::copy(value, &raw const self.constants.zero);
                reverse::<4>(value.cast(), from.add(28));
            } else {
                reverse::<32>(value.cast(), from);
            }
        }
        self.pass(1, cost::VERY_LOW)
    }

    #[inline(always)]
    pub(super) fn mstore(&mut self) -> Executed {
        let (value, offset) = self.two()?;
        let to = self.in_memory(offset)?;
        // SAFETY: 32 bytes of memory and a value on the stack.
        unsafe {
            let scratch = self.words.scratch.as_mut_ptr();
            wide::less(scratch, value, &raw const self.constants.small);
            if low(scratch) != 0 && is_aligned(to) {
                wide::copy(to.cast(), &raw const self.constants.zero);
                reverse::<4>(to.add(28), value.cast());
            } else {
                reverse::<32>(to, value.cast());
            }
        }
        self.top = value;
        self.pass(1, cost::VERY_LOW)
    }

    /// KECCAK256 of memory that is there.
    #[inline(always)]
    pub(super) fn keccak256(&mut self) -> Executed {
        let (value, offset) = self.two()?;
        // SAFETY: both are on the stack.
        unsafe {
            let scratch = self.words.scratch.as_mut_ptr();
            // None is above 32 bits if this is not.
            wide::or(scratch, value, offset);
            wide::less(scratch, scratch, &raw const self.constants.small);
            if low(scratch) == 0 {
                return Err(NotHere);
            }
        }
        let (length, offset) = (low(value), low(offset));
        let fits = offset
            .checked_add(length)
            .is_some_and(|end| end <= self.memory_length);
        let cost = length
            .div_ceil(32)
            .wrapping_mul(cost::KECCAK256_WORD)
            .wrapping_add(cost::KECCAK256)
            .cast_signed();
        // Hashing is too much work to find out afterwards that it was not paid for.
        if length == 0 || !fits || self.gas < cost {
            return Err(NotHere);
        }
        // SAFETY: within the memory, which nothing else refers to meanwhile; a value on the stack.
        unsafe { hash(value, self.memory.add(index(offset)), index(length)) };
        self.top = value.wrapping_add(1);
        self.pass(1, cost)
    }

    /// Continues behind the JUMPDEST at a place below `code_length`, whose gas is taken with the jump's.
    #[inline(always)]
    fn go_to(&mut self, place: u32, gas: i32) -> Executed {
        // SAFETY: the table has a bit for each place below `code_length`. A place whose bit is set
        // is that of a JUMPDEST.
        unsafe {
            let bits = u32::from(self.jumps.add(index(place >> 3)).read());
            if bits.wrapping_shr(place & 7) & 1 == 0 {
                return Err(NotHere);
            }
            self.next = self.code.add(index(place));
        }
        debug_assert_eq!(self.opcode(), JUMPDEST, "the analysis marks nothing else");
        self.pass(1, gas.wrapping_add(cost::JUMPDEST))
    }

    /// As [`Machine::go_to`], to a place that is a value on the stack.
    #[inline(always)]
    fn go_to_value(&mut self, target: *const U256, gas: i32) -> Executed {
        // SAFETY: the caller's promise.
        unsafe {
            let scratch = self.words.scratch.as_mut_ptr();
            wide::less(scratch, target, self.words.code_length.as_ptr());
            if low(scratch) == 0 {
                return Err(NotHere);
            }
        }
        self.go_to(low(target), gas)
    }

    #[inline(always)]
    pub(super) fn jump(&mut self) -> Executed {
        let target = self.value(1)?;
        self.go_to_value(target, cost::MID)?;
        self.top = target;
        Ok(())
    }

    #[inline(always)]
    pub(super) fn jump_if(&mut self) -> Executed {
        let (condition, target) = self.two()?;
        if self.is_false(condition) {
            self.pass(1, cost::HIGH)?;
        } else {
            self.go_to_value(target, cost::HIGH)?;
        }
        self.top = condition;
        Ok(())
    }

    #[inline(always)]
    fn is_false(&self, condition: *const U256) -> bool {
        // SAFETY: `condition` is on the stack.
        unsafe { wide::equal(condition, &raw const self.constants.zero) }
    }

    /// PUSH2, with the jump that mostly follows.
    #[inline(always)]
    pub(super) fn push_and_jump(&mut self) -> Executed {
        // SAFETY: the code is padded such that an opcode follows the data.
        let ([high, low], then) = unsafe {
            let data = self.next.add(1);
            (data.cast::<[u8; 2]>().read(), data.add(2).read())
        };
        if then != JUMP && then != JUMPI {
            return self.push::<2>();
        }
        self.place()?;
        let place = u32::from(u16::from_be_bytes([high, low]));
        let mut top = self.top;
        if then == JUMPI {
            top = self.value(1)?;
            if self.is_false(top) {
                self.top = top;
                return self.pass(4, cost::VERY_LOW.wrapping_add(cost::HIGH));
            }
        }
        if place >= self.code_length {
            return Err(NotHere);
        }
        let jump = if then == JUMPI { cost::HIGH } else { cost::MID };
        self.go_to(place, cost::VERY_LOW.wrapping_add(jump))?;
        self.top = top;
        Ok(())
    }

    #[inline(always)]
    pub(super) fn jump_destination(&mut self) -> Executed {
        self.pass(1, cost::JUMPDEST)
    }
}
