//! Everything that is refused, and why.

use cloister_prove::{
    image,
    protocol::Hash,
    verify::{VerifyError, VerifyingKey, verify},
};
use openvm_stark_backend::{
    codec::{Decode as _, Encode as _},
    p3_field::PrimeCharacteristicRing,
};
use openvm_verify_stark_host::{VmStarkProof, pvs::VM_PVS_AIR_ID, vk::VmStarkVerifyingKey};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use crate::{GOLDEN, golden_hash, key};

/// A proof of another program on the same machine, which reveals 32 bytes too.
const OTHER: &[u8] = include_bytes!("../data/other.proof");

/// Where the head states what.
const VERSION: usize = 8;
const BATCH_HASH: usize = 12;
const LENGTH: usize = 44;
const COMPRESSED: usize = 48;
const BODY: usize = 84;

/// The proof inside a file.
fn unpack(file: &[u8]) -> Vec<u8> {
    zstd::decode_all(&file[BODY..]).unwrap()
}

/// A file of the documented layout, written apart from the code under test.
fn pack(batch_hash: Hash, plain: &[u8]) -> Vec<u8> {
    let body = zstd::encode_all(plain, 1).unwrap();
    let mut file = b"CLSTARK1".to_vec();
    file.extend_from_slice(&image::CURRENT.to_be_bytes());
    file.extend_from_slice(&batch_hash.0);
    file.extend_from_slice(&u32::try_from(plain.len()).unwrap().to_be_bytes());
    file.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes());
    file.extend_from_slice(&Sha256::digest(&body));
    file.extend_from_slice(&body);
    file
}

/// The golden proof, changed.
fn changed(change: impl FnOnce(&mut VmStarkProof)) -> Vec<u8> {
    let mut proof = VmStarkProof::decode_from_bytes(&unpack(GOLDEN)).unwrap();
    change(&mut proof);
    pack(golden_hash(), &proof.encode_to_vec().unwrap())
}

fn refusal(file: &[u8]) -> VerifyError {
    verify(file, golden_hash()).unwrap_err()
}

/// SPV-1.
#[test]
fn refuses_a_proof_of_another_batch() {
    let mut expected = golden_hash();
    expected.0[31] ^= 1;
    let refused = VerifyError::OtherBatch {
        expected,
        got: golden_hash(),
    };
    assert_eq!(verify(GOLDEN, expected).unwrap_err(), refused);
}

/// SPV-1.
#[test]
fn refuses_a_changed_header() {
    // Who changes the header and writes its hash into the file meets what the proof reveals.
    let mut expected = golden_hash();
    expected.0[0] ^= 0x80;
    let mut file = GOLDEN.to_vec();
    file[BATCH_HASH..LENGTH].copy_from_slice(&expected.0);
    let refused = VerifyError::OtherRevealed {
        expected,
        got: golden_hash(),
    };
    assert_eq!(verify(&file, expected).unwrap_err(), refused);
}

/// SPV-1.
#[test]
fn refuses_another_program() {
    let plain = unpack(OTHER);
    let proof = VmStarkProof::decode_from_bytes(&plain).unwrap();
    let revealed: Vec<u8> = proof
        .user_pvs_proof
        .public_values
        .iter()
        .map(|value| {
            u8::try_from(openvm_stark_backend::p3_field::PrimeField32::as_canonical_u32(value))
                .unwrap()
        })
        .collect();
    let hash = Hash(revealed.try_into().unwrap());
    let refused = VerifyError::OtherProgram(image::CURRENT);
    assert_eq!(verify(&pack(hash, &plain), hash).unwrap_err(), refused);
}

/// SPV-1.
#[test]
fn refuses_another_machine() {
    let mut openvm: VmStarkVerifyingKey = key().openvm().clone();
    bump(&mut openvm.baseline.leaf_vk_commit.vk_pre_hash[3]);
    let other = VerifyingKey::new(image::CURRENT, key().program(), key().machine(), openvm);
    let refused = VerifyError::OtherMachine(image::CURRENT);
    assert_eq!(other.verify(GOLDEN, golden_hash()).unwrap_err(), refused);
}

/// Adds one to a field element.
fn bump<F: PrimeCharacteristicRing>(value: &mut F) {
    *value += F::ONE;
}

