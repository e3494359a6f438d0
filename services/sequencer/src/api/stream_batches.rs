//! `StreamBatches`: sealed batches from a number on, as they become durable.

use std::sync::Arc;

use cloister_proto::sequencer::v1::{StreamBatchesRequest, StreamBatchesResponse};
use tonic::Status;

use super::{
    Api,
    convert::batch,
    streams::{self, Answers, Sender},
};
use crate::{app::node::Node, error::Refusal as _};

/// Batches read from the database at once.
const AT_ONCE: u32 = 64;

pub(super) fn handle(
    api: &Api,
    request: StreamBatchesRequest,
) -> Result<Answers<StreamBatchesResponse>, Status> {
    let (node, from) = (Arc::clone(&api.node), request.from_batch);
    streams::open(api, |sender| produce(node, from, sender))
}

async fn produce(node: Arc<Node>, from: u64, sender: Arc<Sender<StreamBatchesResponse>>) {
    let mut sealed = node.chain().watch_sealed();
    let mut next = from;
    loop {
        let latest = sealed.borrow_and_update().number();
        while next <= latest {
            let found = match node.batches_from(next, AT_ONCE).await {
                Ok(found) => found,
                Err(refused) => {
                    sender.send(Err(refused.status())).await;
                    return;
                }
            };
            if found.is_empty() {
                return;
            }
            for one in found {
                next = one.number().saturating_add(1);
                let answer = StreamBatchesResponse {
                    batch: Some(batch(&one)),
                };
                if !sender.send(Ok(answer)).await {
                    return;
                }
            }
        }
        if sealed.changed().await.is_err() {
            return;
        }
    }
}
