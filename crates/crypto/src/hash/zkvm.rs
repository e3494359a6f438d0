//! By the proving machine's compression function.
//!
//! The machine takes a state of eight words as numbers and a block of 64 bytes as they are. It wants
//! both aligned to words, and every instruction spent on moving bytes is proved: short messages are
//! put together word by word, at places that the compiler knows.
#![expect(unsafe_code, reason = "the machine's instruction takes addresses")]

use core::{cell::UnsafeCell, mem::MaybeUninit};

use openvm_sha2_guest::{OPCODE, SHA2_FUNCT3, Sha2BaseFunct7};

use alloy_primitives::U256;
use cloister_types::Salt;

use super::Half;
use crate::wide;

/// Initial state: FIPS 180-4, section 5.3.3.
static INITIAL: State = State([
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
]);

/// Most bytes of a message of one block, and of two: the mark and the length need nine.
const ONE_BLOCK: usize = 55;
const TWO_BLOCKS: usize = 119;

#[derive(Clone, Copy)]
#[repr(C, align(4))]
struct State([u32; 8]);

impl State {
    /// The state after a block of 16 words, which must be readable. It is kept where `place` says:
    /// returned by value, it would be copied.
    #[inline(always)]
    unsafe fn after<'a>(&self, block: *const u32, place: &'a mut MaybeUninit<Self>) -> &'a Self {
        // SAFETY: the instruction reads a state of 32 bytes and a block of 64, and writes a state;
        // all three are words, as it demands.
        unsafe {
            core::arch::asm!(
                ".insn r {opcode}, {funct3}, {funct7}, {next}, {state}, {block}",
                opcode = const OPCODE,
                funct3 = const SHA2_FUNCT3,
                funct7 = const Sha2BaseFunct7::Sha256 as u8,
                next = in(reg) place.as_mut_ptr(),
                state = in(reg) self.0.as_ptr(),
                block = in(reg) block,
                options(nostack, preserves_flags),
            );
            place.assume_init_ref()
        }
    }

    /// The digest's first bytes, 16 or 32.
    #[inline(always)]
    fn bytes<const BYTES: usize>(&self) -> [u8; BYTES] {
        let mut digest = MaybeUninit::<Number>::uninit();
        let place = digest.as_mut_ptr().cast::<u32>();
        // SAFETY: both have eight words, of which at most all are asked for.
        unsafe {
            put_digest(self.0.as_ptr(), place);
            place.cast::<[u8; BYTES]>().read()
        }
    }
}

/// A number of 256 bits, as words from the least significant on: an operand of [`wide`].
#[repr(C, align(4))]
struct Number([u32; 8]);

impl Number {
    /// A number less than 2^32.
    const fn small(number: u32) -> Self {
        Self([number, 0, 0, 0, 0, 0, 0, 0])
    }

    #[inline(always)]
    const fn address(&self) -> *const U256 {
        self.0.as_ptr().cast()
    }
}

/// Numbers of bits to shift by: bytes, up to three.
static BITS: [Number; 4] = [
    Number::small(0),
    Number::small(8),
    Number::small(16),
    Number::small(24),
];
/// Of every word the first and third byte; the lower half; what those halves become when they are
/// exchanged and moved up by a byte: the middle, and the outer bytes, less the very first.
static FIRST_AND_THIRD: Number = Number([0x00ff_00ff; 8]);
static LOWER: Number = Number([0x0000_ffff; 8]);
static MIDDLE: Number = Number([0x00ff_ff00; 8]);
static OUTER: Number = {
    let mut words = [0xff00_00ff; 8];
    words[0] = 0xff00_0000;
    Number(words)
};

