//! The prover's client: how far a batch is on its way to Ethereum.

use std::time::Duration;

use alloy_primitives::{B256, Bytes, U64};
use cloister_proto::prover::v1 as pb;
use cloister_proto::prover::v1::prover_client::ProverClient;
use serde::Serialize;
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::UpstreamError;

const PART: &str = "prover";

/// Longest proof that is taken from the prover.
const MAX_PROOF_BYTES: usize = 16 << 20;

/// How far a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BatchState {
    /// Closed and durable at the institution; Ethereum does not know it yet.
    Sealed,
    /// Ethereum holds its root and hash, and has not checked a proof.
    Committed,
    /// Ethereum has checked a validity proof.
    Proved,
    /// Proved, and the L1 block is final.
    Finalized,
}

/// One Ethereum transaction of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct L1Transaction {
    /// Its hash.
    pub hash: B256,
    /// Gas that it used.
    pub gas_used: U64,
    /// Ethereum block.
    pub block_number: U64,
}

/// The lifecycle of one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchStatus {
    /// How far it is.
    pub state: BatchState,
    /// Transactions that committed it.
    pub commits: Vec<L1Transaction>,
    /// Transactions that proved it.
    pub proofs: Vec<L1Transaction>,
    /// Whether the commit's L1 block is final.
    pub commit_final: bool,
    /// How far its proof is; `None` where nothing is proved.
    pub proof: Option<Proving>,
}

/// How far the proof of a batch is: the institution's own business.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Proving {
    /// `waiting`, `proving`, `stuck`, `verified`, `rejected` or `discarded`.
    pub state: &'static str,
    /// Whether plain execution by the program gives the sealed header.
    pub checked: bool,
    /// `execute`, `segment`, `aggregate`, `finish` or `wrap`.
    pub stage: &'static str,
    /// Segments that are proved.
    pub segments_done: u32,
    /// All segments; 0 before they are known.
    pub segments_total: u32,
    /// Nodes of the tree that are proved.
    pub nodes_done: u32,
    /// All nodes.
    pub nodes_total: u32,
    /// Failed tries of unfinished jobs.
    pub failures: u32,
    /// Seconds until the final proof, and then until the wrap, while it can be told.
    pub remaining_s: Option<u64>,
    /// Kind of the last failure of an unfinished job.
    pub last_error_kind: Option<String>,
    /// Instructions of the guest.
    pub instructions: u64,
    /// What the finished jobs took.
    pub usage: Vec<Usage>,
    /// Commitment of the program, once executed.
    pub program: Option<B256>,
    /// Commitment of the machine, once executed.
    pub machine: Option<B256>,
    /// Size of the final proof in bytes; 0 before there is one.
    pub proof_bytes: u64,
    /// How long the prover took to verify it, in milliseconds.
    pub verify_wall_ms: u64,
    /// Where the wrap stands: `waiting`, `stuck`, `done` or `discarded`; `None` when none is
    /// planned.
    pub wrap: Option<&'static str>,
    /// Size of the wrap in bytes; 0 before there is one.
    pub wrap_bytes: u64,
    /// How long verifying the wrap took, in milliseconds.
    pub wrap_verify_wall_ms: u64,
}

/// What the finished jobs of a stage took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// The stage.
    pub stage: &'static str,
    /// How many jobs.
    pub jobs: u32,
    /// Processor time in milliseconds.
    pub cpu_ms: u64,
    /// Time by the clock in milliseconds, summed over jobs.
    pub wall_ms: u64,
    /// Most memory of one worker, in bytes.
    pub peak_bytes: u64,
}

/// A job of proving.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Its number.
    pub id: u64,
    /// The batch.
    pub batch: u64,
    /// What it does.
    pub stage: &'static str,
    /// Layer in the batch's graph.
    pub layer: u32,
    /// Position in the layer.
    pub node: u32,
    /// Where it stands.
    pub state: &'static str,
    /// Tries that count.
    pub attempts: u32,
    /// Failures of its surroundings.
    pub faults: u32,
    /// The worker that is at it.
    pub lease_owner: Option<String>,
    /// Kind of its last failure.
    pub error_kind: Option<String>,
    /// Reason of its last failure.
    pub error: Option<String>,
    /// UNIX milliseconds.
    pub started_at_ms: Option<u64>,
    /// UNIX milliseconds.
    pub finished_at_ms: Option<u64>,
    /// Processor time in milliseconds.
    pub cpu_ms: u64,
    /// Time by the clock in milliseconds.
    pub wall_ms: u64,
    /// Memory in bytes.
    pub peak_bytes: u64,
}

/// Which jobs to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFilter {
    /// Of one batch; 0 for all.
    pub batch: u64,
    /// In one state, by its name.
    pub state: Option<String>,
    /// With a larger number.
    pub after: u64,
    /// 1 to 200.
    pub limit: u32,
}

