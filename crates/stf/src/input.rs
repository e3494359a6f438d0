//! Everything that one batch's execution needs, in one byte string (frozen, version 1).

use alloc::vec::Vec;
use alloy_primitives::{B256, Bytes};
use cloister_crypto::BatchKey;
use cloister_state_tree::{Multiproof, MultiproofError};
use cloister_types::{
    AccountValue, ActivityHead, BatchHeader, BlockHeader, ChainConfig, DecodeError, Salt, StateKey,
    StateKind,
    codec::{Reader, put_count, put_prefixed},
};

use crate::{envelope::MAX_TRANSACTION_BYTES, genesis::MAX_CODE_BYTES, seal::LeafValue};

/// Most blocks of a batch.
pub const MAX_BLOCKS: usize = 1 << 16;
/// Most transactions of a block.
pub const MAX_BLOCK_TRANSACTIONS: usize = 1 << 20;
/// Most state entries of a witness.
pub const MAX_OPENINGS: usize = 1 << 22;
/// Most codes of a witness.
pub const MAX_CODES: usize = 1 << 16;
/// Longest multiproof of a witness, in bytes.
pub const MAX_MULTIPROOF_BYTES: usize = 1 << 30;

/// Least bytes of an encoded block, opening and code: they bound counts by the input's length.
const LEAST_BLOCK_BYTES: usize = BlockHeader::ENCODED_BYTES + 4;
const LEAST_OPENING_BYTES: usize = 22;
const LEAST_CODE_BYTES: usize = 4;

/// What the byte before an opening tells, by the name that errors give it.
pub(crate) const PRESENCE: &str = "presence of a leaf";

/// A leaf's value with the salt of its commitment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Salt of the commitment.
    pub salt: Salt,
    /// What the leaf holds.
    pub value: LeafValue,
}

/// The part of the state before a batch that the batch depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// Each entry read or written, in ascending order of its place in the tree; `None` where the
    /// tree has no leaf.
    pub openings: Vec<(StateKey, Option<Opening>)>,
    /// Codes of contracts that ran, in ascending order of their hash.
    pub codes: Vec<Bytes>,
    /// Paths of the entries.
    pub multiproof: Multiproof,
}

/// A block to execute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockInput {
    /// The header that execution must arrive at.
    pub header: BlockHeader,
    /// Signed transactions (EIP-2718).
    pub transactions: Vec<Bytes>,
}

/// Everything that one batch's execution needs. It holds secrets of this batch (its salts' key) and
/// private data: it goes to the batch's prover and to nobody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchInput {
    /// The chain's rules; checked against the state.
    pub config: ChainConfig,
    /// Header of the batch before.
    pub previous: BatchHeader,
    /// Digest of the policies in force.
    pub policy_root: B256,
    /// Combined head of the audit ledgers.
    pub audit_head: B256,
    /// Key of this batch's salts.
    pub batch_key: BatchKey,
    /// Blocks in order.
    pub blocks: Vec<BlockInput>,
    /// State before the batch.
    pub witness: Witness,
}

/// Why bytes are not a batch input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeInputError {
    /// Not an encoding of version 1.
    #[error("the batch input is malformed")]
    Malformed(#[from] DecodeError),
    /// The paths are not an encoding of version 1.
    #[error("the batch input's multiproof is malformed")]
    Multiproof(#[from] MultiproofError),
}

impl BatchInput {
    /// Version of the encoding.
    pub const VERSION: u8 = 1;

    /// Encoding of version 1: version u8 ‖ configuration 26 ‖ previous header 406 ‖ policy root 32 ‖
    /// audit head 32 ‖ batch key 32 ‖ block count u32 ‖ for each: header 169 ‖ transaction count
    /// u32 ‖ (length u32 ‖ bytes)… ‖ opening count u32 ‖ for each: state key ‖ 0x00, or 0x01 ‖ salt
    /// 16 ‖ value (72, 32 or 40 bytes by its kind) ‖ code count u32 ‖ (length u32 ‖ bytes)… ‖
    /// multiproof length u32 ‖ multiproof.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.push(Self::VERSION);
        out.extend_from_slice(&self.config.encode());
        out.extend_from_slice(&self.previous.encode());
        out.extend_from_slice(self.policy_root.as_slice());
        out.extend_from_slice(self.audit_head.as_slice());
        out.extend_from_slice(self.batch_key.expose());
        put_count(&mut out, self.blocks.len());
        for BlockInput {
            header,
            transactions,
        } in &self.blocks
        {
            out.extend_from_slice(&header.encode());
            put_list(&mut out, transactions);
        }
        let Witness {
            openings,
            codes,
            multiproof,
        } = &self.witness;
        put_count(&mut out, openings.len());
        for (key, opening) in openings {
            key.encode_to(&mut out);
            match opening {
                None => out.push(0),
                Some(Opening { salt, value }) => {
                    out.push(1);
                    out.extend_from_slice(salt.as_bytes());
                    value.with_encoding(|bytes| out.extend_from_slice(bytes));
                }
            }
        }
        put_list(&mut out, codes);
        put_prefixed(&mut out, &multiproof.encode());
        out
    }

    /// Reads [`Self::encode`]. Transactions and codes share the input's memory.
    ///
    /// # Errors
    /// [`DecodeInputError`] when `bytes` is not exactly one such encoding.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeInputError> {
        let Parts {
            config,
            previous,
            policy_root,
            audit_head,
            batch_key,
            blocks,
            openings,
            codes,
            multiproof,
        } = Parts::decode(bytes, |reader, count, _| {
            (0..count).map(|_| read_opening(reader)).collect()
        })?;
        let witness = Witness {
            openings,
            codes,
            multiproof,
        };
        Ok(Self {
            config,
            previous,
            policy_root,
            audit_head,
            batch_key,
            blocks,
            witness,
        })
    }
}

