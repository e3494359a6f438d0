//! `GetBatchInput`: the encoded input of the state transition for one batch, in chunks. It holds
//! what the batch read and its salts, so only the prover may have it.

use std::sync::Arc;

use cloister_proto::sequencer::v1::{GetBatchInputRequest, GetBatchInputResponse};
use tonic::Status;

use super::{
    Api,
    streams::{self, Answers, Sender},
};
use crate::{
    app::node::{Node, QueryError},
    error::Refusal as _,
};

/// Bytes in one chunk.
const CHUNK_BYTES: usize = 1024 * 1024;

pub(super) async fn handle(
    api: &Api,
    request: GetBatchInputRequest,
) -> Result<Answers<GetBatchInputResponse>, Status> {
    let node = Arc::clone(&api.node);
    let first = node
        .batch_input_part(request.number, 0, CHUNK_BYTES)
        .await
        .map_err(|refused| refused.status())?
        .ok_or_else(|| {
            QueryError::NoBatchInput {
                batch: request.number,
            }
            .status()
        })?;
    streams::open(api, |sender| produce(node, request.number, first, sender))
}

async fn produce(
    node: Arc<Node>,
    batch: u64,
    first: Vec<u8>,
    sender: Arc<Sender<GetBatchInputResponse>>,
) {
    let mut part = first;
    let mut offset = 0;
    while !part.is_empty() {
        let length = part.len();
        offset += length;
        if !sender
            .send(Ok(GetBatchInputResponse { chunk: part.into() }))
            .await
        {
            return;
        }
        if length < CHUNK_BYTES {
            return;
        }
        part = match node.batch_input_part(batch, offset, CHUNK_BYTES).await {
            Ok(part) => part.unwrap_or_default(),
            Err(refused) => {
                sender.send(Err(refused.status())).await;
                return;
            }
        };
    }
}
