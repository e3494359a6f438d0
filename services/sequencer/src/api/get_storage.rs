//! `GetStorage`: one storage slot at the latest block.

use cloister_proto::sequencer::v1::{GetStorageRequest, GetStorageResponse};
use tonic::Status;

use super::convert::{address, hash, wire_number};
use crate::{
    app::{node::Node, peers::Peer},
    error::Refusal as _,
};

pub(super) fn handle(
    node: &Node,
    _peer: Peer,
    request: &GetStorageRequest,
) -> Result<GetStorageResponse, Status> {
    let address = address("address", &request.address).map_err(|refused| refused.status())?;
    let slot = hash("slot", &request.slot).map_err(|refused| refused.status())?;
    Ok(GetStorageResponse {
        value: wire_number(node.storage(&address, &slot)),
    })
}