/// States of jobs by name.
const JOB_STATES: [(&str, pb::JobState); 7] = [
    ("waiting", pb::JobState::Waiting),
    ("ready", pb::JobState::Ready),
    ("leased", pb::JobState::Leased),
    ("done", pb::JobState::Done),
    ("dead", pb::JobState::Dead),
    ("rejected", pb::JobState::Rejected),
    ("discarded", pb::JobState::Discarded),
];

/// The prover. Cheap to clone; reconnects by itself.
#[derive(Debug, Clone)]
pub struct Prover {
    client: ProverClient<Channel>,
    timeout: Duration,
}

impl Prover {
    /// A client over `channel` whose calls end after `timeout`.
    #[must_use]
    pub fn new(channel: Channel, timeout: Duration) -> Self {
        Self {
            client: ProverClient::new(channel),
            timeout,
        }
    }

    /// The lifecycle of one batch; `None`: the prover has not heard of it yet.
    ///
    /// # Errors
    /// [`UpstreamError`].
    pub async fn batch_status(&self, number: u64) -> Result<Option<BatchStatus>, UpstreamError> {
        let mut request = Request::new(pb::GetBatchStatusRequest { number });
        request.set_timeout(self.timeout);
        let mut client = self.client.clone();
        let answer = client
            .get_batch_status(request)
            .await
            .map_err(|status: Status| UpstreamError::new(PART, &status))?;
        answer
            .into_inner()
            .status
            .map(|status| decode(&status))
            .transpose()
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.timeout);
        request
    }

    /// Jobs by number, a page. A state that does not exist is refused.
    ///
    /// # Errors
    /// [`UpstreamError`].
    pub async fn jobs(&self, filter: JobFilter) -> Result<Vec<Job>, UpstreamError> {
        let state = match filter.state {
            None => pb::JobState::Unspecified,
            Some(name) => JOB_STATES
                .iter()
                .find(|(word, _)| *word == name)
                .map(|(_, state)| *state)
                .ok_or(UpstreamError::Refused {
                    part: PART,
                    code: "bad_job_state".to_owned(),
                    message: "there is no such job state".to_owned(),
                })?,
        };
        let request = self.request(pb::ListJobsRequest {
            batch: filter.batch,
            state: state.into(),
            after: filter.after,
            limit: filter.limit,
        });
        let answer = self.client.clone().list_jobs(request).await;
        let answer = answer.map_err(|status| failed(&status))?.into_inner();
        answer.jobs.into_iter().map(job).collect()
    }

    /// One job.
    ///
    /// # Errors
    /// [`UpstreamError`].
    pub async fn job(&self, id: u64) -> Result<Option<Job>, UpstreamError> {
        let request = self.request(pb::GetJobRequest { id });
        let answer = self.client.clone().get_job(request).await;
        let answer = answer.map_err(|status| failed(&status))?.into_inner();
        answer.job.map(job).transpose()
    }

    /// Takes a job up again.
    ///
    /// # Errors
    /// [`UpstreamError`].
    pub async fn retry_job(&self, id: u64) -> Result<(), UpstreamError> {
        let request = self.request(pb::RetryJobRequest { id });
        let answer = self.client.clone().retry_job(request).await;
        answer.map(|_| ()).map_err(|status| failed(&status))
    }

    /// Gives up proving the job's batch, or wrapping its proof.
    ///
    /// # Errors
    /// [`UpstreamError`].
    pub async fn discard_job(&self, id: u64) -> Result<(), UpstreamError> {
        let request = self.request(pb::DiscardJobRequest { id });
        let answer = self.client.clone().discard_job(request).await;
        answer.map(|_| ()).map_err(|status| failed(&status))
    }

    /// The final proof of a batch.
    ///
    /// # Errors
    /// [`UpstreamError`].
    pub async fn proof(&self, batch: u64) -> Result<Bytes, UpstreamError> {
        let request = self.request(pb::GetProofRequest { batch });
        let answer = self.client.clone().get_proof(request).await;
        let mut stream = answer.map_err(|status| failed(&status))?.into_inner();
        let mut proof = Vec::new();
        while let Some(part) = stream.message().await.map_err(|status| failed(&status))? {
            proof.extend_from_slice(&part.chunk);
            if proof.len() > MAX_PROOF_BYTES {
                return Err(UpstreamError::malformed(PART, "proof"));
            }
        }
        Ok(proof.into())
    }
}

fn failed(status: &Status) -> UpstreamError {
    UpstreamError::new(PART, status)
}

