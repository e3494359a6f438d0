//! `eth_call` and `eth_estimateGas`: decided by policy on the decoded call before anything runs.

use alloy::rpc::types::TransactionRequest;
use alloy_primitives::{Address, Bytes, U64};
use cloister_audit::Outcome;
use cloister_authz::DEFAULT_DENY;
use cloister_authz::request::{
    CallContract, CallFacts, Deploy, Invocation, SendTransaction, Target, ViewContract,
};

use super::{Answer, json, present_state};
use crate::app::identity::Caller;
use crate::app::model::Call;
use crate::app::op::Op;
use crate::app::registry::Directory;
use crate::app::{failure, no_wallet};
use crate::rpc::params::Params;
use crate::rpc::{Code, RpcError};
use crate::upstream::sequencer::CallOutcome;

/// Gas of a plain transfer: what it costs to call an address at which nothing is visible.
const PLAIN_TRANSFER_GAS: u64 = 21_000;

/// `eth_call`.
pub(crate) async fn call(op: &Op<'_>, params: &Params<'_>) -> Answer {
    let call = prepare(op, params).await?;
    let plan = plan(op, &call).await?;
    match &plan {
        Plan::Create => deploy(op, &call).await?,
        Plan::Frame { target, facts, .. } => {
            let invocation = invocation(op, &call, (**facts).clone());
            let ask = CallContract {
                target: target.clone(),
                invocation,
            };
            op.authorize(ask)
                .await
                .map_err(|error| explain_no_wallet(op.caller, error))?;
        }
    }
    if plan.is_hidden() {
        return json(&Bytes::new());
    }
    let outcome = op
        .app
        .sequencer
        .call(&call)
        .await
        .map_err(|error| failure::upstream(&error))?;
    json(&failure::call(outcome)?)
}

/// `eth_estimateGas`: decided like the transaction that it is for.
pub(crate) async fn estimate(op: &Op<'_>, params: &Params<'_>) -> Answer {
    let call = prepare(op, params).await?;
    let plan = plan(op, &call).await?;
    match &plan {
        Plan::Create => deploy(op, &call).await?,
        Plan::Frame { target, facts, .. } => {
            let invocation = invocation(op, &call, (**facts).clone());
            let ask = SendTransaction {
                target: target.clone(),
                invocation,
            };
            op.authorize(ask)
                .await
                .map_err(|error| explain_no_wallet(op.caller, error))?;
        }
    }
    if plan.is_hidden() {
        return json(&U64::from(PLAIN_TRANSFER_GAS));
    }
    let estimate = op.app.sequencer.estimate(&call).await;
    match estimate.map_err(|error| failure::upstream(&error))? {
        Ok(gas) => json(&U64::from(gas)),
        Err(CallOutcome::Succeeded(_)) => Err(RpcError::internal()),
        Err(failed) => Err(failure::call(failed)
            .err()
            .unwrap_or_else(RpcError::internal)),
    }
}

/// What will run.
enum Plan {
    /// Init code.
    Create,
    /// A call to an address.
    Frame {
        target: Target,
        facts: Box<CallFacts>,
        hidden: bool,
    },
}

impl Plan {
    /// Whether the target must look as if nothing were there.
    fn is_hidden(&self) -> bool {
        matches!(self, Self::Frame { hidden: true, .. })
    }
}

async fn prepare(op: &Op<'_>, params: &Params<'_>) -> Result<Call, RpcError> {
    let request: TransactionRequest = params.required(0, "transaction")?;
    params.none_from(2, "state and block overrides change what is true")?;
    if request.blob_versioned_hashes.is_some() || request.max_fee_per_blob_gas.is_some() {
        return Err(RpcError::new(
            Code::BlobTransaction,
            "transaction type not supported: blobs",
        ));
    }
    present_state(op, params.optional(1, "block")?).await?;
    let from = op.app.call_sender(op.caller, request.from)?;
    let access_list = request.access_list.unwrap_or_default().0.into_iter();
    Ok(Call {
        from,
        to: request.to.and_then(|to| to.to().copied()),
        value: request.value.unwrap_or_default(),
        gas: request.gas.unwrap_or(0),
        input: request.input.into_input().unwrap_or_default(),
        access_list: access_list
            .map(|item| (item.address, item.storage_keys))
            .collect(),
        gas_price: request.gas_price.or(request.max_fee_per_gas),
    })
}

async fn plan(op: &Op<'_>, call: &Call) -> Result<Plan, RpcError> {
    let Some(to) = call.to else {
        return Ok(Plan::Create);
    };
    let directory = op.app.registry.lookup(&[to]).await;
    let directory = directory.map_err(|error| failure::database(&error))?;
    let (target, hidden) = target(op, &directory, to, &call.input);
    Ok(Plan::Frame {
        target,
        facts: Box::new(directory.call(&to, &call.input)),
        hidden,
    })
}

/// The target as policies see it, and whether it must look empty.
///
/// Policies may let anybody send value to any address. With no call data, a contract that the
/// caller may not see is therefore decided as, and answers like, an address at which nothing is
/// (SGW-2); with call data, both are denied alike.
pub(crate) fn target(
    op: &Op<'_>,
    directory: &Directory,
    to: Address,
    input: &Bytes,
) -> (Target, bool) {
    let target = directory.target(to);
    if !input.is_empty() {
        return (target, false);
    }
    let visible = match &target {
        Target::Contract(contract) => {
            let ask = ViewContract {
                contract: contract.clone(),
            };
            op.app
                .engine
                .decide(&op.caller.principal, &ask)
                .is_allowed()
        }
        Target::Account(address) => op.caller.principal.wallets.contains(address),
    };
    if visible {
        (target, false)
    } else {
        (Target::Account(to), true)
    }
}

/// The top frame of a call as policies see it.
pub(crate) fn invocation(op: &Op<'_>, call: &Call, facts: CallFacts) -> Invocation {
    Invocation {
        from: call.from,
        caller: call.from,
        depth: 0,
        value: call.value,
        call: facts,
        now: op.app.clock.now().seconds(),
    }
}

/// Decides on a creation: the new contract will belong to the caller's desk.
pub(crate) async fn deploy(op: &Op<'_>, call: &Call) -> Result<(), RpcError> {
    let Some(desk) = op.caller.first_desk() else {
        op.record_rule(DEFAULT_DENY, "desk:-", Outcome::Denied)
            .await?;
        return Err(RpcError::denied("deploy"));
    };
    let ask = Deploy {
        desk: desk.clone(),
        from: call.from,
        value: call.value,
        code_bytes: call.input.len() as u64,
        now: op.app.clock.now().seconds(),
    };
    op.authorize(ask)
        .await
        .map(drop)
        .map_err(|error| explain_no_wallet(op.caller, error))
}

/// A denial of somebody without a wallet is best cured by linking one.
fn explain_no_wallet(caller: &Caller, error: RpcError) -> RpcError {
    let cured = error.code() == Code::Denied && caller.first_wallet().is_none();
    if cured { no_wallet() } else { error }
}
