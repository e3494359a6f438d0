//! `GetBatchStatus`: the lifecycle of one batch.

use cloister_proto::prover::v1::{
    BatchState, BatchStatus, GetBatchStatusRequest, GetBatchStatusResponse, L1Transaction,
    ProofState as WireState, ProofStatus, StageUsage, WrapState as WireWrap,
};
use tonic::Status;

use super::{ProverApi, jobs, unavailable};
use crate::app::lifecycle::{self, BatchLifecycle, Stage};
use crate::app::model::{Depth, Included};
use crate::app::proving::model::Stage as JobStage;
use crate::app::proving::progress::{self, Progress, ProofState, WrapState};

pub(super) async fn handle(
    api: &ProverApi,
    request: &GetBatchStatusRequest,
) -> Result<GetBatchStatusResponse, Status> {
    let found = lifecycle::of_batch(&api.store, request.number)
        .await
        .map_err(|error| unavailable(&error))?;
    let Some(found) = found else {
        return Ok(GetBatchStatusResponse { status: None });
    };
    let proof = progress::of_batch(&api.store, request.number)
        .await
        .map_err(|error| unavailable(&error))?;
    Ok(GetBatchStatusResponse {
        status: Some(status(request.number, &found, proof.as_ref())),
    })
}

fn status(number: u64, found: &BatchLifecycle, proof: Option<&Progress>) -> BatchStatus {
    let state = match found.stage {
        Stage::Sealed => BatchState::Sealed,
        Stage::Committed => BatchState::Committed,
        Stage::Proved => BatchState::Proved,
        Stage::Finalized => BatchState::Finalized,
    };
    let commit_transactions = found.commit.map(|commit| {
        transaction(&Included {
            transaction: commit.transaction,
            block: commit.block,
            gas_used: commit.gas_used,
        })
    });
    BatchStatus {
        number,
        state: state.into(),
        commit_transactions: commit_transactions.into_iter().collect(),
        prove_transactions: found.proof.iter().map(transaction).collect(),
        commit_final: number == 0
            || found
                .commit
                .is_some_and(|commit| commit.depth == Depth::Final),
        proof: proof.map(proof_status),
    }
}

fn transaction(included: &Included) -> L1Transaction {
    L1Transaction {
        hash: included.transaction.to_vec().into(),
        gas_used: included.gas_used,
        block_number: included.block,
    }
}

fn proof_status(progress: &Progress) -> ProofStatus {
    let state = match progress.state {
        ProofState::Waiting => WireState::Waiting,
        ProofState::Proving => WireState::Proving,
        ProofState::Stuck => WireState::Stuck,
        ProofState::Verified => WireState::Verified,
        ProofState::Rejected => WireState::Rejected,
        ProofState::Discarded => WireState::Discarded,
    };
    let wrap = match progress.wrap {
        None => WireWrap::Unspecified,
        Some(WrapState::Waiting) => WireWrap::Waiting,
        Some(WrapState::Stuck) => WireWrap::Stuck,
        Some(WrapState::Done) => WireWrap::Done,
        Some(WrapState::Discarded) => WireWrap::Discarded,
    };
    let (segments_done, segments_total) = progress.count(JobStage::Segment);
    let (nodes_done, nodes_total) = progress.count(JobStage::Aggregate);
    let failures: u64 = progress.stages.iter().map(|stage| stage.failures).sum();
    let usage = progress.stages.iter().map(|stage| StageUsage {
        stage: jobs::stage(stage.stage).into(),
        jobs: u32::try_from(stage.done).unwrap_or(u32::MAX),
        cpu_ms: stage.cpu_ms,
        wall_ms: stage.wall_ms,
        peak_bytes: stage.peak_bytes,
    });
    let row = &progress.row;
    let (program, machine) = row.identity.clone().unwrap_or_default();
    ProofStatus {
        state: state.into(),
        checked: row.checked,
        stage: jobs::stage(progress.stage).into(),
        segments_done,
        segments_total,
        nodes_done,
        nodes_total,
        failures: u32::try_from(failures).unwrap_or(u32::MAX),
        remaining_s: progress.remaining_s,
        last_error_kind: progress.last_error_kind.clone().unwrap_or_default(),
        instructions: row.instructions,
        usage: usage.collect(),
        program: program.into(),
        machine: machine.into(),
        proof_bytes: row.proof_bytes,
        verify_wall_ms: row.verify_wall_ms,
        wrap: wrap.into(),
        wrap_bytes: row.wrap_bytes,
        wrap_verify_wall_ms: row.wrap_verify_wall_ms,
    }
}
