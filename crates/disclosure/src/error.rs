//! Why a package is not verified, and why one cannot be built.

use alloy_primitives::{Address, B256};
use cloister_state_tree::ProofError;
use cloister_types::DecodeError;

use crate::key::{KeyError, Thumbprint};
use crate::manifest::{MAX_TEXT_BYTES, VERSION};

/// Why a package is not verified. Each variant has a stable [`VerifyError::code`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The file is larger than any package.
    #[error("the file has {got} bytes, more than the {limit} that a package may have")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
        /// The file's size in bytes.
        got: usize,
    },
    /// Not a JWS in flattened JSON serialization.
    #[error("not a Cloister package: {0}")]
    Envelope(String),
    /// The protected header is not exactly the one of a package.
    #[error("the protected header is malformed: {0}")]
    Header(String),
    /// Another type of JWS.
    #[error("expected type `{expected}`, got `{got}`")]
    Type {
        /// The type of packages.
        expected: &'static str,
        /// The type of this file.
        got: String,
    },
    /// Another signature algorithm.
    #[error("expected signature algorithm `{expected}`, got `{got}`")]
    Algorithm {
        /// The algorithm of packages.
        expected: &'static str,
        /// The algorithm of this file.
        got: String,
    },
    /// The key in the file is unusable.
    #[error("the package's key is unusable: {0}")]
    Key(#[from] KeyError),
    /// The key id is not the thumbprint of the key beside it.
    #[error("expected key id `{expected}`, got `{got}`")]
    KeyId {
        /// Thumbprint of the key in the file.
        expected: Thumbprint,
        /// The key id in the file.
        got: String,
    },
    /// The signature does not fit the content.
    #[error("the signature does not fit the content: the file was changed after it was signed")]
    Signature,
    /// Signed by a key that the reader does not trust.
    #[error("signed by key `{got}`, but the institution's key is `{expected}`")]
    Issuer {
        /// Thumbprint of the trusted key.
        expected: Thumbprint,
        /// Thumbprint of the key that signed.
        got: Thumbprint,
    },
    /// The manifest's version is unknown to this program.
    #[error("expected manifest version {VERSION}, got {got}: use a newer verifier")]
    Version {
        /// The version in the file.
        got: u64,
    },
    /// The manifest is not of its version's form.
    #[error("the manifest is malformed: {0}")]
    Manifest(String),
    /// A text in the manifest is too long.
    #[error("`{field}` has {got} bytes, more than {MAX_TEXT_BYTES}")]
    Text {
        /// The field.
        field: &'static str,
        /// Its length in bytes.
        got: usize,
    },
    /// A text in the manifest holds characters that could change how a report looks.
    #[error("`{field}` holds control characters")]
    Control {
        /// The field.
        field: &'static str,
    },
    /// The anchor was read on another chain than the package names.
    #[error(
        "the package is anchored on chain {package}, but the anchor was read on chain {anchor}"
    )]
    L1Chain {
        /// Chain id in the package.
        package: u64,
        /// Chain id of the anchor.
        anchor: u64,
    },
    /// The anchor was read from another contract than the package names.
    #[error(
        "the package is anchored in contract `{package}`, but the anchor was read from `{anchor}`"
    )]
    Rollup {
        /// Contract in the package.
        package: Address,
        /// Contract of the anchor.
        anchor: Address,
    },
    /// The anchor is another batch's.
    #[error("the package is about batch {package}, but the anchor is that of batch {anchor}")]
    BatchNumber {
        /// Batch in the package.
        package: u64,
        /// Batch of the anchor.
        anchor: u64,
    },
    /// The state root in the package is not the anchored one.
    #[error("Ethereum holds state root `{anchor}` for the batch, the package says `{package}`")]
    StateRoot {
        /// Root in the package.
        package: B256,
        /// Root on Ethereum.
        anchor: B256,
    },
    /// The batch header in the package does not hash to the anchored batch hash.
    #[error("Ethereum holds batch hash `{anchor}`, the header in the package has `{package}`")]
    BatchHash {
        /// Hash of the header in the package.
        package: B256,
        /// Hash on Ethereum.
        anchor: B256,
    },
    /// The private header does not have the digest that the public header names.
    #[error("the private header has digest `{got}`, expected `{expected}`")]
    PrivateHeader {
        /// Digest in the public header.
        expected: B256,
        /// Digest of the private header in the package.
        got: B256,
    },
    /// The slot is not the one of the stated layout and holder.
    #[error("the stated layout leads to slot `{expected}`, the package says `{got}`")]
    Slot {
        /// Slot by the layout.
        expected: B256,
        /// Slot in the package.
        got: B256,
    },
    /// The path is malformed or leads elsewhere.
    #[error("the path to the state root does not hold: {0}")]
    Path(#[from] ProofError),
    /// The leaf commits to another value.
    #[error("the leaf holds commitment `{expected}`, the claimed value with its salt has `{got}`")]
    Opening {
        /// Commitment in the leaf.
        expected: B256,
        /// Commitment of the claimed value.
        got: B256,
    },
    /// The path shows a leaf, but no salt is given to open it.
    #[error("the key has a leaf, but the package gives no salt to open it")]
    SaltMissing,
    /// The path shows that there is no leaf, but the package gives a salt.
    #[error("the key has no leaf, but the package gives a salt for one")]
    SaltWithoutLeaf,
    /// The path shows that there is no leaf, but the claim is not zero.
    #[error("the key has no leaf, which means zero, but the package claims another value")]
    NotZero,
    /// A log with more than four topics.
    #[error("log {log} has {got} topics, more than 4")]
    Topics {
        /// Position of the log in the transaction.
        log: usize,
        /// Its number of topics.
        got: usize,
    },
    /// The transaction's position lies outside its batch.
    #[error("the transaction claims position {index} in a batch of {count}")]
    Index {
        /// The claimed position.
        index: u32,
        /// Transactions in the batch.
        count: u32,
    },
    /// The path of the transaction has the wrong number of hashes for its position.
    #[error("the transaction's path has {got} hashes, expected {expected}")]
    Siblings {
        /// Hashes that the position needs.
        expected: usize,
        /// Hashes in the package.
        got: usize,
    },
    /// The transaction does not lead to the transaction root.
    #[error("the transaction leads to root `{got}`, the batch has `{expected}`")]
    TransactionRoot {
        /// Root in the header.
        expected: B256,
        /// Root that the package leads to.
        got: B256,
    },
}

