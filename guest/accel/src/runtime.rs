//! What other programs get from an operating system: start, memory, input, output and exit.

use alloc::vec::Vec;
use core::{
    alloc::{GlobalAlloc, Layout},
    cell::UnsafeCell,
    panic::PanicInfo,
    ptr,
};

use openvm_rv32im_guest::hint_buffer_chunked;

/// Exit code of a panic. An instruction that traps has the same: `cargo xtask guest` writes it
/// over what the compiler emits for a trap, which the machine would skip.
pub const EXIT_PANIC: u8 = 1;
/// Exit code when memory is used up.
pub const EXIT_MEMORY: u8 = 2;
/// Exit code when the host gives a value that an accelerator cannot have computed.
pub const EXIT_HOST: u8 = 3;

// The stack grows down from below the program to address 0x400: 2 MiB. What grows beyond wraps
// around to addresses that the machine does not have, and ends the execution.
core::arch::global_asm!(
    ".section .text._start, \"ax\"",
    ".globl _start",
    "_start:",
    "lui sp, 0x200",
    "addi sp, sp, 0x400",
    "call guest_main",
    ".insn i 0x0b, 0, x0, x0, 1",
);

core::arch::global_asm!(include_str!("memory.s"));

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    exit(EXIT_PANIC)
}

/// Ends the execution. The code is part of the instruction, so each has one of its own.
pub fn exit(code: u8) -> ! {
    macro_rules! terminate {
        ($($code:literal)*) => {
            match code {
                // SAFETY: the machine ends here.
                $($code => unsafe {
                    core::arch::asm!(concat!(".insn i 0x0b, 0, x0, x0, ", $code), options(noreturn))
                },)*
                // SAFETY: as above.
                _ => unsafe { core::arch::asm!(".insn i 0x0b, 0, x0, x0, 1", options(noreturn)) },
            }
        };
    }
    terminate!(0 2 3 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26)
}

/// The next vector of the input.
#[must_use]
pub fn read_input() -> Vec<u8> {
    openvm_rv32im_guest::hint_input();
    let mut length = 0_u32;
    hint_buffer_chunked((&raw mut length).cast(), 1);
    let length = length as usize;
    let words = length.div_ceil(4);
    // Words, so that the buffer is aligned as the machine demands.
    let mut buffer = Vec::<u8>::with_capacity(words.saturating_mul(4));
    // The allocator aligns everything to 16 bytes.
    hint_buffer_chunked(buffer.as_mut_ptr(), words);
    // SAFETY: the machine has written so many bytes.
    unsafe { buffer.set_len(length) };
    buffer
}

/// Makes 32 bytes the execution's public values.
pub fn reveal(bytes: &[u8; 32]) {
    for (at, word) in (0_u32..).step_by(4).zip(bytes.as_chunks::<4>().0) {
        let word = u32::from_le_bytes(*word);
        openvm_rv32im_guest::reveal!(at, word, 0);
    }
}

/// Sizes up to this are in classes of 16 bytes, larger ones in classes of powers of two.
const FINE_LIMIT: usize = 2048;
const FINE: usize = FINE_LIMIT / 16 + 1;
/// End of the memory that is given out. The machine's own is behind it: copies read up to 32 bytes
/// beyond their source.
const MEMORY_END: usize = (1 << 29) - 64;

/// Gives freed blocks out again, class by class: memory that is touched for the first time costs
/// the proof more than an instruction, so the same blocks should serve many times.
struct Classes(UnsafeCell<State>);

struct State {
    next: usize,
    fine: [*mut u8; FINE],
    coarse: [*mut u8; 32],
}

// SAFETY: there is one thread.
unsafe impl Sync for Classes {}

#[global_allocator]
static HEAP: Classes = Classes(UnsafeCell::new(State {
    next: 0,
    fine: [ptr::null_mut(); FINE],
    coarse: [ptr::null_mut(); 32],
}));

unsafe extern "C" {
    /// End of the program in memory, from the linker.
    static _end: u8;
}

impl State {
    /// The list that a block belongs to, and how long blocks of its class are.
    #[inline(always)]
    fn class(&mut self, layout: Layout) -> (&mut *mut u8, usize) {
        let size = layout.size().max(layout.align());
        if size <= FINE_LIMIT {
            let class = size.div_ceil(16);
            // SAFETY: at most `FINE_LIMIT / 16`.
            (unsafe { self.fine.get_unchecked_mut(class) }, class * 16)
        } else {
            // A size that overflows has no class; `Layout` forbids it.
            let power = size.next_power_of_two();
            // SAFETY: at most 31.
            (unsafe { self.coarse.get_unchecked_mut(power.trailing_zeros() as usize) }, power)
        }
    }

    #[inline(always)]
    fn fresh(&mut self, bytes: usize, align: usize) -> *mut u8 {
        if self.next == 0 {
            self.next = (&raw const _end) as usize;
        }
        let start = self.next.next_multiple_of(align.max(16));
        match start.checked_add(bytes) {
            Some(end) if end <= MEMORY_END => {
                self.next = end;
                start as *mut u8
            }
            _ => exit(EXIT_MEMORY),
        }
    }
}

// SAFETY: a block is given out again only after it was given back; blocks of one class have one
// length; fresh blocks do not overlap.
unsafe impl GlobalAlloc for Classes {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: there is one thread.
        let state = unsafe { &mut *self.0.get() };
        let (list, bytes) = state.class(layout);
        let block = *list;
        if block.is_null() || layout.align() > 16 {
            return state.fresh(bytes, layout.align());
        }
        // SAFETY: a block in a list holds the next one in its first word.
        *list = unsafe { *block.cast::<*mut u8>() };
        block
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: there is one thread.
        let state = unsafe { &mut *self.0.get() };
        let (list, _) = state.class(layout);
        // SAFETY: the block is ours and at least 16 bytes long.
        unsafe { *block.cast::<*mut u8>() = *list };
        *list = block;
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe {
            let new_layout = Layout::from_size_align_unchecked(new_size, layout.align());
            let state = &mut *self.0.get();
            let (_, before) = state.class(layout);
            let (_, after) = state.class(new_layout);
            if before == after {
                return block;
            }
            // The last block can grow and shrink in place.
            if block as usize + before == state.next
                && let Some(end) = (block as usize).checked_add(after)
                && end <= MEMORY_END
            {
                state.next = end;
                return block;
            }
            let new = self.alloc(new_layout);
            ptr::copy_nonoverlapping(block, new, layout.size().min(new_size));
            self.dealloc(block, layout);
            new
        }
    }
}
