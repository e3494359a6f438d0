//! `GetBlock`: a durable block with its transactions and receipts.

use cloister_proto::sequencer::v1::{GetBlockRequest, GetBlockResponse, get_block_request::By};
use tonic::Status;

use super::convert::{block, hash};
use crate::{
    app::{node::Node, peers::Peer},
    error::{Refusal as _, RequestError},
};

pub(super) async fn handle(
    node: &Node,
    _peer: Peer,
    request: GetBlockRequest,
) -> Result<GetBlockResponse, Status> {
    let found = match request.by {
        None => return Err(RequestError::Missing { field: "by" }.status()),
        Some(By::Number(number)) => node.block(number).await,
        Some(By::Latest(_)) => node.block(node.chain().head().number).await,
        Some(By::Hash(bytes)) => {
            let hash = hash("hash", &bytes).map_err(|refused| refused.status())?;
            node.block_by_hash(&hash).await
        }
    };
    let found = found.map_err(|refused| refused.status())?;
    Ok(GetBlockResponse {
        block: found.as_deref().map(block),
    })
}
