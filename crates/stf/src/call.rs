//! Calls that change nothing: `eth_call` and the trials of `eth_estimateGas`.

use alloc::string::{String, ToString};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use cloister_types::{BlockHeader, ChainConfig};
use revm::context::{
    result::{EVMError, ExecutionResult},
    transaction::{AccessList, AccessListItem},
};

use crate::{
    block::{BlockError, evm, machine_error},
    envelope::{TransactionKind, call_env},
    handler::transact,
    overlay::Overlay,
    reject::TxRejected,
    rules,
    state::StateReader,
    table::Seed,
};

/// A call that changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallRequest {
    /// Who calls. No nonce and no code of the caller is checked.
    pub from: Address,
    /// Whom; `None` tries a creation.
    pub to: Option<Address>,
    /// Wei sent; the caller must have it.
    pub value: U256,
    /// Most gas; no more than a block's gas limit is used. 0 stands for that limit.
    pub gas: u64,
    /// Call data or init code.
    pub input: Bytes,
    /// Access list (EIP-2930).
    pub access_list: alloc::vec::Vec<(Address, alloc::vec::Vec<B256>)>,
    /// Wei per gas that the caller pays and must have; 0 skips the base fee, as Ethereum nodes do.
    pub gas_price: u128,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallStatus {
    /// With an answer.
    Succeeded,
    /// By REVERT; the output says why.
    Reverted,
    /// Without answer, e.g. out of gas.
    Halted,
}

/// What a call answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallOutcome {
    /// How it ended.
    pub status: CallStatus,
    /// Return data, or revert data.
    pub output: Bytes,
    /// Gas used, after refunds.
    pub gas_used: u64,
    /// For [`CallStatus::Halted`]: why.
    pub halt_reason: Option<String>,
}

/// Why a call was not executed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The request breaks a rule that holds for calls too.
    #[error("the call cannot be executed")]
    Rejected(#[source] TxRejected),
    /// Execution itself failed.
    #[error(transparent)]
    Block(#[from] BlockError),
}

/// Executes a call as the first transaction of a block with this header, over the state after it.
///
/// # Errors
/// [`CallError`].
pub fn call<R: StateReader + ?Sized>(
    config: &ChainConfig,
    header: &BlockHeader,
    state: &R,
    request: CallRequest,
) -> Result<CallOutcome, CallError> {
    let CallRequest {
        from,
        to,
        value,
        gas,
        input,
        access_list,
        gas_price,
    } = request;
    // As in a block: a chain whose base fee is 0 charges nothing, whatever is offered.
    let gas_price = if header.base_fee_wei == 0 {
        0
    } else {
        gas_price
    };
    let limit = header.gas_limit;
    let gas_limit = if gas == 0 { limit } else { gas.min(limit) };
    let mut cfg = rules::cfg_env(config);
    cfg.disable_nonce_check = true;
    cfg.disable_eip3607 = true;
    cfg.tx_gas_limit_cap = Some(u64::MAX);
    let mut block = rules::block_env(header);
    if gas_price == 0 {
        block.basefee = 0;
    }
    let mut env = call_env();
    env.tx_type = TransactionKind::Eip2930.code();
    env.chain_id = Some(config.chain_id);
    env.caller = from;
    env.kind = to.map_or(TxKind::Create, TxKind::Call);
    env.value = value;
    env.gas_limit = gas_limit;
    env.gas_price = gas_price;
    env.data = input;
    let items = access_list
        .into_iter()
        .map(|(address, storage_keys)| AccessListItem {
            address,
            storage_keys,
        });
    env.access_list = AccessList(items.collect());
    let mut evm = evm(cfg, block, Overlay::new(state, Seed::random()), ());
    let result = transact(&mut evm, env).map_err(|error| match error {
        EVMError::Transaction(error) => CallError::Rejected(TxRejected::from_revm(
            error,
            gas_limit,
            limit,
            header.base_fee_wei,
        )),
        other @ (EVMError::Header(_)
        | EVMError::Database(_)
        | EVMError::Custom(_)
        | EVMError::CustomAny(_)) => CallError::Block(machine_error(other)),
    })?;
    Ok(outcome(result.result))
}

fn outcome(result: ExecutionResult) -> CallOutcome {
    let gas_used = result.tx_gas_used();
    match result {
        ExecutionResult::Success { output, .. } => CallOutcome {
            status: CallStatus::Succeeded,
            output: output.into_data(),
            gas_used,
            halt_reason: None,
        },
        ExecutionResult::Revert { output, .. } => CallOutcome {
            status: CallStatus::Reverted,
            output,
            gas_used,
            halt_reason: None,
        },
        ExecutionResult::Halt { reason, .. } => CallOutcome {
            status: CallStatus::Halted,
            output: Bytes::new(),
            gas_used,
            halt_reason: Some(reason.to_string()),
        },
    }
}
