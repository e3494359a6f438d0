//! `AnchorAuditHead`: records the head of the caller's own audit ledger (SSQ-6).

use cloister_proto::sequencer::v1::{AnchorAuditHeadRequest, AnchorAuditHeadResponse};
use tonic::Status;

use super::convert::hash;
use crate::{
    app::{audit_heads::AuditHead, node::Node, peers::Peer},
    error::{Refusal as _, RequestError},
};

pub(super) async fn handle(
    node: &Node,
    peer: Peer,
    request: AnchorAuditHeadRequest,
) -> Result<AnchorAuditHeadResponse, Status> {
    if request.ledger != peer.name() {
        let ledger = request.ledger.chars().take(64).collect();
        let peer = peer.name().to_owned();
        return Err(RequestError::ForeignLedger { peer, ledger }.status());
    }
    let head = hash("head", &request.head).map_err(|refused| refused.status())?;
    let head = AuditHead {
        count: request.count,
        head,
    };
    node.anchor(peer.name(), head)
        .await
        .map_err(|refused| refused.status())?;
    Ok(AnchorAuditHeadResponse {})
}
