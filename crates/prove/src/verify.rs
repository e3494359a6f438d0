//! Checks final proofs, and defines the file they come in. Needs nothing of the engine: the
//! committer, auditors and other institutions use this alone.
//!
//! A final proof, version 1 (numbers big-endian):
//!
//! | Offset | Bytes | Content |
//! |---|---|---|
//! | 0 | 8 | `CLSTARK1` |
//! | 8 | 4 | version of the guest program |
//! | 12 | 32 | batch hash |
//! | 44 | 4 | length of the proof before compression, at most 4 MiB |
//! | 48 | 4 | length of the compressed proof, at most 4 MiB |
//! | 52 | 32 | SHA-256 of the compressed proof |
//! | 84 | | the proof: OpenVM's `VmStarkProof`, one zstd frame |
//!
//! Nothing may follow. The batch hash is there to find the right proof; what is believed is the
//! hash that the caller names and the proof reveals.

mod key;

use std::{
    io::Read as _,
    panic::{AssertUnwindSafe, catch_unwind},
};

use openvm_stark_backend::{
    codec::{Decode as _, Encode as _},
    p3_field::PrimeField32 as _,
};
use openvm_verify_stark_host::{
    VmStarkProof, error::VerifyStarkError, verify_vm_stark_proof_decoded,
};
use sha2::{Digest as _, Sha256};

pub use key::{KeyError, VerifyingKey};

use crate::{image, protocol::Hash};

/// First bytes of a final proof, with the version of the file's layout.
const MAGIC: [u8; 8] = *b"CLSTARK1";

/// Length of the head in bytes.
const HEAD_BYTES: usize = 84;

/// Largest proof before compression, in bytes.
const MAX_PROOF_BYTES: u32 = 4 << 20;

/// Largest compressed proof, in bytes.
const MAX_COMPRESSED_BYTES: u32 = 4 << 20;

/// Largest file, in bytes; read no more of one.
pub const MAX_FILE_BYTES: u64 = HEAD_BYTES as u64 + MAX_COMPRESSED_BYTES as u64;

/// What a valid proof shows: the guest program of this version, run over some batch, ended well
/// and revealed this batch hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Version of the guest program.
    pub image: u32,
    /// Commitment to the program.
    pub program: Hash,
    /// The batch hash.
    pub batch_hash: Hash,
}

/// Why a proof is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Shorter than its head says.
    #[error("cut short: {got} bytes, expected {expected}; fetch the proof again")]
    CutShort {
        /// Bytes that there should be.
        expected: u64,
        /// Bytes that there are.
        got: u64,
    },
    /// Longer than its head says.
    #[error("{got} bytes, expected {expected}: something follows the proof")]
    TooLong {
        /// Bytes that there should be.
        expected: u64,
        /// Bytes that there are.
        got: u64,
    },
    /// Not a final proof, or of a layout of another version.
    #[error("not a proof that this version of cloister reads; check the file or update")]
    UnknownFormat,
    /// Made with a guest program that this software does not know.
    #[error(
        "proof of guest program version {0}, which this version of cloister does not know; update"
    )]
    UnknownProgramVersion(u32),
    /// The file says that it is about another batch.
    #[error("proof of another batch: expected {expected}, got {got}")]
    OtherBatch {
        /// The batch hash that the caller named.
        expected: Hash,
        /// The batch hash in the file's head.
        got: Hash,
    },
    /// A length in the head is over its limit.
    #[error("the head states a length of {got} bytes, at most {limit} are allowed")]
    OverLimit {
        /// The stated length.
        got: u32,
        /// The limit.
        limit: u32,
    },
    /// The digest of the compressed proof differs.
    #[error("damaged: its digest differs; fetch the proof again")]
    Damaged,
    /// The bytes are no proof.
    #[error("not a well-formed proof: {0}")]
    Malformed(String),
    /// A proof of another program.
    #[error("proof of another program than guest version {0}")]
    OtherProgram(u32),
    /// A proof of another machine or of other aggregation circuits.
    #[error("proof of another machine than guest version {0} runs on")]
    OtherMachine(u32),
    /// The program did not end well: it refused the batch.
    #[error("the program did not end with success")]
    NotSuccessful,
    /// The public values are not those that the execution left.
    #[error("the public values are not those of the proof")]
    OtherPublicValues,
    /// The program revealed another batch hash.
    #[error("the program revealed another batch hash: expected {expected}, got {got}")]
    OtherRevealed {
        /// The batch hash that the caller named.
        expected: Hash,
        /// What the program revealed.
        got: Hash,
    },
    /// The proof does not hold.
    #[error("the proof does not hold: {0}")]
    Invalid(String),
    /// The verifying key built into this software is damaged.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl VerifyError {
    /// A stable word for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::CutShort { .. } => "cut_short",
            Self::TooLong { .. } => "too_long",
            Self::UnknownFormat => "unknown_format",
            Self::UnknownProgramVersion(_) => "unknown_program_version",
            Self::OtherBatch { .. } => "other_batch",
            Self::OverLimit { .. } => "over_limit",
            Self::Damaged => "damaged",
            Self::Malformed(_) => "malformed",
            Self::OtherProgram(_) => "other_program",
            Self::OtherMachine(_) => "other_machine",
            Self::NotSuccessful => "not_successful",
            Self::OtherPublicValues => "other_public_values",
            Self::OtherRevealed { .. } => "other_revealed",
            Self::Invalid(_) => "invalid",
            Self::Key(_) => "damaged_key",
        }
    }
}