/// Exchanges the bytes of every half of a word, the first step of turning words around.
///
/// # Safety
/// Eight words must be readable at `words`.
#[inline(always)]
unsafe fn halves_turned<'a>(
    words: *const u32,
    places: &'a mut [MaybeUninit<Number>; 2],
) -> (*mut U256, *mut U256) {
    let [one, other] = places.each_mut().map(|place| place.as_mut_ptr().cast());
    let words = words.cast();
    // SAFETY: the caller's promise; the places have eight words each.
    unsafe {
        wide::and(one, words, FIRST_AND_THIRD.address());
        wide::shl(one, one, BITS[1].address());
        wide::shr(other, words, BITS[1].address());
        wide::and(other, other, FIRST_AND_THIRD.address());
        wide::or(one, one, other);
    }
    (one, other)
}

/// Writes the words of a digest, the most significant byte first, to words.
///
/// # Safety
/// Eight words must be readable at `words` and writable at `to`.
#[inline(always)]
unsafe fn put_digest(words: *const u32, to: *mut u32) {
    let mut places = [const { MaybeUninit::uninit() }; 2];
    let to = to.cast();
    // SAFETY: the caller's promise.
    unsafe {
        let (turned, other) = halves_turned(words, &mut places);
        wide::and(other, turned, LOWER.address());
        wide::shl(other, other, BITS[2].address());
        wide::shr(turned, turned, BITS[2].address());
        wide::and(turned, turned, LOWER.address());
        wide::or(to, turned, other);
    }
}

/// Writes all bytes of eight words in the opposite order.
///
/// # Safety
/// As for [`put_digest`].
#[inline(always)]
pub(crate) unsafe fn reverse(words: *const u32, to: *mut u32) {
    let mut turned = MaybeUninit::<Number>::uninit();
    let place = turned.as_mut_ptr().cast::<u32>();
    // SAFETY: the caller's promise; the place has eight words.
    unsafe {
        put_digest(words, place);
        for index in 0..8 {
            to.add(index)
                .write_volatile(place.add(7 - index).read_volatile());
        }
    }
}

/// As [`put_digest`], one byte behind a word: that word's first byte stays.
///
/// # Safety
/// As for [`put_digest`], and a byte more must be writable.
#[inline(always)]
unsafe fn put_digest_behind_byte(words: *const u32, to: *mut u32) {
    let mut places = [const { MaybeUninit::uninit() }; 2];
    // SAFETY: the caller's promise.
    unsafe {
        let (turned, other) = halves_turned(words, &mut places);
        wide::shl(other, turned, BITS[3].address());
        wide::and(other, other, OUTER.address());
        wide::shr(turned, turned, BITS[1].address());
        wide::and(turned, turned, MIDDLE.address());
        let bytes = to.cast::<u8>();
        let first = bytes.read_volatile();
        wide::or(to.cast(), turned, other);
        bytes.write_volatile(first);
        // The digest's last byte is the least significant one of the last word.
        bytes
            .add(32)
            .write_volatile(words.add(7).cast::<u8>().read_volatile());
    }
}

/// Writes 32 bytes, which begin at a word, one byte behind a word: that word's first byte stays.
///
/// # Safety
/// Eight words must be readable at `from`, and a byte more writable at `to`.
#[inline(always)]
unsafe fn put_behind_byte(from: *const u32, to: *mut u32) {
    // SAFETY: the caller's promise.
    unsafe {
        let bytes = to.cast::<u8>();
        let first = bytes.read_volatile();
        wide::shl(to.cast(), from.cast(), BITS[1].address());
        bytes.write_volatile(first);
        bytes
            .add(32)
            .write_volatile(from.cast::<u8>().add(31).read_volatile());
    }
}

/// A message of at most one block (16 words), two (32) or four (64).
struct Short<const WORDS: usize> {
    words: [u32; WORDS],
    /// Bytes in it.
    length: usize,
}

impl<const WORDS: usize> Short<WORDS> {
    #[inline(always)]
    const fn new() -> Self {
        Self {
            words: [0; WORDS],
            length: 0,
        }
    }

