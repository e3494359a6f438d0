//! `GetBatch`: a sealed batch by number, by a block in it, or the latest.

use cloister_proto::sequencer::v1::{GetBatchRequest, GetBatchResponse, get_batch_request::By};
use tonic::Status;

use super::convert::batch;
use crate::{
    app::{node::Node, peers::Peer},
    error::{Refusal as _, RequestError},
};

pub(super) async fn handle(
    node: &Node,
    _peer: Peer,
    request: GetBatchRequest,
) -> Result<GetBatchResponse, Status> {
    let found = match request.by {
        None => return Err(RequestError::Missing { field: "by" }.status()),
        Some(By::Latest(_)) => Ok(Some((*node.chain().sealed()).clone())),
        Some(By::Number(number)) => node.batch(number).await,
        Some(By::BlockNumber(number)) => node.batch_of_block(number).await,
    };
    let found = found.map_err(|refused| refused.status())?;
    Ok(GetBatchResponse {
        batch: found.as_ref().map(batch),
    })
}
