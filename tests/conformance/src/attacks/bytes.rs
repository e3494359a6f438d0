//! The honest batch's bytes cut, continued and flipped.

use alloy_primitives::Bytes;
use anyhow::{Context as _, Result};

use super::{Attack, Expected, Scene, class};

/// Parts at whose ends the bytes are cut.
const PARTS: usize = 64;
/// Bits that are flipped, spread over the bytes.
const FLIPS: usize = 96;

pub(super) fn all(scene: &Scene) -> Result<Vec<Attack>> {
    let whole = scene.input.encode();
    let mut all = Vec::new();
    for part in 0..PARTS {
        let end = whole.len() * part / PARTS;
        let bytes = whole.get(..end).context("beyond the end")?;
        all.push(malformed(format!("cut at {part}/{PARTS}"), bytes.to_vec()));
    }
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = whole.clone();
        change(&mut bytes);
        bytes
    };
    all.extend([
        malformed(
            "a byte less",
            with(&|bytes| bytes.truncate(whole.len().saturating_sub(1))),
        ),
        malformed("a byte more", with(&|bytes| bytes.push(0))),
        malformed("four bytes more", with(&|bytes| bytes.extend([0; 4]))),
        malformed("twice", with(&|bytes| bytes.extend_from_slice(&whole))),
        malformed(
            "another version",
            with(&|bytes| *bytes = [&[2], bytes.split_at(1).1].concat()),
        ),
        malformed("all zeros", vec![0; whole.len()]),
        malformed("all ones", vec![0xff; whole.len()]),
    ]);
    // Every field but what the sequencer may choose decides the verdict; the tests below flip at
    // random, these are the same in each run so that the guest can be asked.
    for flip in 0..FLIPS {
        let at = whole.len() * flip / FLIPS;
        let bit = flip % 8;
        let mut bytes = whole.clone();
        *bytes.get_mut(at).context("beyond the end")? ^= 1 << bit;
        all.push(Attack {
            name: format!("bit {bit} of byte {at} flipped"),
            input: bytes.into(),
            expected: Expected::NotTheHonestHash,
        });
    }
    Ok(all)
}

fn malformed(name: impl Into<String>, bytes: Vec<u8>) -> Attack {
    Attack {
        name: name.into(),
        input: Bytes::from(bytes),
        expected: Expected::Class(class::INPUT),
    }
}