    /// Adds bytes, of which there must be room for.
    #[inline(always)]
    fn put(&mut self, bytes: &[u8]) {
        let shift = (self.length % 4) * 8;
        let mut at = self.length / 4;
        self.length += bytes.len();
        let whole = bytes.len() / 4;
        let rest = bytes.len() % 4;
        // SAFETY: the caller keeps within the message's words.
        unsafe {
            let mut carried = *self.words.get_unchecked(at);
            let start = bytes.as_ptr();
            if start.addr().is_multiple_of(4) {
                let mut first = 0;
                while whole - first >= 8 {
                    let from = start.cast::<u32>().add(first);
                    let to = self.words.as_mut_ptr().add(at);
                    if shift == 0 {
                        wide::copy(to.cast(), from.cast());
                    } else {
                        wide::shl(to.cast(), from.cast(), BITS[shift / 8].address());
                        to.write_volatile(to.read_volatile() | carried);
                        carried = from.add(7).read_volatile() >> (32 - shift);
                    }
                    at += 8;
                    first += 8;
                }
                let mut add = |word: u32| {
                    *self.words.get_unchecked_mut(at) = carried | word << shift;
                    carried = if shift == 0 { 0 } else { word >> (32 - shift) };
                    at += 1;
                };
                for index in first..whole {
                    // Volatile, or both branches become one that reads bytes.
                    add(start.cast::<u32>().add(index).read_volatile());
                }
            } else {
                for index in 0..whole {
                    let word = start.add(index * 4).cast::<u32>().read_unaligned();
                    *self.words.get_unchecked_mut(at) = carried | word << shift;
                    carried = if shift == 0 { 0 } else { word >> (32 - shift) };
                    at += 1;
                }
            }
            let mut last = 0;
            for index in 0..rest {
                last |= u32::from(*start.add(whole * 4 + index)) << (index * 8);
            }
            *self.words.get_unchecked_mut(at) = carried | last << shift;
            if shift != 0 && rest * 8 + shift > 32 {
                *self.words.get_unchecked_mut(at + 1) = last >> (32 - shift);
            }
        }
    }

    /// Adds parts. Not as a loop, which the compiler would keep, and with it all that it does not
    /// know of places and lengths then.
    #[inline(always)]
    fn put_all(&mut self, parts: &[&[u8]]) {
        match parts {
            [] => {}
            [a] => self.put(a),
            [a, b] => {
                self.put(a);
                self.put(b);
            }
            [a, b, c] => {
                self.put(a);
                self.put(b);
                self.put(c);
            }
            [a, b, c, d, e, f, g] => {
                self.put(a);
                self.put(b);
                self.put(c);
                self.put(d);
                self.put(e);
                self.put(f);
                self.put(g);
            }
            [a, b, c, d, rest @ ..] => {
                self.put(a);
                self.put(b);
                self.put(c);
                self.put(d);
                for part in rest {
                    self.put(part);
                }
            }
        }
    }

    /// The state after the message, which follows `before` bytes that led to `state`.
    #[inline(always)]
    fn end<'a>(&mut self, state: &'a State, before: usize, places: &'a mut Places) -> &'a State {
        let (at, shift) = (self.length / 4, (self.length % 4) * 8);
        let bits = ((before + self.length) as u32) * 8;
        // SAFETY: the message leaves nine bytes free.
        unsafe {
            *self.words.get_unchecked_mut(at) |= 0x80 << shift;
            *self.words.get_unchecked_mut(WORDS - 1) = bits.to_be();
        }
        let blocks = self.words.as_ptr();
        let Places(one, other) = places;
        // SAFETY: there are so many blocks.
        unsafe {
            match WORDS {
                16 => state.after(blocks, one),
                32 => state.after(blocks, one).after(blocks.add(16), other),
                _ => {
                    let two = state.after(blocks, one).after(blocks.add(16), other);
                    two.after(blocks.add(32), one).after(blocks.add(48), other)
                }
            }
        }
    }
}

