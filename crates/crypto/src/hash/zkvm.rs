//! By the proving machine's compression function.
//!
//! The machine takes a state of eight words as numbers and a block of 64 bytes as they are. It wants
//! both aligned to words, and every instruction spent on moving bytes is proved, so blocks are put
//! together word by word.
#![expect(unsafe_code, reason = "the machine's instruction takes addresses")]

use core::mem::MaybeUninit;

use openvm_sha2_guest::zkvm_sha256_impl;

/// Initial state: FIPS 180-4, section 5.3.3.
const INITIAL: State = State([
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
]);

#[derive(Clone, Copy)]
#[repr(C, align(4))]
struct State([u32; 8]);

impl State {
    #[inline(always)]
    fn absorb(&mut self, block: &[u32; 16]) {
        let state = self.0.as_mut_ptr().cast::<u8>();
        // SAFETY: a state of 32 bytes is read and written, a block of 64 bytes read.
        unsafe { zkvm_sha256_impl(state, block.as_ptr().cast(), state) };
    }

    #[inline(always)]
    fn bytes(&self) -> [u8; 32] {
        let mut bytes = MaybeUninit::<[u8; 32]>::uninit();
        let start = bytes.as_mut_ptr().cast::<u8>();
        for (index, word) in self.0.iter().enumerate() {
            // Byte by byte: four stores and three shifts, less than turning the word around.
            // SAFETY: eight words are 32 bytes, all of which are written.
            unsafe {
                let at = start.add(index * 4);
                at.add(3).write_volatile(*word as u8);
                at.add(2).write_volatile((*word >> 8) as u8);
                at.add(1).write_volatile((*word >> 16) as u8);
                at.write_volatile((*word >> 24) as u8);
            }
        }
        // SAFETY: written above.
        unsafe { bytes.assume_init() }
    }
}

/// A hash on the way.
#[derive(Clone)]
pub(crate) struct Sha256 {
    state: State,
    block: [u32; 16],
    /// Bytes taken so far.
    length: usize,
}

impl Sha256 {
    #[inline]
    pub(crate) fn new() -> Self {
        Self::from(INITIAL, 0)
    }

    #[inline(always)]
    fn from(state: State, length: usize) -> Self {
        Self {
            state,
            block: [0; 16],
            length,
        }
    }

    #[inline]
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        let mut at = self.length % 64;
        self.length += bytes.len();
        loop {
            let room = 64 - at;
            let fits = bytes.len() < room;
            let count = if fits { bytes.len() } else { room };
            // SAFETY: at most the room that is left in the block, and what there is.
            unsafe {
                let to = self.block.as_mut_ptr().cast::<u8>().add(at);
                core::ptr::copy_nonoverlapping(bytes.as_ptr(), to, count);
                bytes = bytes.get_unchecked(count..);
            }
            if fits {
                return;
            }
            self.state.absorb(&self.block);
            at = 0;
        }
    }

    #[inline]
    fn end(mut self) -> State {
        let at = self.length % 64;
        // What an earlier block left behind it, the padding must cover.
        // SAFETY: `at` is below 64.
        unsafe {
            let start = self.block.as_mut_ptr().cast::<u8>();
            *start.add(at) = 0x80;
            core::ptr::write_bytes(start.add(at + 1), 0, 63 - at);
        }
        if at >= 56 {
            self.state.absorb(&self.block);
            self.block = [0; 16];
        }
        let bits = self.length as u64 * 8;
        self.block[14] = ((bits >> 32) as u32).to_be();
        self.block[15] = (bits as u32).to_be();
        self.state.absorb(&self.block);
        self.state
    }

    #[inline]
    pub(crate) fn finish(self) -> [u8; 32] {
        self.end().bytes()
    }
}

/// SHA-256 of a domain byte and two 32-byte values: the form of most hashes here.
#[must_use]
pub fn hash_pair(domain: u8, left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut block = MaybeUninit::<[u32; 16]>::uninit();
    let words = block.as_mut_ptr().cast::<u32>();
    let mut carried = u32::from(domain);
    for (half, bytes) in [left, right].into_iter().enumerate() {
        let source = bytes.as_ptr();
        if !source.addr().is_multiple_of(4) {
            return unaligned_pair(domain, left, right);
        }
        for index in 0..8 {
            // SAFETY: 32 aligned bytes are eight words; the block has 16.
            unsafe {
                let word = *source.cast::<u32>().add(index);
                words.add(half * 8 + index).write(carried | word << 8);
                carried = word >> 24;
            }
        }
    }
    let mut state = INITIAL;
    // SAFETY: every word was written.
    state.absorb(unsafe { block.assume_init_ref() });
    // The last byte, the mark behind it, and the length of 65 bytes in bits.
    let mut last = [0_u32; 16];
    last[0] = carried | 0x8000;
    last[15] = 520_u32.to_be();
    state.absorb(&last);
    state.bytes()
}

#[cold]
fn unaligned_pair(domain: u8, left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(&[domain]);
    hasher.update(left);
    hasher.update(right);
    hasher.finish()
}

/// HMAC with the key already absorbed (two compressions, done once).
#[derive(Clone)]
pub(crate) struct Keyed {
    inner: State,
    outer: State,
}

impl Keyed {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        // A key shorter than a block is padded with zeros: RFC 2104, section 2.
        let padded = |pad: u8| {
            let mut block = [u32::from_ne_bytes([pad; 4]); 16];
            for (word, bytes) in block.iter_mut().zip(key.as_chunks::<4>().0) {
                *word ^= u32::from_ne_bytes(*bytes);
            }
            let mut state = INITIAL;
            state.absorb(&block);
            state
        };
        Self {
            inner: padded(0x36),
            outer: padded(0x5c),
        }
    }

    /// HMAC of the parts, one after the other.
    pub(crate) fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut inner = Sha256::from(self.inner, 64);
        for part in parts {
            inner.update(part);
        }
        let inner = inner.end();
        let mut block = [0_u32; 16];
        for (word, digest) in block.iter_mut().zip(inner.0) {
            *word = digest.to_be();
        }
        block[8] = 0x80;
        block[15] = (96_u32 * 8).to_be();
        let mut outer = self.outer;
        outer.absorb(&block);
        outer.bytes()
    }
}
