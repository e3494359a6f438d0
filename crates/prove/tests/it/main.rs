//! Final proofs that hold, and everything that must be refused (SPV-1 to SPV-4).
//!
//! `data/` holds real proofs: `golden.proof` over the batch of the golden vectors, by the released
//! guest; `other.proof` by another program on the same machine. The engine's own test makes new
//! ones when the guest changes.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test helpers may panic"
)]

mod refusals;
#[cfg(feature = "serve")]
mod serve;

use cloister_prove::{
    image,
    protocol::Hash,
    verify::{VerifyingKey, verify},
};

/// A proof over the batch of the golden vectors.
pub(crate) const GOLDEN: &[u8] = include_bytes!("../data/golden.proof");

/// The batch hash that the golden vectors state.
pub(crate) fn golden_hash() -> Hash {
    let vectors = include_str!("../../../../tests/vectors/chain.json");
    let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
    vectors["batch"]["hash"].as_str().unwrap().parse().unwrap()
}

/// The verifying key of the released guest.
pub(crate) fn key() -> VerifyingKey {
    VerifyingKey::decode(image::verifying_key(image::CURRENT).unwrap()).unwrap()
}

#[test]
fn a_real_proof_holds() {
    let verified = verify(GOLDEN, golden_hash()).unwrap();
    assert_eq!(verified.image, image::CURRENT);
    assert_eq!(verified.program, key().program());
    assert_eq!(verified.batch_hash, golden_hash());
}

/// SPV-4; the other layers' bits are checked when the engine generates keys.
#[test]
fn the_last_layer_has_at_least_100_proven_bits() {
    let bits = key().proven_bits();
    assert!(bits >= 100.0, "{bits}");
}

#[test]
fn a_damaged_key_is_not_used() {
    let whole = image::verifying_key(image::CURRENT).unwrap();
    for at in [0, 9, 20, 50, 80, 200, whole.len() - 1] {
        let mut changed = whole.to_vec();
        changed[at] ^= 4;
        assert!(VerifyingKey::decode(&changed).is_err(), "byte {at}");
    }
    for length in [0, 7, 11, 75, 107, 108, whole.len() - 1] {
        assert!(VerifyingKey::decode(&whole[..length]).is_err(), "{length}");
    }
}
