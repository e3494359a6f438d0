//! `ListJobs`: jobs of proving by number, in pages.

use cloister_proto::code::with_code;
use cloister_proto::prover::v1::{ListJobsRequest, ListJobsResponse};
use tonic::Status;

use super::{ProverApi, jobs, unavailable};
use crate::store::JobFilter;

/// Most jobs in one page.
const MAX_LIMIT: u32 = 200;

pub(super) async fn handle(
    api: &ProverApi,
    request: &ListJobsRequest,
) -> Result<ListJobsResponse, Status> {
    if !(1..=MAX_LIMIT).contains(&request.limit) {
        return Err(with_code(
            Status::invalid_argument(format!("`limit` must be between 1 and {MAX_LIMIT}")),
            "bad_limit",
        ));
    }
    let filter = JobFilter {
        batch: (request.batch > 0).then_some(request.batch),
        state: jobs::state_of(request.state)?,
        after: request.after,
        limit: request.limit,
    };
    let found = api.store.jobs(filter).await;
    let found = found.map_err(|error| unavailable(&error))?;
    Ok(ListJobsResponse {
        jobs: found.into_iter().map(jobs::job).collect(),
    })
}
