//! `Call`: executes a call on the latest block without changing anything.

use alloy_primitives::B256;
use cloister_proto::sequencer::v1::{
    AccessListItem, CallRequest as WireCall, CallResponse, CallStatus as WireStatus,
};
use cloister_stf::{CallOutcome, CallRequest, CallStatus};
use tonic::Status;

use super::convert::{address, at_most, block_ref, hash, number, to_bytes};
use crate::{
    app::{chain::Head, node::Node, peers::Peer},
    error::{Refusal as _, RequestError},
};

/// Entries and keys of one access list, at most.
const MAX_ACCESS_LIST: usize = 10_000;

pub(super) async fn handle(
    node: &Node,
    _peer: Peer,
    request: WireCall,
) -> Result<CallResponse, Status> {
    let request = parse(request).map_err(|refused| refused.status())?;
    let (head, outcome) = node
        .call(request)
        .await
        .map_err(|refused| refused.status())?;
    Ok(answer(&head, outcome))
}

/// A call from its message.
pub(super) fn parse(request: WireCall) -> Result<CallRequest, RequestError> {
    let gas_price = match &request.gas_price {
        None => 0,
        Some(bytes) => {
            let price = number("gas_price", bytes)?;
            u128::try_from(price).map_err(|_| RequestError::TooMany {
                field: "gas_price",
                limit: u64::MAX,
                got: u64::MAX,
            })?
        }
    };
    let from = if request.from.is_empty() {
        alloy_primitives::Address::ZERO
    } else {
        address("from", &request.from)?
    };
    Ok(CallRequest {
        from,
        to: request
            .to
            .as_deref()
            .map(|to| address("to", to))
            .transpose()?,
        value: number("value", &request.value)?,
        gas: request.gas,
        input: to_bytes(request.input),
        access_list: access_list(&request.access_list)?,
        gas_price,
    })
}

fn access_list(
    items: &[AccessListItem],
) -> Result<Vec<(alloy_primitives::Address, Vec<B256>)>, RequestError> {
    let keys: usize = items.iter().map(|item| item.storage_keys.len()).sum();
    at_most(
        "access_list",
        items.len().saturating_add(keys),
        MAX_ACCESS_LIST,
    )?;
    items
        .iter()
        .map(|item| {
            let keys = item
                .storage_keys
                .iter()
                .map(|key| hash("storage_keys", key))
                .collect::<Result<_, _>>()?;
            Ok((address("access_list", &item.address)?, keys))
        })
        .collect()
}

/// The message of an outcome.
pub(super) fn answer(head: &Head, outcome: CallOutcome) -> CallResponse {
    let status = match outcome.status {
        CallStatus::Succeeded => WireStatus::Succeeded,
        CallStatus::Reverted => WireStatus::Reverted,
        CallStatus::Halted => WireStatus::Halted,
    };
    CallResponse {
        status: status.into(),
        output: outcome.output.0,
        gas_used: outcome.gas_used,
        halt_reason: outcome.halt_reason.unwrap_or_default(),
        block: Some(block_ref(head.number, &head.hash)),
    }
}
