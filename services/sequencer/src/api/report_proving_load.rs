//! `ReportProvingLoad`: how far proving is behind, and what batches cost in the guest (SSQ-9).

use cloister_proto::sequencer::v1::{ReportProvingLoadRequest, ReportProvingLoadResponse};
use tonic::Status;

use crate::{
    app::{node::Node, peers::Peer, proving_load::LoadReport},
    error::{Refusal as _, RequestError},
};

/// Shortest and longest time that a report holds, in milliseconds.
const TIME_TO_LIVE_MS: std::ops::RangeInclusive<u64> = 1_000..=600_000;
/// Most executed batches in one report.
const MAX_EXECUTED: usize = 1_000;
/// Longest name of a guest image in bytes.
const MAX_IMAGE_BYTES: usize = 64;

pub(super) async fn handle(
    node: &Node,
    _peer: Peer,
    request: ReportProvingLoadRequest,
) -> Result<ReportProvingLoadResponse, Status> {
    check(&request).map_err(|refused| refused.status())?;
    let report = LoadReport {
        waiting_batches: request.waiting_batches,
        oldest_age_ms: request.oldest_age_ms,
        reported_at_ms: node.now_ms(),
        time_to_live_ms: request.time_to_live_ms,
    };
    let measured: Vec<(u64, u64)> = request
        .executed
        .iter()
        // Another image takes other instructions: the estimates are not about it.
        .filter(|batch| batch.image == node.costs.table.image)
        .map(|batch| (batch.number, batch.instructions))
        .collect();
    let age_stretch_permille = node
        .report_load(report, &measured)
        .await
        .map_err(|refused| refused.status())?;
    Ok(ReportProvingLoadResponse {
        age_stretch_permille,
    })
}

fn check(request: &ReportProvingLoadRequest) -> Result<(), RequestError> {
    let ReportProvingLoadRequest {
        waiting_batches: _,
        oldest_age_ms: _,
        executed,
        time_to_live_ms,
    } = request;
    in_range("time_to_live_ms", *time_to_live_ms, TIME_TO_LIVE_MS)?;
    let limit = MAX_EXECUTED as u64;
    in_range("executed", executed.len() as u64, 0..=limit)?;
    for batch in executed {
        in_range("executed.instructions", batch.instructions, 1..=u64::MAX)?;
        let longest = MAX_IMAGE_BYTES as u64;
        in_range("executed.image", batch.image.len() as u64, 1..=longest)?;
    }
    Ok(())
}

fn in_range(
    field: &'static str,
    got: u64,
    allowed: std::ops::RangeInclusive<u64>,
) -> Result<(), RequestError> {
    if allowed.contains(&got) {
        return Ok(());
    }
    let (least, most) = allowed.into_inner();
    Err(RequestError::OutOfRange {
        field,
        least,
        most,
        got,
    })
}

#[cfg(test)]
mod tests {
    use cloister_proto::sequencer::v1::ExecutedBatch;

    use super::*;

    fn request() -> ReportProvingLoadRequest {
        ReportProvingLoadRequest {
            waiting_batches: 1,
            oldest_age_ms: 1,
            executed: vec![ExecutedBatch {
                number: 1,
                instructions: 1,
                image: "v1".to_owned(),
            }],
            time_to_live_ms: 30_000,
        }
    }

    #[test]
    fn takes_a_report_within_its_limits() {
        assert_eq!(check(&request()), Ok(()));
    }

    #[test]
    fn refuses_a_time_to_live_that_is_too_short_or_too_long() {
        for got in [0, 999, 600_001] {
            let refused = check(&ReportProvingLoadRequest {
                time_to_live_ms: got,
                ..request()
            });
            let field = "time_to_live_ms";
            let (least, most) = (1_000, 600_000);
            assert_eq!(
                refused,
                Err(RequestError::OutOfRange {
                    field,
                    least,
                    most,
                    got
                })
            );
        }
    }

    #[test]
    fn refuses_executed_batches_that_are_too_many_or_say_nothing() {
        let with = |executed| {
            check(&ReportProvingLoadRequest {
                executed,
                ..request()
            })
        };
        let one = request().executed.remove(0);
        let refused = with(vec![one.clone(); MAX_EXECUTED + 1]).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "`executed` is 1001: it must be 0 to 1000"
        );
        let nothing = ExecutedBatch {
            instructions: 0,
            ..one.clone()
        };
        assert!(with(vec![nothing]).is_err());
        let image = "v".repeat(MAX_IMAGE_BYTES + 1);
        assert!(with(vec![ExecutedBatch { image, ..one }]).is_err());
    }
}
