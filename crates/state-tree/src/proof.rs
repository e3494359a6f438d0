//! Proof that one key has a leaf, or has none, under a root; its frozen encoding, version 1.
//!
//! ```text
//! version u8 = 1
//! terminal u8       0 = empty, 1 = leaf, then: key 32 ‖ commit 32
//! count u16         big-endian, at most 256
//! siblings          count × 32, from the root towards the leaf
//! ```

use crate::hash::{EMPTY, Hash, LeafCommit, LeafKey, MAX_DEPTH, inner_hash, leaf_hash};
use crate::reader::{Reader, Truncated};
use alloc::vec::Vec;

/// Version byte of [`Proof::encode`].
const VERSION: u8 = 1;

/// Longest encoding that [`Proof::decode`] takes, in bytes.
pub const MAX_PROOF_BYTES: usize = 1 + 1 + 64 + 2 + 32 * MAX_DEPTH;

/// Where the path of a key ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminal {
    /// In a subtree without leaves: the key has no leaf.
    Empty,
    /// At a leaf: of the key asked for (inclusion), or of another one (exclusion).
    Leaf {
        /// The leaf's key.
        key: LeafKey,
        /// The commitment to the leaf's value.
        commit: LeafCommit,
    },
}

/// The path of one key: what a verifier needs to recompute the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Hashes beside the path, from the root towards the leaf: 0 to 256.
    pub siblings: Vec<Hash>,
    /// Where the path ends.
    pub terminal: Terminal,
}

/// Why a proof does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// More siblings than a key has bits.
    #[error("the proof has {got} siblings, but a path has at most {MAX_DEPTH}")]
    TooDeep {
        /// Siblings in the proof.
        got: usize,
    },
    /// The leaf at the end of the path cannot lie on the key's path.
    #[error(
        "the proof ends at a leaf that shares {shared} leading bits with the key, expected {expected}"
    )]
    OffPath {
        /// Leading bits in common.
        shared: usize,
        /// Depth at which the path ends.
        expected: usize,
    },
    /// The path is longer than a tree of this shape makes it.
    #[error("the proof is not in its shortest form: the deepest sibling is empty")]
    NotShortest,
    /// The recomputed root is another one.
    #[error("the proof leads to another state root than the expected one")]
    RootMismatch {
        /// The root that the verifier trusts.
        expected: Hash,
        /// The root that the proof leads to.
        got: Hash,
    },
    /// The encoding has a version that this program does not know.
    #[error("tree proof of unknown version {0}, expected {VERSION}")]
    UnknownVersion(u8),
    /// The terminal's tag is neither 0 nor 1.
    #[error("tree proof with unknown terminal {0}, expected 0 or 1")]
    UnknownTerminal(u8),
    /// The encoding ends before the content that it announces.
    #[error("tree proof is cut short")]
    Truncated,
    /// The encoding goes on after its content.
    #[error("tree proof has {0} bytes too many")]
    TrailingBytes(usize),
}

impl From<Truncated> for ProofError {
    fn from(_: Truncated) -> Self {
        Self::Truncated
    }
}

impl Proof {
    /// Checks the proof for `key` against a trusted root.
    ///
    /// `Some` is the commitment in the key's leaf; `None` means that the key has no leaf.
    ///
    /// # Errors
    /// [`ProofError`] when the proof is malformed, belongs to another key or another root.
    pub fn verify(&self, root: &Hash, key: &LeafKey) -> Result<Option<LeafCommit>, ProofError> {
        let Self { siblings, terminal } = self;
        let depth = siblings.len();
        if depth > MAX_DEPTH {
            return Err(ProofError::TooDeep { got: depth });
        }
        if siblings.last() == Some(&EMPTY) {
            return Err(ProofError::NotShortest);
        }
        let (mut hash, found) = match terminal {
            Terminal::Empty => (EMPTY, None),
            Terminal::Leaf { key: at, commit } => {
                // STREE-2: another key's leaf excludes ours only where it takes our place.
                let shared = at.common_bits(key);
                if shared < depth {
                    return Err(ProofError::OffPath {
                        shared,
                        expected: depth,
                    });
                }
                (leaf_hash(at, commit), (at == key).then_some(*commit))
            }
        };
        for (level, sibling) in siblings.iter().enumerate().rev() {
            hash = if key.bit(level) {
                inner_hash(sibling, &hash)
            } else {
                inner_hash(&hash, sibling)
            };
        }
        if hash == *root {
            Ok(found)
        } else {
            Err(ProofError::RootMismatch {
                expected: *root,
                got: hash,
            })
        }
    }

    /// The frozen encoding, version 1.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(68 + 32 * self.siblings.len());
        out.push(VERSION);
        match &self.terminal {
            Terminal::Empty => out.push(0),
            Terminal::Leaf { key, commit } => {
                out.push(1);
                out.extend_from_slice(&key.0);
                out.extend_from_slice(&commit.0);
            }
        }
        // A path has at most 256 siblings; a longer one is nobody's proof and does not decode.
        let count = u16::try_from(self.siblings.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&count.to_be_bytes());
        self.siblings
            .iter()
            .for_each(|sibling| out.extend_from_slice(sibling));
        out
    }

    /// Reads [`Proof::encode`]'s form. Allocates at most what 256 siblings need.
    ///
    /// # Errors
    /// [`ProofError`] when the bytes are not exactly one proof of version 1.
    pub fn decode(bytes: &[u8]) -> Result<Self, ProofError> {
        let mut reader = Reader::new(bytes);
        let version = reader.byte()?;
        if version != VERSION {
            return Err(ProofError::UnknownVersion(version));
        }
        let terminal = match reader.byte()? {
            0 => Terminal::Empty,
            1 => Terminal::Leaf {
                key: LeafKey(reader.hash()?),
                commit: LeafCommit(reader.hash()?),
            },
            tag => return Err(ProofError::UnknownTerminal(tag)),
        };
        let count = usize::from(reader.u16()?);
        if count > MAX_DEPTH {
            return Err(ProofError::TooDeep { got: count });
        }
        let siblings = reader.hashes(count)?;
        match reader.rest() {
            0 => Ok(Self { siblings, terminal }),
            more => Err(ProofError::TrailingBytes(more)),
        }
    }
}