impl VerifyError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::Envelope(_) => "envelope",
            Self::Header(_) => "header",
            Self::Type { .. } => "type",
            Self::Algorithm { .. } => "algorithm",
            Self::Key(_) => "key",
            Self::KeyId { .. } => "key_id",
            Self::Signature => "signature",
            Self::Issuer { .. } => "issuer",
            Self::Version { .. } => "version",
            Self::Manifest(_) => "manifest",
            Self::Text { .. } => "text",
            Self::Control { .. } => "control",
            Self::L1Chain { .. } => "l1_chain",
            Self::Rollup { .. } => "rollup",
            Self::BatchNumber { .. } => "batch_number",
            Self::StateRoot { .. } => "state_root",
            Self::BatchHash { .. } => "batch_hash",
            Self::PrivateHeader { .. } => "private_header",
            Self::Slot { .. } => "slot",
            Self::Path(_) => "path",
            Self::Opening { .. } => "opening",
            Self::SaltMissing => "salt_missing",
            Self::SaltWithoutLeaf => "salt_without_leaf",
            Self::NotZero => "not_zero",
            Self::Topics { .. } => "topics",
            Self::Index { .. } => "index",
            Self::Siblings { .. } => "siblings",
            Self::TransactionRoot { .. } => "transaction_root",
        }
    }
}

/// Why a package cannot be built: what the sequencer answered does not fit together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// A value does not decode.
    #[error("a value of the state does not decode: {0}")]
    Value(#[from] DecodeError),
    /// The package would not verify.
    #[error("the package would not verify: {0}")]
    Unverifiable(#[from] VerifyError),
    /// The manifest cannot be written.
    #[error("the manifest cannot be written: {0}")]
    Json(String),
}
