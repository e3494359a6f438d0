//! The proof system: `BabyBear` with its extension of degree 5, FRI that hides, and Keccak-256 as
//! the EVM's opcode computes it.

use p3_baby_bear::BabyBear;
use p3_challenger::{HashChallenger, SerializingChallenger32};
use p3_commit::ExtensionMmcs;
use p3_dft::Radix2DitParallel;
use p3_field::extension::BinomialExtensionField;
use p3_fri::{FriParameters, HidingFriPcs};
use p3_keccak::Keccak256Hash;
use p3_symmetric::{CompressionFunctionFromHasher, SerializingHasher};
use p3_uni_stark::StarkConfig;
use rand_core::{SeedableRng, rngs::StdRng};

use crate::{circuit::Parameters, key::VerifyingKey, salted::SaltedMmcs};

/// Numbers of the trace.
pub type Val = BabyBear;

/// Degree of the extension that challenges come from.
pub const EXTENSION_DEGREE: usize = 5;

/// Numbers that challenges come from, about 2^155 of them.
pub type Challenge = BinomialExtensionField<Val, EXTENSION_DEGREE>;

/// Random numbers in every leaf of a commitment, so that its hash says nothing of the rows in it.
pub const SALT_ELEMENTS: usize = 4;

/// Bytes of a digest.
pub const DIGEST_BYTES: usize = 32;

/// The hash of a leaf.
pub type FieldHash = SerializingHasher<Keccak256Hash>;
/// The hash of two nodes.
pub type Compress = CompressionFunctionFromHasher<Keccak256Hash, 2, DIGEST_BYTES>;

/// Commits to rows of numbers, salted.
pub type ValMmcs = SaltedMmcs;

/// Commits to FRI's folded words, salted.
pub type ChallengeMmcs = ExtensionMmcs<Val, Challenge, ValMmcs>;

/// The transcript.
pub type Challenger = SerializingChallenger32<Val, HashChallenger<u8, Keccak256Hash, DIGEST_BYTES>>;

/// The polynomial commitment.
pub type Commitment = HidingFriPcs<Val, Radix2DitParallel<Val>, ValMmcs, ChallengeMmcs, StdRng>;

/// All of it.
pub type Config = StarkConfig<Commitment, Challenge, Challenger>;

/// FRI's parameters.
#[must_use]
pub fn fri_parameters<M>(parameters: &Parameters, mmcs: M) -> FriParameters<M> {
    FriParameters {
        log_blowup: parameters.log_blowup as usize,
        log_final_poly_len: parameters.log_final_length as usize,
        max_log_arity: parameters.log_arity as usize,
        num_queries: parameters.queries as usize,
        batch_proof_of_work_bits: parameters.batch_pow_bits as usize,
        commit_proof_of_work_bits: parameters.fold_pow_bits as usize,
        query_proof_of_work_bits: parameters.query_pow_bits as usize,
        mmcs,
    }
}

/// What commits to rows of numbers and checks them. Salts come from `random`, which nobody else may
/// know; who only checks draws none.
#[must_use]
pub fn rows(parameters: &Parameters, random: StdRng) -> ValMmcs {
    let hash = FieldHash::new(Keccak256Hash);
    let compress = Compress::new(Keccak256Hash);
    ValMmcs::new(hash, compress, parameters.cap_height as usize, random)
}

/// The proof system for one key. Every mask and salt comes from `source`; a verifier draws none.
#[must_use]
pub fn config(key: &VerifyingKey, source: &mut StdRng) -> Config {
    let parameters = &key.circuit().parameters;
    let values = rows(parameters, StdRng::from_rng(source));
    let folded = rows(parameters, StdRng::from_rng(source));
    let commitment = Commitment::new(
        Radix2DitParallel::default(),
        values,
        fri_parameters(parameters, ChallengeMmcs::new(folded)),
        parameters.random_columns as usize,
        StdRng::from_rng(source),
    );
    // The transcript begins with the key, so a proof is good for one key only.
    let challenger = Challenger::from_hasher(key.digest().to_vec(), Keccak256Hash);
    Config::new(commitment, challenger)
        .with_lookup_proof_of_work_bits(parameters.lookup_pow_bits as usize)
        .with_ood_proof_of_work_bits(parameters.point_pow_bits as usize)
}
