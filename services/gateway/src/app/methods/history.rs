//! Transactions, receipts and blocks, with everything left out that the caller may not see.

use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{B256, Bytes, U64};
use std::sync::Arc;

use super::{Answer, block_id_key, block_key, json};
use crate::app::blocks::Seen;
use crate::app::op::Op;
use crate::app::render;
use crate::app::view::TransactionView;
use crate::rpc::RpcError;
use crate::rpc::params::Params;
use crate::upstream::sequencer::BlockKey;

/// A transaction in one of the forms that methods ask for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    /// As an object.
    Object,
    /// As it was submitted; only for those who see it whole.
    Raw,
    /// Its receipt.
    Receipt,
}

/// `null` or a transaction in a form.
fn show(seen: &Seen, view: &TransactionView, form: Form) -> Answer {
    match form {
        Form::Object => json(&render::transaction(&seen.block, view)),
        Form::Receipt => json(&render::receipt(&seen.block, view)),
        Form::Raw => {
            let raw = seen
                .source(view)
                .filter(|_| view.full)
                .map(|source| source.raw.clone());
            json(&raw)
        }
    }
}

fn nothing() -> Answer {
    json(&None::<Bytes>)
}

/// `eth_getTransactionByHash`, `eth_getTransactionReceipt`, `eth_getRawTransactionByHash`.
pub(crate) async fn by_hash(op: &Op<'_>, params: &Params<'_>, form: Form) -> Answer {
    let hash: B256 = params.required(0, "hash")?;
    let resource = format!("transaction:{hash:?}");
    let Some(seen) = op.app.seen_with(op.caller, hash).await? else {
        op.record_rule("absent", &resource, cloister_audit::Outcome::Denied)
            .await?;
        return nothing();
    };
    let view = seen.transaction(hash);
    seen.record(op, &resource, view.is_some()).await?;
    view.map_or_else(nothing, |view| show(&seen, view, form))
}

/// The block that `key` names, as the caller sees it; recorded.
async fn block(op: &Op<'_>, key: BlockKey) -> Result<Option<Arc<Seen>>, RpcError> {
    let Some(block) = op.app.block(key).await? else {
        op.record_rule(
            "absent",
            &format!("block:{key:?}"),
            cloister_audit::Outcome::Denied,
        )
        .await?;
        return Ok(None);
    };
    let resource = format!("block:{}", block.number);
    let seen = op.app.seen(op.caller, block).await?;
    seen.record(op, &resource, true).await?;
    Ok(Some(seen))
}

fn by_number(params: &Params<'_>) -> Result<BlockKey, RpcError> {
    let tag: BlockNumberOrTag = params.required(0, "block")?;
    Ok(block_key(tag))
}

fn by_block_hash(params: &Params<'_>) -> Result<BlockKey, RpcError> {
    params.required(0, "blockHash").map(BlockKey::Hash)
}

/// How a method names its block.
#[derive(Debug, Clone, Copy)]
pub(crate) enum By {
    /// By number or tag.
    Number,
    /// By hash.
    Hash,
}

fn key(by: By, params: &Params<'_>) -> Result<BlockKey, RpcError> {
    match by {
        By::Number => by_number(params),
        By::Hash => by_block_hash(params),
    }
}

/// `eth_getTransactionByBlock…AndIndex`, `eth_getRawTransactionByBlock…AndIndex`: the index counts
/// what the caller sees.
pub(crate) async fn at(op: &Op<'_>, params: &Params<'_>, by: By, form: Form) -> Answer {
    let index: U64 = params.required(1, "index")?;
    let Some(seen) = block(op, key(by, params)?).await? else {
        return nothing();
    };
    let index = usize::try_from(index.to::<u64>()).unwrap_or(usize::MAX);
    match seen.view.transactions.get(index) {
        None => nothing(),
        Some(view) => show(&seen, view, form),
    }
}

/// `eth_getBlockByNumber`, `eth_getBlockByHash`.
pub(crate) async fn whole_block(op: &Op<'_>, params: &Params<'_>, by: By) -> Answer {
    let whole = params.optional(1, "transactions")?.unwrap_or(false);
    let Some(seen) = block(op, key(by, params)?).await? else {
        return nothing();
    };
    json(&render::block(&seen.block, &seen.view, whole))
}

/// `eth_getHeaderByNumber`, `eth_getHeaderByHash`.
pub(crate) async fn header(op: &Op<'_>, params: &Params<'_>, by: By) -> Answer {
    let Some(seen) = block(op, key(by, params)?).await? else {
        return nothing();
    };
    json(&render::header(&seen.block, &seen.view))
}

/// `eth_getBlockTransactionCountByNumber`, `eth_getBlockTransactionCountByHash`.
pub(crate) async fn count(op: &Op<'_>, params: &Params<'_>, by: By) -> Answer {
    let Some(seen) = block(op, key(by, params)?).await? else {
        return nothing();
    };
    json(&U64::from(seen.view.transactions.len()))
}

/// `eth_getBlockReceipts`.
pub(crate) async fn receipts(op: &Op<'_>, params: &Params<'_>) -> Answer {
    let id: BlockId = params.required(0, "block")?;
    let Some(seen) = block(op, block_id_key(id)).await? else {
        return nothing();
    };
    let views = seen.view.transactions.iter();
    let receipts: Vec<_> = views
        .filter_map(|view| render::receipt(&seen.block, view))
        .collect();
    json(&receipts)
}
