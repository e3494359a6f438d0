//! What a job is, and how it may end.

use std::fmt;

use cloister_l1::B256;
use cloister_prove::protocol::{FailureKind, Hash, SegmentPlan, Usage};
use cloister_prove::tree::LayerKind;

/// Declares an enum that is a word in the database.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// The word in the database and in metrics.
            pub(crate) const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// What a word in the database means.
            pub(crate) fn of_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

words! {
    /// What a job does, in the order in which a batch goes through.
    Stage {
        /// Runs the program over the batch, without proof.
        Execute = "execute",
        /// Proves a part of the execution.
        Segment = "segment",
        /// Joins proofs.
        Aggregate = "aggregate",
        /// Makes the final proof and verifies it.
        Finish = "finish",
        /// Wraps the final proof for Ethereum.
        Wrap = "wrap",
    }
}

words! {
    /// Where a job stands.
    JobState {
        /// Jobs before it are not done.
        Waiting = "waiting",
        /// A worker may take it.
        Ready = "ready",
        /// A worker is at it.
        Leased = "leased",
        /// It is done.
        Done = "done",
        /// It failed too often.
        Dead = "dead",
        /// Program and sequencer disagree.
        Rejected = "rejected",
        /// An operator gave its batch up.
        Discarded = "discarded",
    }
}

impl Stage {
    /// All, in order.
    pub(crate) const ALL: [Self; 5] = [
        Self::Execute,
        Self::Segment,
        Self::Aggregate,
        Self::Finish,
        Self::Wrap,
    ];
}

impl JobState {
    /// All.
    pub(crate) const ALL: [Self; 7] = [
        Self::Waiting,
        Self::Ready,
        Self::Leased,
        Self::Done,
        Self::Dead,
        Self::Rejected,
        Self::Discarded,
    ];
}

/// Where the proof of a batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProvingState {
    /// It is being made.
    Open,
    /// It was made and verified.
    Verified,
    /// Program and sequencer disagree.
    Rejected,
    /// An operator gave it up.
    Discarded,
}

impl ProvingState {
    /// What a word in the database means.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        match word {
            "open" => Some(Self::Open),
            "verified" => Some(Self::Verified),
            "rejected" => Some(Self::Rejected),
            "discarded" => Some(Self::Discarded),
            _ => None,
        }
    }
}

words! {
    /// Why a job failed.
    ErrorKind {
        /// The engine did not understand the request.
        BadRequest = "bad_request",
        /// The program and the sequencer disagree about the batch.
        Rejected = "rejected",
        /// An artefact that it takes in is damaged.
        BadArtefact = "bad_artefact",
        /// A proof does not hold.
        Invalid = "invalid",
        /// A file could not be written: the disk is full or gone.
        Storage = "storage",
        /// The engine failed in another way.
        Internal = "internal",
        /// The engine's process ended before it answered.
        EngineDied = "engine_died",
        /// The engine did not start.
        EngineAway = "engine_away",
        /// The engine did not answer in time.
        Timeout = "timeout",
        /// The worker's lease ran out: it was killed or cut off.
        WorkerLost = "worker_lost",
        /// The batch needs more segments than a tree can take in, or its final proof is too large to be
        /// wrapped.
        TooLarge = "too_large",
        /// The job's own row does not fit the rest of its batch.
        DamagedRow = "damaged_row",
    }
}

impl ErrorKind {
    /// Whether the worker's surroundings are at fault rather than the job: such failures have a
    /// counter of their own.
    pub(crate) const fn is_fault(self) -> bool {
        matches!(self, Self::Storage | Self::EngineAway)
    }

    /// Whether trying again gives the same.
    pub(crate) const fn is_final(self) -> bool {
        matches!(self, Self::TooLarge | Self::DamagedRow)
    }
}

