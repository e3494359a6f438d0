//! `SubmitTransaction`: admits a signed transaction and answers once its block is durable (SSQ-1).

use cloister_proto::sequencer::v1::{SubmitTransactionRequest, SubmitTransactionResponse};
use tonic::Status;

use super::convert::{block_ref, to_bytes, wire_bytes};
use crate::{
    app::{node::Node, peers::Peer},
    error::Refusal as _,
};

pub(super) async fn handle(
    node: &Node,
    _peer: Peer,
    request: SubmitTransactionRequest,
) -> Result<SubmitTransactionResponse, Status> {
    let included = node
        .submit(to_bytes(request.raw))
        .await
        .map_err(|refused| refused.status())?;
    Ok(SubmitTransactionResponse {
        hash: wire_bytes(included.transaction.as_slice()),
        block: Some(block_ref(included.block_number, &included.block_hash)),
    })
}
