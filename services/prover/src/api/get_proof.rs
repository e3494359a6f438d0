//! `GetProof`: the final proof of a batch, in chunks.

use std::pin::Pin;

use cloister_proto::code::with_code;
use cloister_proto::prover::v1::{GetProofRequest, GetProofResponse};
use tokio_stream::Stream;
use tonic::Status;

use super::{ProverApi, unavailable};
use crate::artefacts::ArtefactError;

/// Bytes in one chunk.
const CHUNK_BYTES: usize = 64 * 1024;
/// Longest final proof; they have some hundred kilobytes.
const MAX_PROOF_BYTES: u64 = 16 << 20;

/// The chunks.
pub(super) type Answers = Pin<Box<dyn Stream<Item = Result<GetProofResponse, Status>> + Send>>;

pub(super) async fn handle(api: &ProverApi, request: &GetProofRequest) -> Result<Answers, Status> {
    let found = api.store.final_proof(request.batch).await;
    let found = found.map_err(|error| unavailable(&error))?;
    let Some(proof) = found else {
        return Err(with_code(
            Status::not_found(format!("batch {} has no final proof", request.batch)),
            "proof_unknown",
        ));
    };
    let bytes = api.artefacts.bytes(proof, MAX_PROOF_BYTES).await;
    let bytes = bytes.map_err(|error| unreadable(&error))?;
    let chunks: Vec<_> = bytes
        .chunks(CHUNK_BYTES)
        .map(|chunk| {
            Ok(GetProofResponse {
                chunk: chunk.to_vec().into(),
            })
        })
        .collect();
    Ok(Box::pin(tokio_stream::iter(chunks)))
}

fn unreadable(error: &ArtefactError) -> Status {
    if let ArtefactError::Store(error) = error {
        return unavailable(error);
    }
    tracing::error!(%error, "cannot read a final proof");
    with_code(
        Status::data_loss("the stored proof is damaged; an operator must look at the prover's log"),
        "proof_damaged",
    )
}
