//! `GetJob`: one job.

use cloister_proto::prover::v1::{GetJobRequest, GetJobResponse};
use tonic::Status;

use super::{ProverApi, jobs, unavailable};

pub(super) async fn handle(
    api: &ProverApi,
    request: &GetJobRequest,
) -> Result<GetJobResponse, Status> {
    let found = api.store.job(request.id).await;
    let found = found.map_err(|error| unavailable(&error))?;
    Ok(GetJobResponse {
        job: found.map(jobs::job),
    })
}