fn stage(stage: pb::Stage) -> Result<&'static str, UpstreamError> {
    match stage {
        pb::Stage::Execute => Ok("execute"),
        pb::Stage::Segment => Ok("segment"),
        pb::Stage::Aggregate => Ok("aggregate"),
        pb::Stage::Finish => Ok("finish"),
        pb::Stage::Wrap => Ok("wrap"),
        pb::Stage::Unspecified => Err(UpstreamError::malformed(PART, "stage")),
    }
}

fn wrap(state: pb::WrapState) -> Option<&'static str> {
    match state {
        pb::WrapState::Unspecified => None,
        pb::WrapState::Waiting => Some("waiting"),
        pb::WrapState::Stuck => Some("stuck"),
        pb::WrapState::Done => Some("done"),
        pb::WrapState::Discarded => Some("discarded"),
    }
}

fn some<T: Default + PartialEq>(value: T) -> Option<T> {
    (value != T::default()).then_some(value)
}

fn job(message: pb::Job) -> Result<Job, UpstreamError> {
    let state = JOB_STATES
        .iter()
        .find(|(_, state)| *state == message.state())
        .ok_or_else(|| UpstreamError::malformed(PART, "job state"))?;
    Ok(Job {
        id: message.id,
        batch: message.batch,
        stage: stage(message.stage())?,
        layer: message.layer,
        node: message.node,
        state: state.0,
        attempts: message.attempts,
        faults: message.faults,
        lease_owner: some(message.lease_owner),
        error_kind: some(message.error_kind),
        error: some(message.error),
        started_at_ms: some(message.started_at_ms),
        finished_at_ms: some(message.finished_at_ms),
        cpu_ms: message.cpu_ms,
        wall_ms: message.wall_ms,
        peak_bytes: message.peak_bytes,
    })
}

fn proving(message: &pb::ProofStatus) -> Result<Proving, UpstreamError> {
    let state = match message.state() {
        pb::ProofState::Waiting => "waiting",
        pb::ProofState::Proving => "proving",
        pb::ProofState::Stuck => "stuck",
        pb::ProofState::Verified => "verified",
        pb::ProofState::Rejected => "rejected",
        pb::ProofState::Discarded => "discarded",
        pb::ProofState::Unspecified => {
            return Err(UpstreamError::malformed(PART, "proof state"));
        }
    };
    let commitment = |bytes: &[u8]| {
        if bytes.is_empty() {
            return Ok(None);
        }
        let commitment = B256::try_from(bytes);
        commitment
            .map(Some)
            .map_err(|_| UpstreamError::malformed(PART, "commitment"))
    };
    let usage = message.usage.iter().map(|usage| {
        Ok(Usage {
            stage: stage(usage.stage())?,
            jobs: usage.jobs,
            cpu_ms: usage.cpu_ms,
            wall_ms: usage.wall_ms,
            peak_bytes: usage.peak_bytes,
        })
    });
    Ok(Proving {
        state,
        checked: message.checked,
        stage: stage(message.stage())?,
        segments_done: message.segments_done,
        segments_total: message.segments_total,
        nodes_done: message.nodes_done,
        nodes_total: message.nodes_total,
        failures: message.failures,
        remaining_s: message.remaining_s,
        last_error_kind: some(message.last_error_kind.clone()),
        instructions: message.instructions,
        usage: usage.collect::<Result<_, UpstreamError>>()?,
        program: commitment(&message.program)?,
        machine: commitment(&message.machine)?,
        proof_bytes: message.proof_bytes,
        verify_wall_ms: message.verify_wall_ms,
        wrap: wrap(message.wrap()),
        wrap_bytes: message.wrap_bytes,
        wrap_verify_wall_ms: message.wrap_verify_wall_ms,
    })
}

fn decode(status: &pb::BatchStatus) -> Result<BatchStatus, UpstreamError> {
    let state = match status.state() {
        pb::BatchState::Sealed => BatchState::Sealed,
        pb::BatchState::Committed => BatchState::Committed,
        pb::BatchState::Proved => BatchState::Proved,
        pb::BatchState::Finalized => BatchState::Finalized,
        pb::BatchState::Unspecified => return Err(UpstreamError::malformed(PART, "state")),
    };
    Ok(BatchStatus {
        state,
        commits: transactions(&status.commit_transactions)?,
        proofs: transactions(&status.prove_transactions)?,
        commit_final: status.commit_final,
        proof: status.proof.as_ref().map(proving).transpose()?,
    })
}

fn transactions(messages: &[pb::L1Transaction]) -> Result<Vec<L1Transaction>, UpstreamError> {
    messages
        .iter()
        .map(|message| {
            let hash = B256::try_from(&message.hash[..])
                .map_err(|_| UpstreamError::malformed(PART, "hash"))?;
            Ok(L1Transaction {
                hash,
                gas_used: U64::from(message.gas_used),
                block_number: U64::from(message.block_number),
            })
        })
        .collect()
}
