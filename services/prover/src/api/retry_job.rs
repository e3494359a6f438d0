//! `RetryJob`: takes a dead, rejected or discarded job up again.

use cloister_proto::prover::v1::{RetryJobRequest, RetryJobResponse};
use tonic::Status;

use super::{ProverApi, jobs, unavailable};

pub(super) async fn handle(
    api: &ProverApi,
    request: &RetryJobRequest,
) -> Result<RetryJobResponse, Status> {
    let done = api.store.retry_job(request.id).await;
    done.map_err(|error| unavailable(&error))?
        .map_err(jobs::refused)?;
    tracing::warn!(job = request.id, "an operator retries a job");
    api.health.release_job();
    Ok(RetryJobResponse {})
}
