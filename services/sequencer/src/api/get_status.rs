//! `GetStatus`: the open batch, the limits in force and the prover's last report.

use cloister_proto::sequencer::v1::{BatchLimits, GetStatusResponse, OpenBatch, ProvingLoad};

use crate::app::node::{Node, SealingStatus};

pub(super) fn handle(node: &Node) -> GetStatusResponse {
    let SealingStatus {
        open,
        unsealed,
        limits,
        age_stretch_permille,
        load,
    } = node.sealing_status();
    let open_batch = open.tally.first_built_at_ms.map(|first| OpenBatch {
        number: open.number,
        blocks: open.tally.blocks,
        transactions: open.tally.transactions,
        bytes: open.tally.bytes,
        first_built_at_ms: first,
    });
    GetStatusResponse {
        open_batch,
        unsealed_batches: unsealed as u64,
        limits: Some(BatchLimits {
            max_blocks: limits.max_blocks,
            max_transactions: limits.max_transactions,
            max_bytes: limits.max_bytes,
            max_age_ms: limits.max_age_ms,
            age_stretch_permille,
        }),
        proving_load: load.map(|report| ProvingLoad {
            waiting_batches: report.waiting_batches,
            oldest_age_ms: report.oldest_age_ms,
            reported_at_ms: report.reported_at_ms,
            valid_until_ms: report.valid_until_ms(),
        }),
    }
}