/// A batch input, with the state's entries in the form that the reader wants.
pub(crate) struct Parts<O> {
    pub(crate) config: ChainConfig,
    pub(crate) previous: BatchHeader,
    pub(crate) policy_root: B256,
    pub(crate) audit_head: B256,
    pub(crate) batch_key: BatchKey,
    pub(crate) blocks: Vec<BlockInput>,
    pub(crate) openings: O,
    pub(crate) codes: Vec<Bytes>,
    pub(crate) multiproof: Multiproof,
}

impl<O> Parts<O> {
    /// Reads [`BatchInput::encode`]; `read_openings` reads so many entries.
    pub(crate) fn decode(
        bytes: &Bytes,
        read_openings: impl FnOnce(&mut Reader<'_>, usize, &BatchKey) -> Result<O, DecodeError>,
    ) -> Result<Self, DecodeInputError> {
        let mut reader = Reader::new("batch input", bytes);
        reader.version(BatchInput::VERSION)?;
        let config = ChainConfig::read(&mut reader)?;
        let previous = BatchHeader::read(&mut reader)?;
        let (policy_root, audit_head) = (reader.b256()?, reader.b256()?);
        let batch_key = BatchKey::new(reader.array()?);
        let block_count = reader.count("blocks", MAX_BLOCKS, LEAST_BLOCK_BYTES)?;
        let mut blocks = Vec::with_capacity(block_count);
        for _ in 0..block_count {
            let header = BlockHeader::read(&mut reader)?;
            let transactions = read_list(
                bytes,
                &mut reader,
                ("transactions of a block", MAX_BLOCK_TRANSACTIONS),
                ("bytes of a transaction", MAX_TRANSACTION_BYTES),
            )?;
            blocks.push(BlockInput {
                header,
                transactions,
            });
        }
        let opening_count = reader.count("openings", MAX_OPENINGS, LEAST_OPENING_BYTES)?;
        let openings = read_openings(&mut reader, opening_count, &batch_key)?;
        let codes = read_list(
            bytes,
            &mut reader,
            ("codes", MAX_CODES),
            ("bytes of code", MAX_CODE_BYTES),
        )?;
        let multiproof = reader.prefixed("bytes of the multiproof", MAX_MULTIPROOF_BYTES)?;
        let multiproof = Multiproof::decode(multiproof)?;
        reader.finish()?;
        Ok(Self {
            config,
            previous,
            policy_root,
            audit_head,
            batch_key,
            blocks,
            openings,
            codes,
            multiproof,
        })
    }
}

fn put_list(out: &mut Vec<u8>, items: &[Bytes]) {
    put_count(out, items.len());
    for item in items {
        put_prefixed(out, item);
    }
}

fn read_list(
    whole: &Bytes,
    reader: &mut Reader<'_>,
    (items, most_items): (&'static str, usize),
    (bytes, most_bytes): (&'static str, usize),
) -> Result<Vec<Bytes>, DecodeError> {
    let count = reader.count(items, most_items, LEAST_CODE_BYTES)?;
    let mut list = Vec::with_capacity(count);
    for _ in 0..count {
        let item = reader.prefixed(bytes, most_bytes)?;
        list.push(if item.is_empty() {
            Bytes::new()
        } else {
            whole.slice_ref(item)
        });
    }
    Ok(list)
}

fn read_opening(reader: &mut Reader<'_>) -> Result<(StateKey, Option<Opening>), DecodeError> {
    let key = StateKey::read(reader)?;
    if !reader.flag(PRESENCE)? {
        return Ok((key, None));
    }
    let salt = Salt::from(reader.array::<16>()?);
    let value = match key.kind() {
        StateKind::Account => LeafValue::Account(AccountValue::read(reader)?),
        StateKind::Storage => LeafValue::Storage(reader.u256()?),
        StateKind::Activity => LeafValue::Activity(ActivityHead::read(reader)?),
    };
    Ok((key, Some(Opening { salt, value })))
}
