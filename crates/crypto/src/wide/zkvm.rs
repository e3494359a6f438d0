//! By the proving machine's instructions for 256-bit integers (OpenVM's extension `bigint`).
#![expect(unsafe_code, reason = "the machine's instructions take addresses")]

use alloy_primitives::U256;

/// What all of these instructions have in common: custom-0 of RISC-V.
const OPCODE: u8 = 0x0b;
const ARITHMETIC: u8 = 0b101;

macro_rules! instructions {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        $(
            $(#[$doc])*
            ///
            /// # Safety
            /// As the module says.
            #[inline(always)]
            pub unsafe fn $name(to: *mut U256, one: *const U256, other: *const U256) {
                // SAFETY: the instruction reads and writes 32 bytes each, of words.
                unsafe {
                    core::arch::asm!(
                        ".insn r {opcode}, {kind}, {number}, {to}, {one}, {other}",
                        opcode = const OPCODE,
                        kind = const ARITHMETIC,
                        number = const $number,
                        to = in(reg) to,
                        one = in(reg) one,
                        other = in(reg) other,
                        options(nostack, preserves_flags),
                    );
                }
            }
        )*
    };
}

instructions! {
    /// The sum modulo 2^256.
    add = 0;
    /// The difference modulo 2^256.
    sub = 1;
    /// What is in one of both.
    xor = 2;
    /// What is in either.
    or = 3;
    /// What is in both.
    and = 4;
    /// `one` times two to the power of `other`, which must be less than 256.
    shl = 5;
    /// `one` divided by two to the power of `other`, which must be less than 256.
    shr = 6;
    /// 1 if `one` is less than `other`, else 0.
    less = 9;
    /// The product modulo 2^256.
    mul = 10;
}

/// A copy.
///
/// # Safety
/// As the module says.
#[inline(always)]
pub unsafe fn copy(to: *mut U256, from: *const U256) {
    // SAFETY: the caller's promise.
    unsafe { and(to, from, from) }
}

/// Whether both are equal.
///
/// # Safety
/// As the module says.
#[inline(always)]
#[must_use]
pub unsafe fn equal(one: *const U256, other: *const U256) -> bool {
    let equal: u32;
    // SAFETY: the instruction reads 32 bytes each, of words, and jumps over the next one if they are
    // equal.
    unsafe {
        core::arch::asm!(
            "li {equal}, 1",
            ".insn b {opcode}, 0b110, {one}, {other}, 8",
            "li {equal}, 0",
            opcode = const OPCODE,
            equal = out(reg) equal,
            one = in(reg) one,
            other = in(reg) other,
            options(nostack, preserves_flags, readonly),
        );
    }
    equal != 0
}
