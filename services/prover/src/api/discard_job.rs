//! `DiscardJob`: gives up proving the job's batch.

use cloister_proto::prover::v1::{DiscardJobRequest, DiscardJobResponse};
use tonic::Status;

use super::{ProverApi, jobs, unavailable};

pub(super) async fn handle(
    api: &ProverApi,
    request: &DiscardJobRequest,
) -> Result<DiscardJobResponse, Status> {
    let done = api.store.discard_job(request.id).await;
    done.map_err(|error| unavailable(&error))?
        .map_err(jobs::refused)?;
    tracing::warn!(job = request.id, "an operator gave up proving a batch");
    Ok(DiscardJobResponse {})
}
