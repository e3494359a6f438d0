//! `EstimateGas`: finds the least gas limit with which a call succeeds.

use cloister_proto::sequencer::v1::{CallRequest, EstimateGasResponse};
use tonic::Status;

use super::call::{answer, parse};
use crate::{
    app::{call::Estimate, node::Node, peers::Peer},
    error::Refusal as _,
};

pub(super) async fn handle(
    node: &Node,
    _peer: Peer,
    request: CallRequest,
) -> Result<EstimateGasResponse, Status> {
    let request = parse(request).map_err(|refused| refused.status())?;
    let (head, found) = node
        .estimate(request)
        .await
        .map_err(|refused| refused.status())?;
    Ok(match found {
        Estimate::Gas(gas) => EstimateGasResponse {
            gas: Some(gas),
            failure: None,
        },
        Estimate::Fails(outcome) => EstimateGasResponse {
            gas: None,
            failure: Some(answer(&head, outcome)),
        },
    })
}
