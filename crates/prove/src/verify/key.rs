//! Verifying keys: what the committer and auditors trust of a guest program.
//!
//! | Offset | Bytes | Content |
//! |---|---|---|
//! | 0 | 8 | `CLVKEY01` |
//! | 8 | 4 | version of the guest program, big-endian |
//! | 12 | 32 | commitment to the program |
//! | 44 | 32 | commitment to the machine and the aggregation circuits |
//! | 76 | 32 | SHA-256 of bytes 8 to 75 and of the rest |
//! | 108 | | OpenVM's `VmStarkVerifyingKey` in bitcode |

use openvm_stark_backend::soundness::SoundnessCalculator;
use openvm_verify_stark_host::vk::VmStarkVerifyingKey;
use sha2::{Digest as _, Sha256};

use crate::protocol::Hash;

/// First bytes of a key.
const MAGIC: [u8; 8] = *b"CLVKEY01";

/// A key that final proofs of one program are verified with.
#[derive(Clone, Debug)]
pub struct VerifyingKey {
    /// Version of the guest program.
    pub(super) image: u32,
    /// Commitment to the program.
    pub(super) program: Hash,
    /// Commitment to the machine and the aggregation circuits.
    machine: Hash,
    /// What OpenVM verifies with.
    pub(super) openvm: VmStarkVerifyingKey,
}

/// A verifying key cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the verifying key is damaged: {0}; install cloister again")]
pub struct KeyError(String);

impl VerifyingKey {
    /// A key from its parts.
    #[must_use]
    pub fn new(image: u32, program: Hash, machine: Hash, openvm: VmStarkVerifyingKey) -> Self {
        Self {
            image,
            program,
            machine,
            openvm,
        }
    }

    /// Version of the guest program.
    #[must_use]
    pub fn image(&self) -> u32 {
        self.image
    }

    /// Commitment to the program.
    #[must_use]
    pub fn program(&self) -> Hash {
        self.program
    }

    /// Commitment to the machine and the aggregation circuits.
    #[must_use]
    pub fn machine(&self) -> Hash {
        self.machine
    }

    /// What OpenVM verifies with.
    #[must_use]
    pub fn openvm(&self) -> &VmStarkVerifyingKey {
        &self.openvm
    }

    /// Proven bits of the last layer's proofs, by OpenVM's calculator: the least of all terms.
    #[must_use]
    pub fn proven_bits(&self) -> f64 {
        SoundnessCalculator::calculate_from_vk(&self.openvm.mvk).total_bits
    }

    /// The key as a file.
    ///
    /// # Errors
    /// [`KeyError`] when it cannot be encoded.
    pub fn encode(&self) -> Result<Vec<u8>, KeyError> {
        let body = bitcode::serialize(&self.openvm).map_err(|error| KeyError(error.to_string()))?;
        let mut file = MAGIC.to_vec();
        file.extend_from_slice(&self.image.to_be_bytes());
        file.extend_from_slice(&self.program.0);
        file.extend_from_slice(&self.machine.0);
        file.extend_from_slice(&digest_of(self.image, self.program, self.machine, &body));
        file.extend_from_slice(&body);
        Ok(file)
    }

    /// Reads a key.
    ///
    /// # Errors
    /// [`KeyError`] when it is no key or damaged.
    pub fn decode(file: &[u8]) -> Result<Self, KeyError> {
        let mut rest = file;
        let magic: [u8; 8] = take(&mut rest)?;
        if magic != MAGIC {
            return Err(KeyError("not a verifying key of this version".into()));
        }
        let image = u32::from_be_bytes(take(&mut rest)?);
        let program = Hash(take(&mut rest)?);
        let machine = Hash(take(&mut rest)?);
        let digest: [u8; 32] = take(&mut rest)?;
        if digest != digest_of(image, program, machine, rest) {
            return Err(KeyError("its digest differs".into()));
        }
        let openvm = bitcode::deserialize(rest).map_err(|error| KeyError(error.to_string()))?;
        Ok(Self::new(image, program, machine, openvm))
    }
}

/// Digest of all that a key holds.
fn digest_of(image: u32, program: Hash, machine: Hash, body: &[u8]) -> [u8; 32] {
    Sha256::new()
        .chain_update(image.to_be_bytes())
        .chain_update(program.0)
        .chain_update(machine.0)
        .chain_update(body)
        .finalize()
        .into()
}

/// Takes the next bytes.
fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], KeyError> {
    let (next, tail) = rest
        .split_first_chunk()
        .ok_or_else(|| KeyError("cut short".into()))?;
    *rest = tail;
    Ok(*next)
}
