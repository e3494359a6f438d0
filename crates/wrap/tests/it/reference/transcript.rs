//! The transcript: a chain of Keccak-256 hashes.

use std::fmt::Write;

use p3_field::PrimeField32;
use p3_keccak::Keccak256Hash;
use p3_symmetric::CryptographicHasher;
use serde_json::{Value, json};

use super::{Digest, Reason, Val, demand, hex, wire};
use cloister_wrap::config::Challenge;

/// Keccak-256.
pub(crate) fn keccak(bytes: &[u8]) -> Digest {
    Keccak256Hash.hash_iter(bytes.iter().copied())
}

/// State: bytes not yet hashed, and words of the last hash not yet taken.
pub(crate) struct Transcript {
    /// What the next hash is over; begins with the last hash.
    input: Vec<u8>,
    /// The last hash's words, the next one last.
    words: Vec<u32>,
    /// What happened, for fixtures.
    pub(crate) log: Vec<Value>,
    /// What is not absorbed, for tests of what must be.
    deaf: Option<&'static str>,
}

impl Transcript {
    pub(crate) fn new(initial: &[u8], deaf: Option<&'static str>) -> Self {
        Self {
            input: initial.to_vec(),
            words: Vec::new(),
            log: Vec::new(),
            deaf,
        }
    }

    /// Absorbs bytes. Words that were not taken are lost.
    pub(crate) fn observe(&mut self, what: &str, bytes: &[u8]) {
        if self.deaf == Some(what) {
            return;
        }
        self.words.clear();
        self.input.extend_from_slice(bytes);
        self.log
            .push(json!({ "observe": what, "bytes": hex(bytes) }));
    }

    /// Absorbs numbers in Montgomery form, four bytes each, the lowest first.
    pub(crate) fn observe_values(&mut self, what: &str, values: &[Val]) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| wire(*value)).collect();
        self.observe(what, &bytes);
    }

    pub(crate) fn observe_extensions(&mut self, what: &str, values: &[Challenge]) {
        let bytes: Vec<u8> = values.iter().flat_map(super::wire_extension).collect();
        self.observe(what, &bytes);
    }

    fn hash(&mut self) {
        let digest = keccak(&self.input);
        self.input = digest.to_vec();
        // The hash as a big-endian number of 256 bits, from its lowest 32 bits upwards.
        self.words = digest
            .chunks(4)
            .map(|word| u32::from_be_bytes(word.try_into().unwrap()))
            .collect();
    }

    fn word(&mut self) -> u32 {
        if self.words.is_empty() {
            self.hash();
        }
        self.words.pop().unwrap()
    }

    fn value(&mut self) -> Val {
        loop {
            let number = self.word() & 0x7fff_ffff;
            if number < Val::ORDER_U32 {
                return Val::new(number);
            }
        }
    }

    /// Draws a challenge: five numbers in canonical form.
    pub(crate) fn challenge(&mut self, what: &str) -> Challenge {
        let coordinates: [Val; 5] = std::array::from_fn(|_| self.value());
        let challenge = super::extension(&coordinates);
        self.log.push(
            json!({ "sample": what, "value": super::show(&challenge), "state": hex(&self.input) }),
        );
        challenge
    }

    /// Draws a position of so many bits.
    pub(crate) fn position(&mut self, bits: usize) -> usize {
        let position = self.word() as usize & ((1 << bits) - 1);
        self.log
            .push(json!({ "sample": "position", "value": position }));
        position
    }

    /// Checks grinding: hash what was absorbed, absorb the witness, hash again; the lowest bits are
    /// zero. Without bits nothing is absorbed and the witness is zero.
    pub(crate) fn grind(&mut self, what: &str, bits: u32, witness: Val) {
        if bits == 0 {
            demand(Reason::Grinding, witness == Val::default());
            return;
        }
        if self.words.is_empty() {
            self.hash();
        }
        self.observe_values(what, &[witness]);
        let word = self.word();
        demand(Reason::Grinding, word & ((1 << bits) - 1) == 0);
    }

    /// Absorbs the seed of a part of the protocol.
    pub(crate) fn seed(&mut self, name: &str, pattern: &[Step], label: &[usize]) {
        let mut seed = vec![1];
        seed.extend_from_slice(name.as_bytes());
        seed.resize(63, 0);
        seed.push(u8::try_from(name.len()).unwrap());
        seed.extend_from_slice(&keccak(render(pattern).as_bytes()));
        let length = u32::try_from(12 * label.len()).unwrap();
        seed.extend_from_slice(&length.to_be_bytes());
        for number in label {
            seed.extend_from_slice(&8_u32.to_be_bytes());
            seed.extend_from_slice(&(*number as u64).to_be_bytes());
        }
        seed.push(0x80);
        // As numbers: the length, then three bytes each, the lowest first.
        let mut numbers = vec![Val::new(u32::try_from(seed.len()).unwrap())];
        for chunk in seed.chunks(3) {
            let mut bytes = [0; 4];
            bytes[..chunk.len()].copy_from_slice(chunk);
            numbers.push(Val::new(u32::from_le_bytes(bytes)));
        }
        self.observe_values(&format!("seed of {name}"), &numbers);
    }
}

