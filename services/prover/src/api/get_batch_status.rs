//! `GetBatchStatus`: the lifecycle of one batch.

use cloister_proto::prover::v1::{
    BatchState, BatchStatus, GetBatchStatusRequest, GetBatchStatusResponse, L1Transaction,
};
use tonic::Status;

use super::{ProverApi, unavailable};
use crate::app::lifecycle::{self, BatchLifecycle, Stage};
use crate::app::model::CommitDepth;

pub(super) async fn handle(
    api: &ProverApi,
    request: &GetBatchStatusRequest,
) -> Result<GetBatchStatusResponse, Status> {
    let found = lifecycle::of_batch(&api.store, &api.health, request.number)
        .await
        .map_err(|error| unavailable(&error))?;
    Ok(GetBatchStatusResponse {
        status: found.map(|found| status(request.number, &found)),
    })
}

fn status(number: u64, found: &BatchLifecycle) -> BatchStatus {
    let state = match found.stage {
        Stage::Sealed => BatchState::Sealed,
        Stage::Committed => BatchState::Committed,
        Stage::Proved => BatchState::Proved,
        Stage::Finalized => BatchState::Finalized,
    };
    let commit_transactions = found.commit.iter().map(|commit| L1Transaction {
        hash: commit.transaction.to_vec().into(),
        gas_used: commit.gas_used,
        block_number: commit.block,
    });
    BatchStatus {
        number,
        state: state.into(),
        commit_transactions: commit_transactions.collect(),
        prove_transactions: Vec::new(),
        commit_final: number == 0
            || found
                .commit
                .is_some_and(|commit| commit.depth == CommitDepth::Final),
    }
}
