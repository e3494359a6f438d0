//! What the prover knows: batches, and transactions on their way to Ethereum.

use cloister_l1::{Address, B256, Bytes};
use cloister_types::BatchHeader;

/// Which private chain is anchored where. A database belongs to one of these for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    /// The private chain.
    pub chain_id: u64,
    /// Its batch 0.
    pub genesis_batch_hash: B256,
    /// The Ethereum chain.
    pub l1_chain_id: u64,
    /// The contract on it.
    pub rollup_contract: Address,
}

/// A batch as the sequencer sealed it, checked against its own hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SealedBatch {
    /// Its number.
    pub number: u64,
    /// Hash of its header.
    pub hash: B256,
    /// Its header.
    pub header: BatchHeader,
    /// UNIX seconds.
    pub sealed_at: u64,
}

/// How far commits may go (SPV-21).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// As far as batches are sealed.
    Open,
    /// Only below this batch: its execution has not been compared with its header.
    Before(u64),
    /// Nowhere: the program and the sequencer disagree about this batch.
    Rejected(u64),
}

/// How deep in Ethereum something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Depth {
    /// In a block.
    Included,
    /// Deep enough for this installation.
    Confirmed,
    /// Ethereum will not take it back.
    Final,
}

/// Where a batch was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Commit {
    /// The transaction.
    pub transaction: B256,
    /// Its block.
    pub block: u64,
    /// Gas that it used, for all batches in it.
    pub gas_used: u64,
    /// How deep it is.
    pub depth: Depth,
}

/// Where Ethereum checked the proof of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Proof {
    /// The transaction that proved it; of those before it, that brought parts, nothing is here.
    pub transaction: B256,
    /// Its block.
    pub block: u64,
    /// Gas that it used.
    pub gas_used: u64,
    /// Version of the verifier.
    pub version: u32,
    /// How deep it is.
    pub depth: Depth,
}

/// Where a batch was made final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Finality {
    /// The block of our transaction, or in which somebody else's was noticed.
    pub block: u64,
    /// How deep it is.
    pub depth: Depth,
}

/// How far a batch is on Ethereum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Anchoring {
    /// Where it was committed.
    pub commit: Option<Commit>,
    /// Where it was proved.
    pub proof: Option<Proof>,
    /// Where it became final.
    pub finality: Option<Finality>,
}

/// A transaction that is in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Included {
    /// The transaction.
    pub transaction: B256,
    /// Its block.
    pub block: u64,
    /// Gas that it used.
    pub gas_used: u64,
}

/// A batch whose commit is not final yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpenBatch {
    /// Its number.
    pub number: u64,
    /// Hash of its header.
    pub hash: B256,
    /// Where it was last seen committed.
    pub commit: Option<Commit>,
}

/// A batch whose proof is not final yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OpenProof {
    /// Its number.
    pub number: u64,
    /// Hash of its header.
    pub hash: B256,
    /// Where it was last seen proved.
    pub proof: Option<Proof>,
}

/// What a transaction of ours is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Commits batches.
    Commit,
    /// Brings the head of a batch's wrap.
    Begin,
    /// Brings some of its queries.
    Check,
    /// Brings the rest of them and proves the batch.
    Prove,
    /// Makes proved batches final.
    Finalize,
}

impl Kind {
    /// The word in the database and in metrics.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Begin => "begin",
            Self::Check => "check",
            Self::Prove => "prove",
            Self::Finalize => "finalize",
        }
    }

    /// What a word in the database means.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        match word {
            "commit" => Some(Self::Commit),
            "begin" => Some(Self::Begin),
            "check" => Some(Self::Check),
            "prove" => Some(Self::Prove),
            "finalize" => Some(Self::Finalize),
            _ => None,
        }
    }
}

/// Where a transaction of ours stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IntentState {
    /// In no block.
    Pending,
    /// In a block, by the attempt with this hash.
    Included(Landed),
    /// In a block that Ethereum will not take back.
    Final(Landed),
    /// Another transaction took its nonce.
    Lost,
}

/// An attempt that is in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Landed {
    /// The attempt.
    pub hash: B256,
    /// Number of its block.
    pub block: u64,
    /// Hash of its block.
    pub block_hash: B256,
    /// Gas that it used.
    pub gas_used: u64,
    /// False: it reverted.
    pub succeeded: bool,
}

/// One nonce of the committer given to one purpose, with all that was signed for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Intent {
    /// Key in the database.
    pub id: i64,
    /// What it is for.
    pub kind: Kind,
    /// The account whose nonce it is.
    pub sender: Address,
    /// The nonce.
    pub nonce: u64,
    /// First batch that it is for.
    pub first_batch: u64,
    /// Last batch that it is for.
    pub last_batch: u64,
    /// Where it stands.
    pub state: IntentState,
    /// What was signed, oldest first; never empty.
    pub attempts: Vec<Attempt>,
}

impl Intent {
    /// The attempt with the highest fees.
    pub(crate) fn latest(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    /// Where it landed, if it did.
    pub(crate) const fn landed(&self) -> Option<Landed> {
        match self.state {
            IntentState::Included(landed) | IntentState::Final(landed) => Some(landed),
            IntentState::Pending | IntentState::Lost => None,
        }
    }

    /// Where it landed, if it did to a batch what transactions of this kind do.
    pub(crate) fn did(&self, kind: Kind, number: u64) -> Option<Landed> {
        self.landed().filter(|landed| {
            self.kind == kind
                && landed.succeeded
                && (self.first_batch..=self.last_batch).contains(&number)
        })
    }
}

/// A signed transaction. Written before it is sent (SPR-1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// Its hash.
    pub hash: B256,
    /// The signed envelope.
    pub raw: Bytes,
    /// What it may cost.
    pub fees: Fees,
    /// Newest Ethereum block when it was signed.
    pub signed_in_block: u64,
}

/// What one unit of gas may cost, in wei.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fees {
    /// In all.
    pub max_fee: u128,
    /// For the block's builder.
    pub tip: u128,
}

/// A new purpose for a nonce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewIntent {
    /// What it is for.
    pub kind: Kind,
    /// The account whose nonce it is.
    pub sender: Address,
    /// The nonce.
    pub nonce: u64,
    /// First batch that it is for.
    pub first_batch: u64,
    /// Last batch that it is for.
    pub last_batch: u64,
    /// UNIX milliseconds.
    pub created_at_ms: u64,
    /// The first attempt.
    pub attempt: Attempt,
}