/// SPV-1.
#[test]
fn refuses_changed_public_values() {
    let file = changed(|proof| bump(&mut proof.user_pvs_proof.public_values[5]));
    assert_eq!(refusal(&file), VerifyError::OtherPublicValues);
    let file = changed(|proof| bump(&mut proof.user_pvs_proof.public_values_commit[0]));
    assert_eq!(refusal(&file), VerifyError::OtherPublicValues);
    let file = changed(|proof| proof.user_pvs_proof.public_values.truncate(16));
    assert_eq!(refusal(&file), VerifyError::OtherPublicValues);
    let file = changed(|proof| proof.user_pvs_proof.proof.truncate(3));
    assert_eq!(refusal(&file), VerifyError::OtherPublicValues);
    // Those of the STARK itself: final memory, exit code and so on.
    let width = VmStarkProof::decode_from_bytes(&unpack(GOLDEN))
        .unwrap()
        .inner
        .public_values[VM_PVS_AIR_ID]
        .len();
    for at in [0, width / 2, width - 1] {
        let file = changed(|proof| {
            bump(&mut proof.inner.public_values[VM_PVS_AIR_ID][at]);
        });
        let refused = refusal(&file);
        assert!(matches!(refused, VerifyError::Invalid(_)), "{refused}");
    }
}

#[test]
fn refuses_deferral() {
    let file = changed(|proof| {
        proof.deferral_merkle_proofs =
            Some(openvm_verify_stark_host::deferral::DeferralMerkleProofs {
                initial_merkle_proof: Vec::new(),
                final_merkle_proof: Vec::new(),
            });
    });
    let refused = refusal(&file);
    assert!(matches!(refused, VerifyError::Invalid(_)), "{refused}");
}

/// SPV-3.
#[test]
fn refuses_a_proof_cut_at_every_sixteenth() {
    for sixteenth in 0..16 {
        let cut = &GOLDEN[..GOLDEN.len() * sixteenth / 16];
        let refused = refusal(cut);
        let expected = VerifyError::CutShort {
            expected: if cut.len() < BODY {
                BODY as u64
            } else {
                GOLDEN.len() as u64
            },
            got: cut.len() as u64,
        };
        assert_eq!(refused, expected);
    }
    // Cut before it was packed.
    let plain = unpack(GOLDEN);
    for sixteenth in 0..16 {
        let file = pack(golden_hash(), &plain[..plain.len() * sixteenth / 16]);
        let refused = refusal(&file);
        assert!(matches!(refused, VerifyError::Malformed(_)), "{refused}");
    }
}

/// SPV-3.
#[test]
fn refuses_what_follows_the_proof() {
    let file = [GOLDEN, b"x"].concat();
    let refused = VerifyError::TooLong {
        expected: GOLDEN.len() as u64,
        got: GOLDEN.len() as u64 + 1,
    };
    assert_eq!(refusal(&file), refused);
    let plain = [unpack(GOLDEN), vec![0]].concat();
    let refused = refusal(&pack(golden_hash(), &plain));
    assert!(matches!(refused, VerifyError::Malformed(_)), "{refused}");
}

#[test]
fn refuses_other_formats_and_versions() {
    let mut file = GOLDEN.to_vec();
    file[0] ^= 1;
    assert_eq!(refusal(&file), VerifyError::UnknownFormat);
    let mut file = GOLDEN.to_vec();
    file[VERSION + 3] = 9;
    assert_eq!(refusal(&file), VerifyError::UnknownProgramVersion(9));
}

/// SPV-2.
#[test]
fn refuses_lengths_over_the_limit_before_it_makes_room() {
    for at in [LENGTH, COMPRESSED] {
        let mut file = GOLDEN.to_vec();
        file[at..at + 4].copy_from_slice(&u32::MAX.to_be_bytes());
        let refused = VerifyError::OverLimit {
            got: u32::MAX,
            limit: 4 << 20,
        };
        assert_eq!(refusal(&file), refused);
    }
    // A body that decompresses to far more than it says.
    let mut file = pack(golden_hash(), &vec![0; 64 << 20]);
    file[LENGTH..COMPRESSED].copy_from_slice(&1000_u32.to_be_bytes());
    let refused = refusal(&file);
    assert!(matches!(refused, VerifyError::Malformed(_)), "{refused}");
    // Lengths inside the proof that promise what does not come.
    let plain = unpack(GOLDEN);
    for at in [0, 4, 8, 64, 1000] {
        let mut plain = plain.clone();
        plain[at..at + 4].copy_from_slice(&0x7000_0000_u32.to_le_bytes());
        let refused = refusal(&pack(golden_hash(), &plain));
        let told = matches!(refused, VerifyError::Malformed(_) | VerifyError::Invalid(_));
        assert!(told, "{refused}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// SPV-3.
    #[test]
    fn refuses_every_flipped_bit_of_the_file(at in 0..GOLDEN.len(), bit in 0..8) {
        let mut file = GOLDEN.to_vec();
        file[at] ^= 1_u8 << bit;
        prop_assert!(verify(&file, golden_hash()).is_err());
    }

    /// SPV-2, SPV-3.
    #[test]
    fn refuses_every_flipped_bit_of_the_proof(at in any::<prop::sample::Index>(), bit in 0..8) {
        let mut plain = unpack(GOLDEN);
        let at = at.index(plain.len());
        plain[at] ^= 1_u8 << bit;
        prop_assert!(verify(&pack(golden_hash(), &plain), golden_hash()).is_err());
    }
}
