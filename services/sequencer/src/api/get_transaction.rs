//! `GetTransaction`: a durable transaction with its receipt.

use cloister_proto::sequencer::v1::{GetTransactionRequest, GetTransactionResponse};
use tonic::Status;

use super::convert::{hash, placed};
use crate::{
    app::{node::Node, peers::Peer},
    error::Refusal as _,
};

pub(super) async fn handle(
    node: &Node,
    _peer: Peer,
    request: GetTransactionRequest,
) -> Result<GetTransactionResponse, Status> {
    let hash = hash("hash", &request.hash).map_err(|refused| refused.status())?;
    let found = node
        .transaction(&hash)
        .await
        .map_err(|refused| refused.status())?;
    Ok(GetTransactionResponse {
        transaction: found.as_ref().map(placed),
    })
}
