//! Proofs and the jobs that make them: for operators, and the proof itself for compliance, because
//! it is not zero knowledge.

use alloy_primitives::{Bytes, U64};
use cloister_authz::request::Administer;
use serde::{Deserialize, Serialize};

use super::{Answer, json};
use crate::app::failure;
use crate::app::op::Op;
use crate::rpc::RpcError;
use crate::rpc::params::Params;
use crate::upstream::prover::JobFilter;

/// Jobs in one answer, unless the caller wants fewer.
const PAGE: u32 = 200;

/// What `cloister_listProofJobs` may be asked for; everything may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    batch: Option<U64>,
    state: Option<String>,
    after: Option<U64>,
    limit: Option<U64>,
}

async fn may(op: &Op<'_>, operation: &str) -> Result<(), RpcError> {
    let ask = Administer {
        operation: operation.to_owned(),
        now: op.app.clock.now().seconds(),
    };
    op.authorize(ask).await?;
    Ok(())
}

/// `cloister_listProofJobs`: jobs by number, a page.
pub(crate) async fn list(op: &Op<'_>, params: &Params<'_>) -> Answer {
    let wanted: Wanted = params.optional(0, "filter")?.unwrap_or_default();
    may(op, "list_proof_jobs").await?;
    let limit: u32 = wanted.limit.map_or(PAGE, |limit| {
        u32::try_from(limit.to::<u64>()).unwrap_or(PAGE)
    });
    let filter = JobFilter {
        batch: wanted.batch.map_or(0, |batch| batch.to()),
        state: wanted.state,
        after: wanted.after.map_or(0, |after| after.to()),
        limit: limit.clamp(1, PAGE),
    };
    let jobs = op.app.prover.jobs(filter).await;
    json(&jobs.map_err(|error| failure::upstream(&error))?)
}

/// `cloister_getProofJob`: one job; `null` when there is none.
pub(crate) async fn show(op: &Op<'_>, params: &Params<'_>) -> Answer {
    let id: U64 = params.required(0, "job")?;
    may(op, "list_proof_jobs").await?;
    let job = op.app.prover.job(id.to()).await;
    json(&job.map_err(|error| failure::upstream(&error))?)
}

/// `cloister_retryProofJob`: takes a job up again.
pub(crate) async fn retry(op: &Op<'_>, params: &Params<'_>) -> Answer {
    let id: U64 = params.required(0, "job")?;
    may(op, "retry_proof_job").await?;
    let done = op.app.prover.retry_job(id.to()).await;
    json(&done.map_err(|error| failure::upstream(&error))?)
}

/// `cloister_discardProofJob`: gives up proving the job's batch, or wrapping its proof.
pub(crate) async fn discard(op: &Op<'_>, params: &Params<'_>) -> Answer {
    let id: U64 = params.required(0, "job")?;
    may(op, "discard_proof_job").await?;
    let done = op.app.prover.discard_job(id.to()).await;
    json(&done.map_err(|error| failure::upstream(&error))?)
}

/// What `cloister_getProof` answers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ProofView {
    batch: U64,
    proof: Bytes,
}

/// `cloister_getProof`: the final proof of a batch.
pub(crate) async fn proof(op: &Op<'_>, params: &Params<'_>) -> Answer {
    let batch: U64 = params.required(0, "batch")?;
    may(op, "get_proof").await?;
    let proof = op.app.prover.proof(batch.to()).await;
    json(&ProofView {
        batch,
        proof: proof.map_err(|error| failure::upstream(&error))?,
    })
}
