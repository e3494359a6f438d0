//! The image of a circuit as it is put on Ethereum: data contracts, and the verifier over them.

use std::fmt;

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::sol_types::SolConstructor as _;
use serde::Deserialize;

use crate::bindings::WrapVerifier;

/// Largest code of a contract in bytes (EIP-170).
const MAX_CODE_BYTES: usize = 24_576;
/// A data contract begins with this instruction, so that a call of it stops at once.
const STOP: u8 = 0;
/// Most data contracts of one image.
const MAX_PARTS: usize = 16;
/// Bytes of a number in the image's header.
const WORD_BYTES: usize = 32;

// Places in the image's header, as `contracts/src/wrap/Circuit.sol` has them.
const PROGRAM: usize = 1;
const MACHINE: usize = 2;
const TABLES: usize = 3;
const QUERIES: usize = 4;
const FOLDS: usize = 8;
const FIRST_TABLE: u64 = 40;
/// Words of the header for each table.
const TABLE_WORDS: u64 = 4;

/// The verifier's code as the compiler made it.
const TEMPLATE: &str = include_str!("../../../contracts/artifacts/WrapVerifier.code.json");

/// Why an image cannot be put on Ethereum.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// It is no image that the verifier's contract would take.
    #[error("the verifier's image is malformed: {reason}")]
    Malformed {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The artefact that this program was built with is malformed.
    #[error(
        "the verifier's code in this program is malformed: run `cargo xtask gen` and build it again"
    )]
    Template,
}

/// The verifier's code, and where each of its immutables is written, in the order of declaration.
#[derive(Deserialize)]
struct Template {
    code: Bytes,
    immutables: [Vec<usize>; 7],
}

/// The image of a circuit for one version of the guest program: all that a `WrapVerifier` knows.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierImage {
    version: u32,
    bytes: Bytes,
    hash: B256,
    program: B256,
    machine: B256,
    header_words: u64,
    queries: u8,
}

impl fmt::Debug for VerifierImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifierImage")
            .field("version", &self.version)
            .field("hash", &self.hash)
            .finish_non_exhaustive()
    }
}

impl VerifierImage {
    /// Reads the header of an image of version `version` of the guest program.
    ///
    /// # Errors
    /// [`ImageError::Malformed`] for what no verifier can be deployed with. The rest of the image is
    /// checked by whoever made it, and pinned by its hash.
    pub fn new(version: u32, bytes: impl Into<Bytes>) -> Result<Self, ImageError> {
        let bytes = bytes.into();
        let malformed = |reason| ImageError::Malformed { reason };
        if bytes.len() > MAX_PARTS * (MAX_CODE_BYTES - 1) {
            return Err(malformed("it is longer than 16 contracts can hold"));
        }
        let word = |place: usize| {
            let (word, _) = bytes
                .get(place * WORD_BYTES..)?
                .split_first_chunk::<WORD_BYTES>()?;
            Some(B256::from(*word))
        };
        let number = |place| u8::try_from(U256::from_be_bytes(word(place)?.0)).ok();
        let header = || {
            let words = TABLE_WORDS * u64::from(number(TABLES)?) + u64::from(number(FOLDS)?);
            Some((
                word(PROGRAM)?,
                word(MACHINE)?,
                FIRST_TABLE + words,
                number(QUERIES)?,
            ))
        };
        let (program, machine, header_words, queries) =
            header().ok_or(malformed("its header is cut short or out of range"))?;
        if queries == 0 {
            return Err(malformed("it asks for no queries"));
        }
        Ok(Self {
            version,
            hash: keccak256(&bytes),
            bytes,
            program,
            machine,
            header_words,
            queries,
        })
    }

    /// Version of the guest program.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// Keccak-256 of the image: what the verifier is pinned to.
    #[must_use]
    pub const fn hash(&self) -> B256 {
        self.hash
    }

    /// Commitment to the program, as the verifier names it.
    #[must_use]
    pub const fn program(&self) -> B256 {
        self.program
    }

    /// Commitment to the machine, as the verifier names it.
    #[must_use]
    pub const fn machine(&self) -> B256 {
        self.machine
    }

    /// Keccak-256 of the code that a verifier of this image has behind a router. It covers the
    /// image, the router, the program and the machine; a contract with this code is such a verifier
    /// whoever deployed it.
    ///
    /// # Errors
    /// [`ImageError::Template`].
    pub fn code_hash(&self, router: Address) -> Result<B256, ImageError> {
        let template: Template =
            serde_json::from_str(TEMPLATE).map_err(|_| ImageError::Template)?;
        let header_code = self.parts().next().unwrap_or_default();
        let queries = (U256::from(1) << usize::from(self.queries)) - U256::from(1);
        // In the order of declaration in `WrapVerifier.sol`.
        let values = [
            router.into_word(),
            self.hash,
            self.program,
            self.machine,
            keccak256(header_code),
            B256::from(U256::from(self.header_words)),
            B256::from(queries),
        ];
        let mut code = template.code.to_vec();
        for (value, places) in values.iter().zip(&template.immutables) {
            for place in places {
                let (slot, _) = code
                    .get_mut(*place..)
                    .and_then(<[u8]>::split_first_chunk_mut)
                    .ok_or(ImageError::Template)?;
                *slot = value.0;
            }
        }
        Ok(keccak256(code))
    }