/// Where states are kept, in turns.
struct Places(MaybeUninit<State>, MaybeUninit<State>);

impl Places {
    #[inline(always)]
    const fn new() -> Self {
        Self(MaybeUninit::uninit(), MaybeUninit::uninit())
    }
}

/// SHA-256 of a domain byte and the parts after it.
#[must_use]
#[inline(always)]
pub fn sha256(domain: u8, parts: &[&[u8]]) -> [u8; 32] {
    let length = parts.iter().fold(1, |sum, part| sum + part.len());
    if length <= ONE_BLOCK {
        short_sha256::<16>(domain, parts)
    } else if length <= TWO_BLOCKS {
        short_sha256::<32>(domain, parts)
    } else {
        long_sha256(domain, parts)
    }
}

#[inline(always)]
fn short_sha256<const WORDS: usize>(domain: u8, parts: &[&[u8]]) -> [u8; 32] {
    let mut message = Short::<WORDS>::new();
    message.put(&[domain]);
    message.put_all(parts);
    message.end(&INITIAL, 0, &mut Places::new()).bytes()
}

/// SHA-256 of a domain byte and seven 32-byte values.
#[must_use]
#[inline(always)]
pub(crate) fn hash_seven(domain: u8, values: [&[u8; 32]; 7]) -> [u8; 32] {
    // 225 bytes, which end in the fourth block.
    short_sha256::<64>(domain, &values.map(<[u8; 32]>::as_slice))
}

#[inline(never)]
fn long_sha256(domain: u8, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(&[domain]);
    for part in parts {
        hasher.update(part);
    }
    hasher.finish()
}

/// SHA-256 of a domain byte and two 32-byte values: the form of most hashes here.
#[must_use]
#[inline(always)]
pub fn hash_pair(domain: u8, left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut digest = MaybeUninit::<Number>::uninit();
    // SAFETY: the function writes all of it.
    unsafe {
        pair(domain, left, right, digest.as_mut_ptr().cast());
        digest.as_ptr().cast::<[u8; 32]>().read()
    }
}

/// Writes [`hash_pair`] where it belongs.
#[inline(always)]
pub fn hash_pair_to(out: &mut [u8; 32], domain: u8, left: &[u8; 32], right: &[u8; 32]) {
    if out.as_ptr().addr().is_multiple_of(4) {
        // SAFETY: eight words are writable.
        unsafe { pair(domain, left, right, out.as_mut_ptr().cast()) }
    } else {
        *out = hash_pair(domain, left, right);
    }
}

/// # Safety
/// Eight words must be writable at `to`.
#[inline(never)]
unsafe fn pair(domain: u8, left: &[u8; 32], right: &[u8; 32], to: *mut u32) {
    let (left, right) = (left.as_ptr(), right.as_ptr());
    // SAFETY: both have 32 bytes; the caller's promise for `to`.
    unsafe {
        if (left.addr() | right.addr()).is_multiple_of(4) {
            aligned_pair(domain, left.cast(), right.cast(), to);
        } else {
            let mut words = [0_u32; 16];
            let (first, second) = words.split_at_mut(8);
            core::ptr::copy_nonoverlapping(left, first.as_mut_ptr().cast(), 32);
            core::ptr::copy_nonoverlapping(right, second.as_mut_ptr().cast(), 32);
            aligned_pair(domain, first.as_ptr(), second.as_ptr(), to);
        }
    }
}

/// The second block of a pair: one byte of the message with the mark behind it, written each time,
/// and 65 bytes in bits.
struct Last(UnsafeCell<[u32; 16]>);

// SAFETY: the machine has one thread.
unsafe impl Sync for Last {}

static LAST: Last = Last(UnsafeCell::new([
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    520_u32.to_be(),
]));

