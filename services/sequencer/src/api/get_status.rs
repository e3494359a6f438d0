//! `GetStatus`: the open batch, the limits in force, the prover's last report and how well costs are
//! estimated.

use cloister_proto::sequencer::v1::{
    BatchLimits, EstimateError, GetStatusRequest, GetStatusResponse, OpenBatch, ProvingLoad,
};
use tonic::Status;

use crate::{
    app::{
        node::{Node, SealingStatus},
        peers::Peer,
    },
    error::Refusal as _,
};

pub(super) async fn handle(
    node: &Node,
    _peer: Peer,
    _request: GetStatusRequest,
) -> Result<GetStatusResponse, Status> {
    let status = node
        .sealing_status()
        .await
        .map_err(|refused| refused.status())?;
    Ok(answer(&status))
}

fn answer(status: &SealingStatus) -> GetStatusResponse {
    let SealingStatus {
        open,
        unsealed,
        limits,
        age_stretch_permille,
        costs,
        error,
        load,
    } = status;
    GetStatusResponse {
        open_batch: open.tally.first_built_at_ms.map(|first| OpenBatch {
            number: open.number,
            blocks: open.tally.blocks,
            transactions: open.tally.transactions,
            bytes: open.tally.bytes,
            first_built_at_ms: first,
            estimated_instructions: open.tally.instructions,
        }),
        unsealed_batches: *unsealed as u64,
        limits: Some(BatchLimits {
            max_blocks: limits.max_blocks,
            max_transactions: limits.max_transactions,
            max_bytes: limits.max_bytes,
            max_age_ms: limits.max_age_ms,
            age_stretch_permille: *age_stretch_permille,
            max_instructions: limits.max_instructions,
            max_transaction_instructions: costs.max_transaction_instructions,
        }),
        proving_load: load.map(|report| ProvingLoad {
            waiting_batches: report.waiting_batches,
            oldest_age_ms: report.oldest_age_ms,
            reported_at_ms: report.reported_at_ms,
            valid_until_ms: report.valid_until_ms(),
        }),
        cost_table: costs.name(),
        estimate_error: Some(EstimateError {
            batches: error.batches,
            mean_permille: error.mean_permille,
            p95_permille: error.p95_permille,
            worst_permille: error.worst_permille,
            underestimated: error.underestimated,
        }),
    }
}
