//! `GetTransactionProof`: opening and path of one transaction in its batch's transaction root.

use cloister_proto::sequencer::v1::{
    GetTransactionProofRequest, GetTransactionProofResponse, TransactionProof,
};
use tonic::Status;

use super::convert::{batch, hash, placed, wire_bytes};
use crate::{
    app::{node::Node, peers::Peer},
    error::Refusal as _,
};

pub(super) async fn handle(
    node: &Node,
    _peer: Peer,
    request: GetTransactionProofRequest,
) -> Result<GetTransactionProofResponse, Status> {
    let hash = hash("hash", &request.hash).map_err(|refused| refused.status())?;
    let proved = node
        .transaction_proof(&hash)
        .await
        .map_err(|refused| refused.status())?;
    let proof = proved.map(|proved| TransactionProof {
        batch: Some(batch(&proved.batch)),
        opening: proved.opening.encode().into(),
        index: proved.index,
        siblings: proved
            .siblings
            .iter()
            .map(|hash| wire_bytes(hash.as_slice()))
            .collect(),
        transaction: Some(placed(&proved.transaction)),
    });
    Ok(GetTransactionProofResponse { proof })
}