impl From<FailureKind> for ErrorKind {
    fn from(kind: FailureKind) -> Self {
        match kind {
            FailureKind::BadRequest => Self::BadRequest,
            FailureKind::Rejected => Self::Rejected,
            FailureKind::BadArtefact => Self::BadArtefact,
            FailureKind::TooLarge => Self::TooLarge,
            FailureKind::Invalid => Self::Invalid,
            FailureKind::Storage => Self::Storage,
            FailureKind::Internal => Self::Internal,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Which program and which machine prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Version of the guest image.
    pub image: u32,
    /// Commitment to the program.
    pub program: Hash,
    /// Commitment to the machine and the circuits above it.
    pub machine: Hash,
}

/// Key of an artefact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ArtefactId(pub i64);

/// Key of a job and the number of its lease: what a worker shows whenever it writes (SPV-22).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lease {
    /// The job.
    pub job: i64,
    /// Rises with every lease of it.
    pub fence: i64,
}

/// A job that a worker has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Job {
    /// What the worker shows whenever it writes.
    pub lease: Lease,
    /// The batch.
    pub batch: u64,
    /// Hash of the sealed header.
    pub batch_hash: B256,
    /// What to do.
    pub stage: Stage,
    /// Layer in the graph.
    pub layer: u32,
    /// Position in the layer.
    pub node: u32,
    /// Circuit of an aggregation.
    pub circuit: Option<LayerKind>,
    /// How often it was tried, this time included.
    pub attempts: u32,
    /// The encoded input of the batch.
    pub input: Option<ArtefactId>,
    /// What the jobs of the layer below made, with their positions; as many as there should be.
    pub children: Vec<(u32, Option<ArtefactId>)>,
    /// Segments of the batch; 0 before they are planned.
    pub segments: u32,
    /// Proof of the public values.
    pub public_values: Option<ArtefactId>,
    /// The final proof once it is verified: what a wrap takes in.
    pub proof: Option<ArtefactId>,
}

/// What a job made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Made {
    /// The execution equals the sealed header, and plans these segments.
    Plan {
        /// Instructions, all segments together.
        instructions: u64,
        /// The segments.
        segments: Vec<SegmentPlan>,
        /// What executed.
        identity: Identity,
    },
    /// An artefact, and with the last segment the proof of the public values.
    Proof {
        /// The segment's or node's proof.
        output: ArtefactId,
        /// The public values' proof.
        public_values: Option<ArtefactId>,
    },
    /// The final proof, verified.
    Final {
        /// The proof.
        output: ArtefactId,
        /// How long verifying took.
        verify_wall_ms: u64,
    },
    /// The wrap of the final proof, verified.
    Wrap {
        /// The wrap.
        output: ArtefactId,
        /// How long verifying took.
        verify_wall_ms: u64,
    },
}

/// Why a job was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failed {
    /// What kind of failure.
    pub kind: ErrorKind,
    /// The reason in words; holds no content of a batch.
    pub reason: String,
    /// What has to be made again first.
    pub remake: Remake,
    /// When rejected: what the program revealed instead, if it revealed anything.
    pub executed_hash: Option<B256>,
}

impl Failed {
    /// A failure after which nothing else has to be made again.
    pub(crate) fn new(kind: ErrorKind, reason: impl fmt::Display) -> Self {
        Self {
            kind,
            reason: reason.to_string(),
            remake: Remake::Nothing,
            executed_hash: None,
        }
    }
}

/// What has to be made again before a job can be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Remake {
    /// Nothing.
    Nothing,
    /// The batch's input, from the sequencer.
    Input,
    /// These jobs of the layer below.
    Children(Vec<u32>),
    /// The last segment, for its proof of the public values.
    PublicValues,
    /// What the final proof takes in: the root and the public values.
    RootAndPublicValues,
    /// The final proof itself.
    FinalProof,
}

/// A finished job's measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finished {
    /// What came of it.
    pub made: Made,
    /// What it took.
    pub usage: Usage,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_means_what_it_says() {
        for stage in Stage::ALL {
            assert_eq!(Stage::of_word(stage.word()), Some(stage));
        }
        for state in JobState::ALL {
            assert_eq!(JobState::of_word(state.word()), Some(state));
        }
        assert_eq!(JobState::of_word("elsewhere"), None);
    }
}
