//! `SealBatch`: seals the open batch now, if it has blocks.

use cloister_proto::sequencer::v1::{SealBatchRequest, SealBatchResponse};
use tonic::Status;

use crate::{
    app::{node::Node, peers::Peer},
    error::Refusal as _,
};

pub(super) async fn handle(
    node: &Node,
    _peer: Peer,
    _request: SealBatchRequest,
) -> Result<SealBatchResponse, Status> {
    let number = node.seal_now().await.map_err(|refused| refused.status())?;
    Ok(SealBatchResponse { number })
}
