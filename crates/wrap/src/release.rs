//! What is released: the proof system's parameters, and the file that says which wraps are trusted.
//! A change of a parameter makes another key.
//!
//! The file of one version of the guest program (numbers big-endian):
//!
//! | Offset | Bytes | Content |
//! |---|---|---|
//! | 0 | 16 | `cloister-wrap-v1` |
//! | 16 | 4 | version of the guest program |
//! | 20 | 32 | commitment to the program: eight numbers of four bytes |
//! | 52 | 32 | commitment to the machine, likewise |
//! | 84 | | the circuit's key ([`VerifyingKey`]), with heights and the commitment to the constraints of OpenVM's verifier pinned |

use crate::{
    circuit::{MODULUS, Parameters},
    key::{BadKey, VerifyingKey},
    statement::{Commitment, Statement},
};

/// Parameters for 100 proven bits and more, at Johnson's bound.
pub const PARAMETERS: Parameters = Parameters {
    log_blowup: 5,
    queries: 33,
    query_pow_bits: 20,
    batch_pow_bits: 4,
    fold_pow_bits: 0,
    lookup_pow_bits: 0,
    point_pow_bits: 0,
    log_arity: 3,
    log_final_length: 0,
    random_columns: 5,
    cap_height: 0,
};

/// Lengths that messages are filled up to.
pub const MESSAGE_LENGTHS: [u32; 6] = [4, 8, 12, 20, 36, 64];

/// The circuit's key of version 1: `OpenVM` 2.0.2's root verifier with heights and the commitment to
/// the constraints that it verifies pinned. It is the same for every guest program; an optimised
/// test derives it again.
pub const CIRCUIT_V1: &[u8] = include_bytes!("../data/circuit-v1.key");

/// First bytes of a release's file.
const MAGIC: [u8; 16] = *b"cloister-wrap-v1";

/// One version of the guest program with the circuit that its wraps are made with.
#[derive(Clone, Debug)]
pub struct Release {
    /// Version of the guest program.
    pub image: u32,
    /// Its commitment.
    pub program: Commitment,
    /// The commitment to the machine that runs it.
    pub machine: Commitment,
    /// The circuit.
    pub key: VerifyingKey,
}

impl Release {
    /// Version `image` of the guest program with the circuit of version 1. The commitments are
    /// those of its verifying key.
    ///
    /// # Errors
    /// [`BadKey`] when the bytes are no commitments.
    pub fn v1(image: u32, program: [u8; 32], machine: [u8; 32]) -> Result<Self, BadKey> {
        Ok(Self {
            image,
            program: digits(program)?,
            machine: digits(machine)?,
            key: VerifyingKey::decode(CIRCUIT_V1)?,
        })
    }

    /// What a wrap of this version proves when the program revealed these bytes.
    #[must_use]
    pub fn statement(&self, public_values: &[u8]) -> Statement {
        Statement {
            program: self.program,
            machine: self.machine,
            public_values: public_values.to_vec(),
        }
    }

    /// The release as a file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut file = MAGIC.to_vec();
        file.extend_from_slice(&self.image.to_be_bytes());
        for number in self.program.iter().chain(&self.machine) {
            file.extend_from_slice(&number.to_be_bytes());
        }
        file.extend_from_slice(&self.key.encode());
        file
    }

    /// Reads a release.
    ///
    /// # Errors
    /// [`BadKey`] for anything but the one encoding of a release.
    pub fn decode(file: &[u8]) -> Result<Self, BadKey> {
        let rest = file.strip_prefix(&MAGIC).ok_or(BadKey::Malformed)?;
        let (image, rest) = rest.split_first_chunk().ok_or(BadKey::Malformed)?;
        let (program, rest) = commitment(rest)?;
        let (machine, rest) = commitment(rest)?;
        Ok(Self {
            image: u32::from_be_bytes(*image),
            program,
            machine,
            key: VerifyingKey::decode(rest)?,
        })
    }
}

/// The numbers of a commitment that is written as one: digits to the base of the modulus, the
/// lowest first, in 32 bytes, the highest first.
fn digits(mut bytes: [u8; 32]) -> Result<Commitment, BadKey> {
    let mut numbers = Commitment::default();
    for number in &mut numbers {
        let mut rest = 0;
        for byte in &mut bytes {
            let value = rest << 8 | u64::from(*byte);
            // The rest is below the modulus, so the quotient is below 256.
            *byte = u8::try_from(value / u64::from(MODULUS)).unwrap_or(u8::MAX);
            rest = value % u64::from(MODULUS);
        }
        *number = u32::try_from(rest).unwrap_or(u32::MAX);
    }
    if bytes == [0; 32] {
        Ok(numbers)
    } else {
        Err(BadKey::Malformed)
    }
}

/// Reads a commitment.
fn commitment(bytes: &[u8]) -> Result<(Commitment, &[u8]), BadKey> {
    let mut rest = bytes;
    let mut numbers = Commitment::default();
    for number in &mut numbers {
        let (next, tail) = rest.split_first_chunk().ok_or(BadKey::Malformed)?;
        *number = u32::from_be_bytes(*next);
        if *number >= MODULUS {
            return Err(BadKey::Malformed);
        }
        rest = tail;
    }
    Ok((numbers, rest))
}