/// Checks that the bytes are a valid final proof about this batch, by a guest program that this
/// software trusts.
///
/// # Errors
/// [`VerifyError`] for everything else; no input makes it panic.
pub fn verify(file: &[u8], batch_hash: Hash) -> Result<Verified, VerifyError> {
    let head = Head::parse(file)?;
    let key =
        image::verifying_key(head.image).ok_or(VerifyError::UnknownProgramVersion(head.image))?;
    VerifyingKey::decode(key)?.verify(file, batch_hash)
}

/// The head of a final proof.
struct Head {
    image: u32,
    batch_hash: Hash,
    length: u32,
    compressed: u32,
    digest: [u8; 32],
}

impl Head {
    /// Reads the head.
    fn parse(file: &[u8]) -> Result<Self, VerifyError> {
        let mut rest = file;
        let magic: [u8; 8] = take(&mut rest, file)?;
        if magic != MAGIC {
            return Err(VerifyError::UnknownFormat);
        }
        Ok(Self {
            image: u32::from_be_bytes(take(&mut rest, file)?),
            batch_hash: Hash(take(&mut rest, file)?),
            length: u32::from_be_bytes(take(&mut rest, file)?),
            compressed: u32::from_be_bytes(take(&mut rest, file)?),
            digest: take(&mut rest, file)?,
        })
    }

    /// The compressed proof, whole and undamaged.
    fn body<'a>(&self, file: &'a [u8]) -> Result<&'a [u8], VerifyError> {
        for (got, limit) in [
            (self.length, MAX_PROOF_BYTES),
            (self.compressed, MAX_COMPRESSED_BYTES),
        ] {
            if got > limit {
                return Err(VerifyError::OverLimit { got, limit });
            }
        }
        let expected = HEAD_BYTES as u64 + u64::from(self.compressed);
        let got = file.len() as u64;
        if got < expected {
            return Err(VerifyError::CutShort { expected, got });
        }
        if got > expected {
            return Err(VerifyError::TooLong { expected, got });
        }
        let body = file.get(HEAD_BYTES..).unwrap_or_default();
        if self.digest != *Sha256::digest(body) {
            return Err(VerifyError::Damaged);
        }
        Ok(body)
    }
}

/// Takes the next bytes of the head.
fn take<const N: usize>(rest: &mut &[u8], file: &[u8]) -> Result<[u8; N], VerifyError> {
    let (next, tail) = rest.split_first_chunk().ok_or(VerifyError::CutShort {
        expected: HEAD_BYTES as u64,
        got: file.len() as u64,
    })?;
    *rest = tail;
    Ok(*next)
}

/// Packs a proof into the file that [`verify`] takes.
///
/// # Errors
/// [`VerifyError::OverLimit`] for a proof that is too large, [`VerifyError::Malformed`] when it
/// cannot be encoded.
pub fn pack(image: u32, batch_hash: Hash, proof: &VmStarkProof) -> Result<Vec<u8>, VerifyError> {
    let malformed = |error: std::io::Error| VerifyError::Malformed(error.to_string());
    let plain = proof.encode_to_vec().map_err(malformed)?;
    pack_bytes(image, batch_hash, &plain)
}

/// Packs an encoded proof.
fn pack_bytes(image: u32, batch_hash: Hash, plain: &[u8]) -> Result<Vec<u8>, VerifyError> {
    let malformed = |error: std::io::Error| VerifyError::Malformed(error.to_string());
    let over = |got: usize, limit: u32| VerifyError::OverLimit {
        got: u32::try_from(got).unwrap_or(u32::MAX),
        limit,
    };
    let body = zstd::bulk::compress(plain, zstd::DEFAULT_COMPRESSION_LEVEL).map_err(malformed)?;
    let length = u32::try_from(plain.len())
        .ok()
        .filter(|length| *length <= MAX_PROOF_BYTES)
        .ok_or_else(|| over(plain.len(), MAX_PROOF_BYTES))?;
    let compressed = u32::try_from(body.len())
        .ok()
        .filter(|length| *length <= MAX_COMPRESSED_BYTES)
        .ok_or_else(|| over(body.len(), MAX_COMPRESSED_BYTES))?;
    let mut file = Vec::with_capacity(HEAD_BYTES + body.len());
    file.extend_from_slice(&MAGIC);
    file.extend_from_slice(&image.to_be_bytes());
    file.extend_from_slice(&batch_hash.0);
    file.extend_from_slice(&length.to_be_bytes());
    file.extend_from_slice(&compressed.to_be_bytes());
    file.extend_from_slice(&Sha256::digest(&body));
    file.extend_from_slice(&body);
    Ok(file)
}

