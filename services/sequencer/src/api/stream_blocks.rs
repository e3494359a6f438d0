//! `StreamBlocks`: blocks from a height on, as they become durable. No block is left out: a caller
//! that is slow, or starts behind, gets older ones from the database.

use std::sync::Arc;

use cloister_proto::sequencer::v1::{StreamBlocksRequest, StreamBlocksResponse};
use tonic::Status;

use super::{
    Api,
    convert::block,
    streams::{self, Answers, Sender},
};
use crate::{app::node::Node, error::Refusal as _};

pub(super) fn handle(
    api: &Api,
    request: StreamBlocksRequest,
) -> Result<Answers<StreamBlocksResponse>, Status> {
    let (node, from) = (Arc::clone(&api.node), request.from_block);
    streams::open(api, |sender| produce(node, from, sender))
}

async fn produce(node: Arc<Node>, from: u64, sender: Arc<Sender<StreamBlocksResponse>>) {
    let mut head = node.chain().watch_head();
    let mut next = from;
    loop {
        let latest = head.borrow_and_update().number;
        while next <= latest {
            let answer = match node.block(next).await {
                Ok(Some(found)) => Ok(StreamBlocksResponse {
                    block: Some(block(&found)),
                }),
                Ok(None) => return,
                Err(refused) => Err(refused.status()),
            };
            let failed = answer.is_err();
            if !sender.send(answer).await || failed {
                return;
            }
            next = next.saturating_add(1);
        }
        if head.changed().await.is_err() {
            return;
        }
    }
}