/// # Safety
/// Eight words must be readable at `left` and `right`, and writable at `to`.
#[inline(always)]
unsafe fn aligned_pair(domain: u8, left: *const u32, right: *const u32, to: *mut u32) {
    let mut block = MaybeUninit::<[u32; 17]>::uninit();
    let words = block.as_mut_ptr().cast::<u32>();
    // SAFETY: the caller's promise; the block has 17 words.
    unsafe {
        words.cast::<u8>().write_volatile(domain);
        put_behind_byte(left, words);
        words.add(16).write_volatile(0x8000);
        put_behind_byte(right, words.add(8));
        let Places(one, other) = &mut Places::new();
        let state = INITIAL.after(words, one);
        let last = LAST.0.get().cast::<u32>();
        last.write(words.add(16).read_volatile());
        put_digest(state.after(last, other).0.as_ptr(), to);
    }
}

/// An address as words, in the machine's order of bytes: what maps compare and hash.
#[must_use]
#[inline(always)]
pub fn address_words(address: &[u8; 20]) -> [u32; 5] {
    let from = address.as_ptr();
    let mut words = MaybeUninit::<[u32; 5]>::uninit();
    let to = words.as_mut_ptr().cast::<u32>();
    // SAFETY: 20 bytes are read and five words written, each of them.
    unsafe {
        if from.addr().is_multiple_of(4) {
            for index in 0..5 {
                // Volatile, or both branches become one that reads bytes.
                to.add(index)
                    .write(from.cast::<u32>().add(index).read_volatile());
            }
        } else {
            core::ptr::copy_nonoverlapping(from, to.cast(), 20);
        }
        words.assume_init()
    }
}

/// The message of [`hash_pair`] with the mark of its end, kept so that a half can be replaced: the
/// domain's byte, twice 32 bytes, 0x80, and two bytes that stay zero.
#[derive(Clone)]
#[repr(C, align(4))]
pub struct Pair([u32; 17]);

impl Pair {
    /// A pair of two hashes of zeros.
    #[must_use]
    #[inline(always)]
    pub const fn new(domain: u8) -> Self {
        let mut words = [0; 17];
        words[0] = domain as u32;
        words[16] = 0x8000;
        Self(words)
    }

    /// Replaces a half.
    #[inline(always)]
    pub fn set(&mut self, half: Half, hash: &[u8; 32]) {
        let (to, from) = (self.start(half), hash.as_ptr());
        // SAFETY: the hash has eight words; the half begins one byte after a word and is followed
        // by a byte at least, so nine words are the pair's.
        unsafe {
            if !from.addr().is_multiple_of(4) {
                core::ptr::copy_nonoverlapping(from, to.cast::<u8>().add(1), 32);
                return;
            }
            put_behind_byte(from.cast(), to);
        }
    }

    /// A half.
    #[must_use]
    pub fn get(&self, half: Half) -> [u8; 32] {
        let at = match half {
            Half::Left => 1,
            Half::Right => 33,
        };
        // SAFETY: the pair has 68 bytes, of which each is one.
        unsafe { *self.0.as_ptr().cast::<u8>().add(at).cast() }
    }

    /// Replaces a half by the hash of another pair.
    #[inline(always)]
    pub fn set_hash(&mut self, half: Half, of: &Self) {
        let Places(one, other) = &mut Places::new();
        let last = LAST.0.get().cast::<u32>();
        // SAFETY: the pair has a block and the first word of the next. Nobody else refers to the
        // static block, for the machine has one thread. The half has 32 bytes, from the second one
        // on of where its words start.
        unsafe {
            let state = INITIAL.after(of.0.as_ptr(), one);
            last.write(of.0[16]);
            let state = state.after(last, other);
            put_digest_behind_byte(state.0.as_ptr(), self.start(half));
        }
    }

    /// The word in whose second byte a half begins.
    #[inline(always)]
    fn start(&mut self, half: Half) -> *mut u32 {
        let words = self.0.as_mut_ptr();
        match half {
            Half::Left => words,
            // SAFETY: there are 17 words.
            Half::Right => unsafe { words.add(8) },
        }
    }
}

