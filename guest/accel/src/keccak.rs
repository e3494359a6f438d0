//! Keccak-256 by the machine's permutation, for `alloy-primitives`' `native-keccak`.

use core::{mem::MaybeUninit, ptr};

use openvm_custom_insn::custom_insn_r;
use openvm_keccak256_guest::{
    KECCAK_RATE, KECCAKF_FUNCT3, KECCAKF_FUNCT7, OPCODE, XORIN_FUNCT3, XORIN_FUNCT7,
};

/// Words of the sponge's state, and of the part that takes input.
const STATE: usize = 50;
const RATE: usize = KECCAK_RATE / 4;

#[inline(always)]
fn permute(state: &mut [u32; STATE]) {
    let mut state = state.as_mut_ptr();
    custom_insn_r!(
        opcode = OPCODE,
        funct3 = KECCAKF_FUNCT3,
        funct7 = KECCAKF_FUNCT7,
        rd = InOut state,
        rs1 = Const "x0",
        rs2 = Const "x0",
    );
    let _ = state;
}

/// Adds one block of input to the state; `block` is aligned to words.
#[inline(always)]
fn absorb(state: &mut [u32; STATE], block: *const u8) {
    let mut state = state.as_mut_ptr();
    let length = KECCAK_RATE;
    custom_insn_r!(
        opcode = OPCODE,
        funct3 = XORIN_FUNCT3,
        funct7 = XORIN_FUNCT7,
        rd = InOut state,
        rs1 = In block,
        rs2 = In length
    );
    let _ = state;
}

/// Keccak-256 of `length` bytes.
///
/// # Safety
/// `length` bytes must be readable at `bytes` and 32 writable at `output`.
#[unsafe(no_mangle)]
unsafe extern "C" fn native_keccak256(mut bytes: *const u8, mut length: usize, output: *mut u8) {
    let mut state = [0_u32; STATE];
    let mut first = true;
    while length >= KECCAK_RATE {
        // SAFETY: that many bytes are left; the state is longer than a block.
        unsafe {
            if first {
                ptr::copy_nonoverlapping(bytes, state.as_mut_ptr().cast(), KECCAK_RATE);
            } else if bytes.addr().is_multiple_of(4) {
                absorb(&mut state, bytes);
            } else {
                let mut block = MaybeUninit::<[u32; RATE]>::uninit();
                ptr::copy_nonoverlapping(bytes, block.as_mut_ptr().cast(), KECCAK_RATE);
                absorb(&mut state, block.as_ptr().cast());
            }
            bytes = bytes.add(KECCAK_RATE);
        }
        permute(&mut state);
        first = false;
        length -= KECCAK_RATE;
    }
    // SAFETY: fewer bytes than a block are left.
    unsafe {
        if first {
            let start = state.as_mut_ptr().cast::<u8>();
            ptr::copy_nonoverlapping(bytes, start, length);
            // Nothing was there before, so writing is adding; the last byte may be the same one.
            *start.add(length) = 1;
            *start.add(KECCAK_RATE - 1) |= 0x80;
        } else {
            let mut block = [0_u32; RATE];
            let start = block.as_mut_ptr().cast::<u8>();
            ptr::copy_nonoverlapping(bytes, start, length);
            *start.add(length) = 1;
            *start.add(KECCAK_RATE - 1) |= 0x80;
            absorb(&mut state, start);
        }
        permute(&mut state);
        if output.addr().is_multiple_of(4) {
            ptr::copy_nonoverlapping(state.as_ptr(), output.cast(), 8);
        } else {
            ptr::copy_nonoverlapping(state.as_ptr().cast(), output, 32);
        }
    }
}
