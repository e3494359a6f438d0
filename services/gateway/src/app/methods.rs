//! One function for each method that is served, in files by what the methods are about.

use alloy_eips::{BlockId, BlockNumberOrTag};
use serde::Serialize;
use serde_json::value::RawValue;

use super::failure;
use super::op::Op;
use crate::rpc::{Code, RpcError};
use crate::upstream::sequencer::BlockKey;

pub mod accounts;
pub mod batches;
pub mod chain;
pub mod contracts;
pub mod execute;
pub mod history;
pub mod logs;
pub mod own;
pub mod proofs;
pub mod send;
pub mod sessions;

/// What a method answers.
pub type Answer = Result<Box<RawValue>, RpcError>;

/// A value as an answer.
///
/// # Errors
/// The value has no JSON form, which is a mistake of ours.
pub fn json<T: Serialize + ?Sized>(value: &T) -> Answer {
    serde_json::value::to_raw_value(value).map_err(|error| {
        tracing::error!(%error, "an answer has no JSON form");
        RpcError::internal()
    })
}

/// Demands that a block parameter names the present state, the only one that is served.
///
/// # Errors
/// A block that is not the latest.
async fn present_state(op: &Op<'_>, block: Option<BlockId>) -> Result<(), RpcError> {
    let number = match block {
        None => return Ok(()),
        Some(BlockId::Number(tag)) => match tag {
            BlockNumberOrTag::Latest
            | BlockNumberOrTag::Pending
            | BlockNumberOrTag::Safe
            | BlockNumberOrTag::Finalized => return Ok(()),
            BlockNumberOrTag::Earliest => Some(0),
            BlockNumberOrTag::Number(number) => Some(number),
        },
        Some(BlockId::Hash(_)) => None,
    };
    let info = op
        .app
        .sequencer
        .info()
        .await
        .map_err(|error| failure::upstream(&error))?;
    let present = match (number, block) {
        (Some(number), _) => number == info.head.0,
        (None, Some(BlockId::Hash(hash))) => hash.block_hash == info.head.1,
        (None, _) => false,
    };
    if present {
        return Ok(());
    }
    Err(RpcError::new(
        Code::HistoricalState,
        "only the latest state is served: use `latest`; for a past state ask for a disclosure",
    ))
}

/// The block that a tag names. Blocks are final once they are durable, so every tag but `earliest`
/// and a number is the latest block.
fn block_key(tag: BlockNumberOrTag) -> BlockKey {
    match tag {
        BlockNumberOrTag::Latest
        | BlockNumberOrTag::Pending
        | BlockNumberOrTag::Safe
        | BlockNumberOrTag::Finalized => BlockKey::Latest,
        BlockNumberOrTag::Earliest => BlockKey::Number(0),
        BlockNumberOrTag::Number(number) => BlockKey::Number(number),
    }
}

/// The block that an id names.
fn block_id_key(id: BlockId) -> BlockKey {
    match id {
        BlockId::Number(tag) => block_key(tag),
        BlockId::Hash(hash) => BlockKey::Hash(hash.block_hash),
    }
}
