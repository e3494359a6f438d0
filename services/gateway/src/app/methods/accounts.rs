//! Balance, nonce and code: the truth for one's own or by policy, an empty account otherwise.

use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, Bytes, U64};
use cloister_authz::request::{Target, ViewAccount, ViewContract};

use super::{Answer, json, present_state};
use crate::app::failure;
use crate::app::model::Account;
use crate::app::op::Op;
use crate::rpc::RpcError;
use crate::rpc::params::Params;

async fn target(op: &Op<'_>, address: Address) -> Result<Target, RpcError> {
    let directory = op.app.registry.lookup(&[address]).await;
    Ok(directory
        .map_err(|error| failure::database(&error))?
        .target(address))
}

/// The account when the caller may see it, else an empty one.
async fn account(
    op: &Op<'_>,
    address: Address,
    block: Option<BlockId>,
) -> Result<Account, RpcError> {
    present_state(op, block).await?;
    let target = target(op, address).await?;
    if op.sees(ViewAccount { target }).await?.is_none() {
        return Ok(Account::default());
    }
    let pending = matches!(block, Some(BlockId::Number(BlockNumberOrTag::Pending)));
    let account = op.app.sequencer.account(address, false, pending).await;
    account.map_err(|error| failure::upstream(&error))
}

/// `eth_getBalance`.
pub(crate) async fn balance(op: &Op<'_>, params: &Params<'_>) -> Answer {
    let address: Address = params.required(0, "address")?;
    let block = params.optional(1, "block")?;
    json(&account(op, address, block).await?.balance)
}

/// `eth_getTransactionCount`.
pub(crate) async fn transaction_count(op: &Op<'_>, params: &Params<'_>) -> Answer {
    let address: Address = params.required(0, "address")?;
    let block = params.optional(1, "block")?;
    json(&U64::from(account(op, address, block).await?.nonce))
}

/// `eth_getCode`.
pub(crate) async fn code(op: &Op<'_>, params: &Params<'_>) -> Answer {
    let address: Address = params.required(0, "address")?;
    present_state(op, params.optional(1, "block")?).await?;
    let visible = match target(op, address).await? {
        Target::Contract(contract) => op.sees(ViewContract { contract }).await?.is_some(),
        account @ Target::Account(_) => op.sees(ViewAccount { target: account }).await?.is_some(),
    };
    if !visible {
        return json(&Bytes::new());
    }
    let account = op.app.sequencer.account(address, true, false).await;
    json(&account.map_err(|error| failure::upstream(&error))?.code)
}