impl VerifyingKey {
    /// Checks that the bytes are a valid final proof about this batch, by the program of this key.
    ///
    /// # Errors
    /// [`VerifyError`] for everything else; no input makes it panic.
    pub fn verify(&self, file: &[u8], batch_hash: Hash) -> Result<Verified, VerifyError> {
        self.open(file, batch_hash)?;
        Ok(Verified {
            image: self.image,
            program: self.program,
            batch_hash,
        })
    }

    /// Does the same, and gives OpenVM's proof: for who proves that it is valid once more.
    ///
    /// # Errors
    /// [`VerifyError`] like [`Self::verify`].
    pub fn open(&self, file: &[u8], batch_hash: Hash) -> Result<VmStarkProof, VerifyError> {
        let head = Head::parse(file)?;
        if head.image != self.image {
            return Err(VerifyError::UnknownProgramVersion(head.image));
        }
        if head.batch_hash != batch_hash {
            return Err(VerifyError::OtherBatch {
                expected: batch_hash,
                got: head.batch_hash,
            });
        }
        let plain = decompress(head.body(file)?, head.length)?;
        // OpenVM checks the shape first and is meant never to panic. Should it panic all the same,
        // the proof is refused like any other that does not hold.
        let (revealed, proof) = catch_unwind(AssertUnwindSafe(|| self.check(&plain)))
            .unwrap_or_else(|_| Err(VerifyError::Invalid("it breaks the verifier".into())))?;
        if revealed != batch_hash {
            return Err(VerifyError::OtherRevealed {
                expected: batch_hash,
                got: revealed,
            });
        }
        Ok(proof)
    }

    /// Verifies an encoded proof and gives what the program revealed.
    fn check(&self, plain: &[u8]) -> Result<(Hash, VmStarkProof), VerifyError> {
        let malformed = |error: std::io::Error| VerifyError::Malformed(error.to_string());
        let proof = VmStarkProof::decode_from_bytes(plain).map_err(malformed)?;
        // One proof has one encoding, so that nobody can make two files of it.
        if proof.encode_to_vec().map_err(malformed)? != plain {
            return Err(VerifyError::Malformed("not in its one encoding".into()));
        }
        verify_vm_stark_proof_decoded(&self.openvm, &proof).map_err(|error| self.refusal(error))?;
        let values = &proof.user_pvs_proof.public_values;
        let mut revealed = [0; 32];
        if values.len() != revealed.len() {
            return Err(VerifyError::OtherPublicValues);
        }
        for (byte, value) in revealed.iter_mut().zip(values) {
            *byte = u8::try_from(value.as_canonical_u32())
                .map_err(|_| VerifyError::OtherPublicValues)?;
        }
        Ok((Hash(revealed), proof))
    }

    /// Our word for OpenVM's refusal.
    fn refusal(&self, error: VerifyStarkError) -> VerifyError {
        use VerifyStarkError as E;
        match error {
            E::UserPvsVerificationFailure(_) | E::UserPvsLengthMismatch { .. } => {
                VerifyError::OtherPublicValues
            }
            E::AppExeCommitMismatch { .. } => VerifyError::OtherProgram(self.image),
            E::ExecutionUnsuccessful(_) => VerifyError::NotSuccessful,
            E::AppVkCachedCommitMismatch { .. }
            | E::AppVkPreHashMismatch { .. }
            | E::LeafVkCachedCommitMismatch { .. }
            | E::LeafVkPreHashMismatch { .. }
            | E::InternalForLeafVkCachedCommitMismatch { .. }
            | E::InternalForLeafVkPreHashMismatch { .. }
            | E::InternalRecursiveVkCachedCommitMismatch { .. }
            | E::InternalRecursiveVkPreHashMismatch { .. }
            | E::ProofCachedCommitMismatch { .. } => VerifyError::OtherMachine(self.image),
            other => VerifyError::Invalid(other.to_string()),
        }
    }
}

/// Decompresses exactly `length` bytes.
fn decompress(body: &[u8], length: u32) -> Result<Vec<u8>, VerifyError> {
    let malformed = |error: std::io::Error| VerifyError::Malformed(error.to_string());
    let mut plain = Vec::new();
    zstd::Decoder::new(body)
        .map_err(malformed)?
        .take(u64::from(length) + 1)
        .read_to_end(&mut plain)
        .map_err(malformed)?;
    if plain.len() as u64 != u64::from(length) {
        let got = plain.len();
        return Err(VerifyError::Malformed(format!(
            "{got} bytes or more after decompression, expected {length}"
        )));
    }
    Ok(plain)
}
