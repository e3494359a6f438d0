//! Links the state transition for the guest's processor, to show that it can be: no standard
//! library, no operating system, no C code. It is not the guest; it is never run.
#![no_std]
#![no_main]

extern crate alloc;

use core::{
    alloc::{GlobalAlloc, Layout},
    panic::PanicInfo,
    sync::atomic::{AtomicUsize, Ordering},
};

/// Hands out memory and never takes it back, as guests do.
struct Bump(AtomicUsize);

const HEAP_BYTES: usize = 64 << 20;
static mut HEAP: [u8; HEAP_BYTES] = [0; HEAP_BYTES];

#[global_allocator]
static ALLOCATOR: Bump = Bump(AtomicUsize::new(0));

// SAFETY: every answer is an aligned range of `HEAP` that no earlier answer overlaps; there is one
// thread.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let start = self.0.load(Ordering::Relaxed).next_multiple_of(layout.align().max(16));
        let Some(end) = start.checked_add(layout.size()).filter(|end| *end <= HEAP_BYTES) else {
            return core::ptr::null_mut();
        };
        self.0.store(end, Ordering::Relaxed);
        // SAFETY: `start` is within `HEAP`.
        unsafe { (&raw mut HEAP).cast::<u8>().add(start) }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}

/// Executes the batch whose encoding lies at `input` and answers whether it is valid.
///
/// # Safety
/// `length` bytes must be readable at `input`.
#[unsafe(no_mangle)]
unsafe extern "C" fn _start(input: *const u8, length: usize) -> bool {
    // SAFETY: the caller's promise.
    let input = unsafe { core::slice::from_raw_parts(input, length) };
    let input = alloy_primitives::Bytes::copy_from_slice(input);
    cloister_stf::execute_encoded(&input, &cloister_crypto::NativeCrypto).is_ok()
}
