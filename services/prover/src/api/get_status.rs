//! `GetStatus`: the contract and the newest batch in each state.

use cloister_proto::prover::v1::GetStatusResponse;
use tonic::Status;

use super::{ProverApi, unavailable};
use crate::app::lifecycle;

pub(super) async fn handle(api: &ProverApi) -> Result<GetStatusResponse, Status> {
    let overview = lifecycle::overview(&api.store, &api.health)
        .await
        .map_err(|error| unavailable(&error))?;
    Ok(GetStatusResponse {
        l1_chain_id: api.l1_chain_id,
        rollup_contract: api.rollup_contract.to_vec().into(),
        sealed_batch: overview.sealed,
        committed_batch: overview.committed,
        proved_batch: overview.proved,
        finalized_batch: overview.finalized,
        committer_balance: overview.balance.to_be_bytes::<32>().to_vec().into(),
        stalled_reason: overview.stalled_reason,
    })
}
