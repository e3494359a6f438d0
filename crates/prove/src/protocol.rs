//! What the prover service and the engine say to each other: one JSON object a line, requests on
//! the engine's standard input, replies on its standard output, in order, one at a time. Artefacts
//! are files that the service names; the engine writes a file whole (under another name first) or
//! not at all.
//!
//! `cloister-wrapper` speaks the same: it describes itself and wraps, the proving engine does all
//! the rest. What the other one does is a [`FailureKind::BadRequest`] to each.

use std::{fmt, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::tree::LayerKind;

/// Longest line that either side reads, in bytes.
pub const MAX_LINE_BYTES: usize = 1 << 20;

/// A piece of work, with the number that its reply carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Chosen by the service.
    pub id: u64,
    /// What to do.
    pub work: Work,
}

/// What the engine can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Work {
    /// Says which program and parameters it proves with.
    Describe {},
    /// Runs the program over a batch without proving, and plans its segments.
    Execute {
        /// The encoded `BatchInput`.
        input: PathBuf,
    },
    /// Proves one segment of the execution.
    Segment {
        /// The encoded `BatchInput`.
        input: PathBuf,
        /// Position among the segments that [`Answer::Executed`] named.
        index: u32,
        /// Where to write the segment's proof.
        output: PathBuf,
        /// Where to write the proof of the public values; only for the last segment.
        public_values: Option<PathBuf>,
    },
    /// Proves that all children are valid and follow one another.
    Aggregate {
        /// Layer of the new node.
        layer: LayerKind,
        /// Proofs of the layer below, in order.
        children: Vec<PathBuf>,
        /// Where to write the node's proof.
        output: PathBuf,
    },
    /// Joins the root of the tree and the public values into a final proof, and verifies it.
    Finish {
        /// The root of the tree.
        root: PathBuf,
        /// The proof of the public values.
        public_values: PathBuf,
        /// The batch hash that the proof must be about.
        batch_hash: Hash,
        /// Where to write the final proof.
        output: PathBuf,
    },
    /// Verifies a final proof.
    Verify {
        /// The final proof.
        proof: PathBuf,
        /// The batch hash that it must be about.
        batch_hash: Hash,
    },
    /// Verifies a final proof, wraps it for Ethereum, and verifies the wrap.
    Wrap {
        /// The final proof.
        proof: PathBuf,
        /// The batch hash that it must be about.
        batch_hash: Hash,
        /// Where to write the wrap.
        output: PathBuf,
    },
}

/// 32 bytes, as 64 hexadecimal digits with `0x` in front.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; 32]);

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl std::str::FromStr for Hash {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        let digits = text.strip_prefix("0x").unwrap_or(text);
        hex::decode_to_slice(digits, &mut bytes)
            .map_err(|_| "a hash has 64 hexadecimal digits".to_owned())?;
        Ok(Self(bytes))
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The reply to the request with the same number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// The request's number.
    pub id: u64,
    /// What came of it.
    pub outcome: Outcome,
    /// What it took.
    pub usage: Usage,
}

/// Success or failure of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Done(Answer),
    /// It was not.
    Failed(Failure),
}

/// What the engine found or made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub enum Answer {
    /// Reply to [`Work::Describe`].
    Description {
        /// Version of the image, as in `guest/image/`.
        image: u32,
        /// Commitment to the program (OpenVM's application commitment).
        program: Hash,
        /// Commitment to the machine and the aggregation circuits.
        machine: Hash,
    },
    /// Reply to [`Work::Execute`].
    Executed {
        /// What the program revealed: the batch hash.
        batch_hash: Hash,
        /// Instructions, all segments together.
        instructions: u64,
        /// The segments to prove, in order; never empty.
        segments: Vec<SegmentPlan>,
    },
    /// Reply to [`Work::Segment`], [`Work::Aggregate`] and [`Work::Finish`].
    Written {
        /// Size of the artefact in bytes.
        bytes: u64,
    },
    /// Reply to [`Work::Verify`]: the proof holds.
    Verified {},
    /// Reply to [`Work::Wrap`]: the wrap holds and is written.
    Wrapped {
        /// Size of the wrap in bytes.
        bytes: u64,
        /// How long verifying it took, by the clock, in milliseconds.
        verify_wall_ms: u64,
    },
}

/// One segment of an execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentPlan {
    /// Instructions in it.
    pub instructions: u64,
    /// Cells of its trace, the measure of proving time and memory.
    pub cells: u64,
}

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{kind:?}: {message}")]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// What kind of failure, which decides what to do about it.
    pub kind: FailureKind,
    /// The reason in words. Holds no content of transactions or state.
    pub message: String,
}

impl Failure {
    /// A failure of this kind, with its reason.
    #[must_use]
    pub fn new(kind: FailureKind, reason: impl fmt::Display) -> Self {
        Self {
            kind,
            message: reason.to_string(),
        }
    }
}

/// Kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The request is malformed or names a file that cannot be read.
    BadRequest,
    /// The program refused the batch: the sequencer and the state transition disagree. Trying again
    /// gives the same.
    Rejected,
    /// An artefact is damaged or does not fit; make it again.
    BadArtefact,
    /// What goes in is larger than the circuit takes. Trying again gives the same.
    TooLarge,
    /// A proof does not hold.
    Invalid,
    /// A file could not be written.
    Storage,
    /// Anything else; trying again may help.
    Internal,
}

/// What a request took, of the engine's process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    /// Processor time in milliseconds, user and system, all threads.
    pub cpu_ms: u64,
    /// Time by the clock in milliseconds.
    pub wall_ms: u64,
    /// Largest resident memory of the process so far, in bytes.
    pub peak_bytes: u64,
}

/// In columns, for people.
impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |ms: u64| format!("{}.{:03}", ms / 1000, ms % 1000);
        let (cpu, wall) = (seconds(self.cpu_ms), seconds(self.wall_ms));
        let peak = self.peak_bytes / 1_000_000;
        write!(f, "{cpu:>9} CPU s {wall:>9} s {peak:>6} MB peak")
    }
}
