//! Bytes that are no true proof are refused, whatever they are, and nothing panics.

use std::panic::{AssertUnwindSafe, catch_unwind};

use cloister_wrap::{key::VerifyingKey, verify::Refusal};

use crate::sample::{statement, world};

/// Verifies and insists on a refusal that is not the verifier's own failure.
fn refused(bytes: &[u8]) -> Refusal {
    let world = world();
    let verdict = catch_unwind(AssertUnwindSafe(|| {
        world.verifier.verify(&statement(), bytes)
    }));
    match verdict {
        Ok(Err(refusal)) => refusal,
        Ok(Ok(())) => panic!("accepted"),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// SWR-3.
#[test]
fn a_proof_cut_short_is_refused() {
    let proof = &world().proof;

    for length in (0..proof.len()).step_by(proof.len() / 97) {
        assert_eq!(refused(&proof[..length]), Refusal::Malformed, "{length}");
    }
}

#[test]
fn a_proof_with_more_behind_it_is_refused() {
    let mut longer = world().proof.clone();
    longer.push(0);

    assert_eq!(refused(&longer), Refusal::Malformed);
}

/// SWR-3.
#[test]
fn a_proof_with_any_byte_changed_is_refused() {
    let proof = &world().proof;

    // A prime step meets every kind of field.
    for position in (0..proof.len()).step_by(419) {
        for change in [0x01, 0x80] {
            let mut changed = proof.clone();
            changed[position] ^= change;
            let refusal = refused(&changed);
            assert_ne!(refusal, Refusal::Failed, "byte {position}");
        }
    }
}

#[test]
#[ignore = "every byte of the proof; an hour"]
fn a_proof_with_any_byte_at_all_changed_is_refused() {
    let proof = &world().proof;

    for position in 0..proof.len() {
        let mut changed = proof.clone();
        changed[position] ^= 0x01;
        assert_ne!(refused(&changed), Refusal::Failed, "byte {position}");
    }
}

#[test]
fn noise_is_refused() {
    let proof = &world().proof;
    let mut state = 0x9e37_79b9_u32;
    for length in [0, 1, 16, 17, 100, 10_000] {
        let mut noise: Vec<u8> = proof[..proof.len().min(16)].to_vec();
        noise.extend((0..length).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        }));
        assert_eq!(refused(&noise), Refusal::Malformed, "{length}");
    }
}

#[test]
fn a_damaged_key_is_refused() {
    let key = world().prover.key().encode();

    for length in 0..key.len() {
        assert!(VerifyingKey::decode(&key[..length]).is_err(), "{length}");
    }
    for position in 0..key.len() {
        let mut changed = key.clone();
        changed[position] ^= 1;
        // Some changes make another sound key; never the same one.
        if let Ok(other) = VerifyingKey::decode(&changed) {
            assert_ne!(other.digest(), world().prover.key().digest(), "{position}");
        }
    }
}