    /// The code of each data contract.
    fn parts(&self) -> impl ExactSizeIterator<Item = Vec<u8>> {
        let data = self.bytes.chunks(MAX_CODE_BYTES - 1);
        data.map(|data| [&[STOP], data].concat())
    }

    /// Transactions that deploying takes: the data contracts and the verifier.
    pub(crate) fn transactions(&self) -> u64 {
        self.parts().len() as u64 + 1
    }

    /// What creates each data contract.
    pub(crate) fn part_creations(&self) -> impl ExactSizeIterator<Item = Bytes> {
        self.parts().map(|code| creation(&code))
    }

    /// What creates the verifier over the deployed data contracts.
    pub(crate) fn verifier_creation(&self, router: Address, parts: Vec<Address>) -> Bytes {
        let arguments = WrapVerifier::constructorCall {
            router_: router,
            parts,
            hash: self.hash,
        };
        [WrapVerifier::BYTECODE.as_ref(), &arguments.abi_encode()]
            .concat()
            .into()
    }
}

/// What creates a contract of this code, and does nothing else.
fn creation(code: &[u8]) -> Bytes {
    // A part is never longer than code may be.
    let [high, low] = u16::try_from(code.len()).unwrap_or(u16::MAX).to_be_bytes();
    let copy_and_return = [
        0x61, high, low,  // PUSH2 length
        0x80, // DUP1
        0x60, 0x0a, // PUSH1 10: behind these ten bytes the code begins
        0x5f, // PUSH0: where in memory it goes
        0x39, // CODECOPY
        0x5f, // PUSH0
        0xf3, // RETURN
    ];
    [&copy_and_return, code].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &[u8] = include_bytes!("../../../tests/vectors/wrap/sample.image");

    #[test]
    fn splits_an_image_into_contracts_that_fit() {
        let image = VerifierImage::new(1, vec![7; 0]);
        assert!(image.is_err());
        let mut bytes = SAMPLE.to_vec();
        bytes.resize(2 * (MAX_CODE_BYTES - 1) + 1, 9);
        let image = VerifierImage::new(1, bytes.clone()).expect("an image");
        let parts: Vec<Vec<u8>> = image.parts().collect();
        let lengths: Vec<usize> = parts.iter().map(Vec::len).collect();
        assert_eq!(lengths, [MAX_CODE_BYTES, MAX_CODE_BYTES, 2]);
        assert!(parts.iter().all(|part| part[0] == STOP));
        let joined: Vec<u8> = parts.iter().flat_map(|part| &part[1..]).copied().collect();
        assert_eq!(joined, bytes);
        assert_eq!(image.transactions(), 4);
        let creation = image.part_creations().last().expect("a part");
        assert_eq!(
            creation.to_vec(),
            [0x61, 0, 2, 0x80, 0x60, 0x0a, 0x5f, 0x39, 0x5f, 0xf3, 0, 9]
        );
    }

    #[test]
    fn refuses_what_is_no_image() {
        let refused = |bytes: Vec<u8>| VerifierImage::new(1, bytes).map(|_| ()).is_err();
        for length in 0..=FOLDS * WORD_BYTES {
            assert!(refused(SAMPLE[..length].to_vec()), "{length}");
        }
        assert!(refused(vec![0; 1024]), "no queries");
        assert!(refused(vec![1; 1024]), "numbers out of range");
        assert!(refused(vec![0; MAX_PARTS * MAX_CODE_BYTES]), "too long");
    }

    #[test]
    fn the_code_depends_on_router_and_image() {
        let image = VerifierImage::new(1, SAMPLE).expect("an image");
        let mut other = SAMPLE.to_vec();
        let last = other.len() - 1;
        other[last] ^= 1;
        let other = VerifierImage::new(1, other).expect("an image");
        let (here, there) = (Address::repeat_byte(1), Address::repeat_byte(2));
        let hash = image.code_hash(here).expect("a hash");
        assert_ne!(image.code_hash(there).expect("a hash"), hash);
        assert_ne!(other.code_hash(here).expect("a hash"), hash);
        assert_eq!(
            (image.program(), image.hash()),
            (other.program(), keccak256(SAMPLE))
        );
    }
}
