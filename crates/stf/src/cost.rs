//! What a batch costs in the guest: an estimate of its instructions, made while blocks are built.
//!
//! ```text
//!  Meter (block by block) ─► Work: how often each Feature occurred ─┐
//!  BatchMeter: leaves and code that the batch needs, each once ─────┤ × CostTable = instructions
//!                                                                   ┘
//! ```
//!
//! The model is linear in [`Feature`]s, with a table of coefficients for each version of the guest
//! image. It decides nothing about validity: a batch above an estimate is as valid as any other. A
//! sequencer closes batches by it, and refuses what could hardly be proved.
//!
//! Coefficients of opcodes and precompiles are for the *worst* operands, so that no contract can
//! cost more than its estimate by choosing them. The tests beside the tables bound what a unit of
//! gas can buy.

use alloc::collections::{BTreeMap, BTreeSet};
use alloy_primitives::B256;
use cloister_types::StateKey;

use crate::{block::BlockTrace, genesis::config_key};

mod input;
mod tables;

pub use input::input_work;
pub use tables::{COST_TABLES, CostTable, cost_table};

macro_rules! features {
    ($($(#[doc = $doc:literal])+ $name:ident),* $(,)?) => {
        /// Something that the guest does, counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Feature { $($(#[doc = $doc])+ $name),* }

        impl Feature {
            /// All features in order.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name, e.g. `OpMul`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }
        }

        /// How often each feature occurred. Sums stop at their maximum.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[expect(non_snake_case, reason = "named as the features")]
        pub struct Work { $($name: u64),* }

        impl Work {
            /// How often a feature occurred.
            #[must_use]
            pub const fn count(&self, feature: Feature) -> u64 {
                match feature { $(Feature::$name => self.$name),* }
            }

            const fn place(&mut self, feature: Feature) -> &mut u64 {
                match feature { $(Feature::$name => &mut self.$name),* }
            }
        }
    };
}

features!(
    /// The batch itself: set-up, headers, the configuration's leaf.
    Batch,
    /// A block: its header and the system call that stores its parent's hash.
    Block,
    /// A transaction: decoding, hashing, validation, its leaf.
    Transaction,
    /// A signature whose signer is recovered: the transaction's, and each authorization's.
    Signature,
    /// 32 bytes of a transaction's envelope.
    EnvelopeWord,
    /// A log that stays: its commitment and place.
    Log,
    /// A topic of a log that stays.
    LogTopic,
    /// 32 bytes of a log that stays, without its topics.
    LogWord,
    /// An entry in an activity chain.
    ActivityEntry,
    /// An account or slot that a transaction looks at for the first time.
    Loaded,
    /// A leaf of the state tree that the witness opens.
    LeafOpened,
    /// A leaf of the state tree that the batch writes.
    LeafWritten,
    /// A node of the state tree that is hashed, before or after.
    TreeNode,
    /// 32 bytes of code in the witness: hash and analysis.
    CodeWord,
    /// 32 bytes of init code: hash and analysis.
    InitWord,
    /// 32 bytes of code that came into being.
    DeployedWord,
    /// Opcodes that move a word: PUSH of up to four bytes, POP, DUP, JUMPDEST, PC, GAS, sizes, CALLVALUE.
    OpStack,
    /// SWAP, EXCHANGE.
    OpSwap,
    /// ADD, SUB, comparisons, bits, SHL, SHR, ADDRESS, CALLER.
    OpSimple,
    /// MUL.
    OpMul,
    /// DIV, SDIV, MOD, SMOD.
    OpDiv,
    /// ADDMOD, MULMOD.
    OpModular,
    /// EXP, without its exponent.
    OpExp,
    /// A byte of EXP's exponent.
    ExpByte,
    /// KECCAK256, without its input.
    OpKeccak,
    /// A permutation of Keccak: 136 bytes of input.
    KeccakBlock,
    /// MLOAD, MSTORE; PUSH of more than four bytes.
    OpMemory,
    /// 32 bytes by which memory grew.
    MemoryWord,
    /// An opcode for which memory grew: the loop over opcodes is left for it.
    MemoryGrowth,
    /// Opcodes that copy, without what they copy; MSTORE8.
    OpCopy,
    /// LOG, without its data.
    OpLog,
    /// 32 bytes copied: by opcodes, as a call's input or answer.
    CopyWord,
    /// 32 bytes moved by MCOPY.
    MoveWord,
    /// Opcodes that tell about transaction or block; BYTE, SAR, CLZ, SIGNEXTEND; CALLDATALOAD.
    OpEnvironment,
    /// JUMP, JUMPI.
    OpJump,
    /// Opcodes that read the state: SLOAD, BALANCE, EXTCODE*, BLOCKHASH; an access-list entry.
    OpState,
    /// SSTORE, SELFDESTRUCT.
    OpStore,
    /// TLOAD, TSTORE.
    OpTransient,
    /// CALL and its kind, with its frame.
    OpCall,
    /// CREATE, CREATE2, with its frame.
    OpCreate,
    /// Opcodes that end a frame, and bytes that are no opcode.
    OpEnd,
    /// A change of the state, or a first look at it, that is taken back with its frame.
    Undone,
    /// A call of a precompile, whichever.
    Precompile,
    /// ecRecover.
    EcRecover,
    /// A block of SHA-256: 64 bytes of input.
    Sha256Block,
    /// A block of RIPEMD-160: 64 bytes of input.
    RipemdBlock,
    /// Gas of modular exponentiation.
    ModexpGas,
    /// Addition on BN254.
    Bn254Add,
    /// Multiplication on BN254.
    Bn254Mul,
    /// A pairing check on BN254, without its pairs.
    Bn254Pairing,
    /// A pair of a pairing check on BN254.
    Bn254Pair,
    /// A round of `BLAKE2b`.
    Blake2Round,
    /// KZG point evaluation.
    Kzg,
    /// Addition on BLS12-381's first curve.
    BlsG1Add,
    /// A point of a multi-scalar multiplication on BLS12-381's first curve.
    BlsG1Point,
    /// Addition on BLS12-381's second curve.
    BlsG2Add,
    /// A point of a multi-scalar multiplication on BLS12-381's second curve.
    BlsG2Point,
    /// A pairing check on BLS12-381, without its pairs.
    BlsPairing,
    /// A pair of a pairing check on BLS12-381.
    BlsPair,
    /// Mapping a field element to BLS12-381's first curve.
    BlsMapG1,
    /// Mapping a field element to BLS12-381's second curve.
    BlsMapG2,
    /// Verification of a P-256 signature.
    P256Verify,
    /// Gas of a precompile that has no feature of its own.
    OtherPrecompileGas,
);

impl Work {
    /// Counts a feature so many times more.
    pub const fn add(&mut self, feature: Feature, times: u64) {
        let place = self.place(feature);
        *place = place.saturating_add(times);
    }

    /// Counts all that `other` counted.
    pub fn absorb(&mut self, other: &Self) {
        for feature in Feature::ALL {
            self.add(*feature, other.count(*feature));
        }
    }

    /// A copy with a feature counted so many times more.
    #[must_use]
    pub const fn with(mut self, feature: Feature, times: u64) -> Self {
        self.add(feature, times);
        self
    }
}

/// Bytes in words of 32, rounded up.
#[must_use]
pub const fn words(bytes: usize) -> u64 {
    // A length in memory fits 64 bits on every machine.
    #[expect(clippy::as_conversions, reason = "usize to u64 in a const fn")]
    let bytes = bytes as u64;
    bytes.div_ceil(32)
}

/// What a transaction or a block needs of the state that came with the witness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Leaves read or written, each once.
    pub leaves: u64,
    /// Leaves written, each once; none that is not in `leaves`.
    pub written: u64,
    /// Code in words of 32 bytes.
    pub code_words: u64,
}

impl Touched {
    /// The features of opening and rewriting these leaves in a tree of so many.
    #[must_use]
    pub fn work(&self, tree_leaves: u64) -> Work {
        let Self {
            leaves,
            written,
            code_words,
        } = *self;
        // New leaves make the tree larger while it is rewritten.
        let size = tree_leaves.saturating_add(leaves);
        Work::default()
            .with(Feature::LeafOpened, leaves)
            .with(Feature::LeafWritten, written)
            .with(Feature::TreeNode, tree_nodes(leaves, size))
            .with(Feature::TreeNode, tree_nodes(written, size))
            .with(Feature::CodeWord, code_words)
    }
}

/// About how many nodes are hashed for `keys` paths through a tree of `size` leaves.
///
/// Keys are hashes, so paths part early: the first has the whole depth for itself, the second all
/// but one level, the next two all but two, and so on; and about two levels more lead to each leaf,
/// whose neighbours are uneven.
#[must_use]
pub fn tree_nodes(keys: u64, size: u64) -> u64 {
    let depth = u64::from(u64::BITS.saturating_sub(size.leading_zeros()));
    let mut nodes = keys.saturating_mul(2);
    let (mut left, mut group, mut below) = (keys, 1u64, depth);
    while left > 0 && below > 0 {
        let now = left.min(group);
        nodes = nodes.saturating_add(now.saturating_mul(below));
        left = left.saturating_sub(now);
        // Groups of 1, 1, 2, 4, 8 …: what was met so far meets as many new ones.
        group = if below == depth {
            1
        } else {
            group.saturating_mul(2)
        };
        below = below.saturating_sub(1);
    }
    nodes
}

/// Adds up the blocks of a batch, each leaf and each code once.
#[derive(Clone, Debug, Default)]
pub struct BatchMeter {
    work: Work,
    opened: BTreeSet<StateKey>,
    written: BTreeSet<StateKey>,
    codes: BTreeMap<B256, u64>,
}

impl BatchMeter {
    /// Adds a block: what its transactions did, the state that it touched, and the addresses whose
    /// activity chains it extends. `code_bytes` answers the length of a code by its hash.
    pub fn absorb(
        &mut self,
        work: &Work,
        trace: &BlockTrace,
        active: impl IntoIterator<Item = alloy_primitives::Address>,
        mut code_bytes: impl FnMut(&B256) -> usize,
    ) {
        self.work.absorb(work);
        self.opened.extend(&trace.accessed);
        let accounts = trace
            .accounts
            .iter()
            .map(|change| StateKey::Account(change.address));
        let slots = trace
            .storage
            .iter()
            .map(|change| StateKey::Storage(change.address, B256::from(change.slot)));
        self.written.extend(accounts.chain(slots));
        for address in active {
            self.opened.insert(StateKey::Activity(address));
            self.written.insert(StateKey::Activity(address));
        }
        for hash in &trace.read_codes {
            self.codes
                .entry(*hash)
                .or_insert_with(|| words(code_bytes(hash)));
        }
    }

    /// Whether no block was added.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.work.count(Feature::Block) == 0
    }

    /// Everything that the guest does for a batch of these blocks, over a tree of so many leaves;
    /// nothing for a batch without blocks.
    #[must_use]
    pub fn work(&self, tree_leaves: u64) -> Work {
        if self.is_empty() {
            return Work::default();
        }
        let count = |keys: &BTreeSet<StateKey>| u64::try_from(keys.len()).unwrap_or(u64::MAX);
        let config = u64::from(!self.opened.contains(&config_key()));
        let touched = Touched {
            leaves: count(&self.opened).saturating_add(config),
            written: count(&self.written),
            code_words: self
                .codes
                .values()
                .fold(0, |sum, words| sum.saturating_add(*words)),
        };
        let mut work = self.work.with(Feature::Batch, 1);
        work.absorb(&touched.work(tree_leaves));
        work
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn counts_nodes_of_paths_that_part_as_early_as_they_can() {
        // One key has the whole depth, 20 levels, for itself.
        assert_eq!(tree_nodes(1, 1_000_000), 22);
        assert_eq!(tree_nodes(2, 1_000_000), 20 + 19 + 4);
        assert_eq!(tree_nodes(4, 1_000_000), 20 + 19 + 2 * 18 + 8);
        assert_eq!(tree_nodes(0, 1_000_000), 0);
        // Every leaf of a full tree: all inner nodes, and the allowance.
        assert!(tree_nodes(1 << 10, 1 << 10) < 5 << 10);
    }

    #[test]
    fn a_batch_without_blocks_costs_nothing() {
        assert_eq!(BatchMeter::default().work(100), Work::default());
    }

    proptest! {
        #[test]
        fn more_keys_never_need_fewer_nodes(keys in 0u64..1 << 40, more in 0u64..1 << 40, size: u64) {
            prop_assert!(tree_nodes(keys + more, size) >= tree_nodes(keys, size));
        }

        #[test]
        fn sums_stop_at_their_maximum(first: u64, second: u64) {
            let mut work = Work::default().with(Feature::OpMul, first);
            work.absorb(&Work::default().with(Feature::OpMul, second));
            prop_assert_eq!(work.count(Feature::OpMul), first.saturating_add(second));
        }
    }
}