impl core::fmt::Debug for Pair {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Pair(..)")
    }
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
            // SAFETY: the block has 16 words.
            unsafe { *INITIAL.after(block.as_ptr(), &mut MaybeUninit::uninit()) }
        };
        Self {
            inner: padded(0x36),
            outer: padded(0x5c),
        }
    }

    /// The first bytes, 16 or 32, of the HMAC of the parts, which are at most 55 bytes together.
    #[inline(always)]
    pub(crate) fn mac<const BYTES: usize>(&self, parts: &[&[u8]]) -> [u8; BYTES] {
        let mut message = Short::<16>::new();
        message.put_all(parts);
        self.outer(message.end(&self.inner, 64, &mut Places::new()))
    }

    /// What begins with a byte and 32 bytes, with which several messages begin.
    pub(crate) fn beginning(&self, first: u8, middle: &[u8; 32]) -> Beginning<'_> {
        let mut message = Short::<16>::new();
        message.put(&[first]);
        message.put(middle);
        message.words[15] = ((64 + 38) * 8_u32).to_be();
        Beginning {
            key: self,
            words: message.words,
        }
    }

    #[inline(always)]
    fn outer<const BYTES: usize>(&self, inner: &State) -> [u8; BYTES] {
        let mut block = [0_u32; 16];
        // SAFETY: the digest has eight words, the block more.
        unsafe { put_digest(inner.0.as_ptr(), block.as_mut_ptr()) };
        block[8] = 0x80;
        block[15] = (96_u32 * 8).to_be();
        let mut place = MaybeUninit::uninit();
        // SAFETY: the block has 16 words.
        unsafe { self.outer.after(block.as_ptr(), &mut place).bytes() }
    }
}

/// The first 33 bytes of messages of 38.
pub(crate) struct Beginning<'a> {
    key: &'a Keyed,
    words: [u32; 16],
}

impl Beginning<'_> {
    /// The first 16 bytes of the HMAC of a message that ends with a byte and a big-endian number.
    #[inline(never)]
    pub(crate) fn mac(&mut self, byte: u8, number: u32) -> Salt {
        let [a, b, c, d] = number.to_be_bytes().map(u32::from);
        self.words[8] = self.words[8] & 0xff | u32::from(byte) << 8 | a << 16 | b << 24;
        self.words[9] = c | d << 8 | 0x80 << 16;
        let mut place = MaybeUninit::uninit();
        // SAFETY: the message has 16 words.
        let inner = unsafe { self.key.inner.after(self.words.as_ptr(), &mut place) };
        Salt::from(self.key.outer::<16>(inner))
    }
}

/// A hash on the way, of any length.
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
        Self {
            state: INITIAL,
            block: [0; 16],
            length: 0,
        }
    }

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
            self.take_block();
            at = 0;
        }
    }

    fn take_block(&mut self) {
        let mut place = MaybeUninit::uninit();
        // SAFETY: the block has 16 words.
        self.state = unsafe { *self.state.after(self.block.as_ptr(), &mut place) };
    }

    pub(crate) fn finish(mut self) -> [u8; 32] {
        let at = self.length % 64;
        // What an earlier block left behind it, the padding must cover.
        // SAFETY: `at` is below 64.
        unsafe {
            let start = self.block.as_mut_ptr().cast::<u8>();
            *start.add(at) = 0x80;
            core::ptr::write_bytes(start.add(at + 1), 0, 63 - at);
        }
        if at >= 56 {
            self.take_block();
            self.block = [0; 16];
        }
        let bits = self.length as u64 * 8;
        self.block[14] = ((bits >> 32) as u32).to_be();
        self.block[15] = (bits as u32).to_be();
        self.take_block();
        self.state.bytes()
    }
}