/// A step of a part of the protocol, as its seed names it.
pub(crate) struct Step(String);

fn algebra(degree: usize) -> String {
    let basis: &[u8] = if degree == 1 {
        b"p3-scalar-basis-v1"
    } else {
        b"p3-power-basis-v1:X^5-2"
    };
    format!(
        "Algebra({}^{degree};{})",
        Val::ORDER_U32,
        hex(&keccak(basis))
    )
}

impl Step {
    fn atomic(kind: &str, label: &str, length: &str, tag: &str) -> Self {
        Self(format!(
            "Atomic {kind} {} {label} {length} {tag}",
            label.len()
        ))
    }
    pub(crate) fn commitment(label: &str) -> Self {
        Self::atomic("Message", label, "Scalar", "Opaque")
    }
    pub(crate) fn extension(label: &str) -> Self {
        Self::atomic("Message", label, "Scalar", &algebra(5))
    }
    pub(crate) fn extensions(label: &str, count: usize) -> Self {
        Self::atomic("Message", label, &format!("Fixed({count})"), &algebra(5))
    }
    pub(crate) fn public(label: &str, count: usize) -> Self {
        Self::atomic("Public", label, &format!("Fixed({count})"), &algebra(1))
    }
    pub(crate) fn grinding(label: &str, bits: u32) -> Self {
        Self::atomic("Pow", label, &format!("Fixed({bits})"), &algebra(1))
    }
    pub(crate) fn challenge(label: &str) -> Self {
        Self::atomic("Challenge", label, "Scalar", &algebra(5))
    }
    pub(crate) fn positions(label: &str, bits: usize, count: usize) -> Self {
        Self::atomic(
            "Challenge",
            label,
            &format!("Fixed({count})"),
            &format!("Bits({bits})"),
        )
    }
    pub(crate) fn begin(label: &str) -> Self {
        Self(format!(
            "Begin Protocol {} {label} None Marker",
            label.len()
        ))
    }
    pub(crate) fn end(label: &str) -> Self {
        Self(format!("End Protocol {} {label} None Marker", label.len()))
    }
}

/// The text that names a pattern. No bracket has anything inside, so nothing is indented.
fn render(steps: &[Step]) -> String {
    let width = (steps.len() - 1).to_string().len();
    let mut text = format!(
        "Plonky3 Fiat-Shamir Transcript ({} interactions)\n",
        steps.len()
    );
    for (position, step) in steps.iter().enumerate() {
        writeln!(text, "{position:0>width$} {}", step.0).unwrap();
    }
    text
}
