//! How far the proof of a batch is, and how long it may still take.

use super::model::{ProvingState, Stage};
use crate::store::{Pace, ProvingRow, StageRow, Store, StoreError};

/// How far a proof is, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProofState {
    /// Its input is on its way, or nothing has begun.
    Waiting,
    /// Jobs are worked on.
    Proving,
    /// A job is dead.
    Stuck,
    /// The final proof holds.
    Verified,
    /// Program and sequencer disagree.
    Rejected,
    /// Given up.
    Discarded,
}

/// Where the wrap of a verified proof stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WrapState {
    /// It waits for a worker or is made.
    Waiting,
    /// Its job is dead.
    Stuck,
    /// It is there.
    Done,
    /// Given up.
    Discarded,
}

/// How far a proof is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Progress {
    /// In one word.
    pub state: ProofState,
    /// Where the proof stands in the database.
    pub row: ProvingRow,
    /// Where its wrap stands; `None` when none is planned.
    pub wrap: Option<WrapState>,
    /// The earliest stage that is not done; the last one when all are.
    pub stage: Stage,
    /// Its jobs by stage, in order.
    pub stages: Vec<StageRow>,
    /// Kind of the last failure of an unfinished job.
    pub last_error_kind: Option<String>,
    /// Seconds until the final proof, and when that is verified until the wrap; `None` while unknown.
    pub remaining_s: Option<u64>,
}

impl Progress {
    /// Jobs of a stage: done, all.
    pub(crate) fn count(&self, stage: Stage) -> (u32, u32) {
        let row = self.stages.iter().find(|row| row.stage == stage);
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        row.map_or((0, 0), |row| (small(row.done), small(row.total)))
    }
}

/// How far one batch's proof is; `None` when it is not part of proving.
///
/// # Errors
/// [`StoreError`] when the database does not answer.
pub(crate) async fn of_batch(store: &Store, batch: u64) -> Result<Option<Progress>, StoreError> {
    let Some(row) = store.proving(batch).await? else {
        return Ok(None);
    };
    let stages = store.stages(batch).await?;
    let wrap = wrap(&row, &stages);
    let open = row.state == ProvingState::Open;
    let unwrapped = matches!(wrap, Some(WrapState::Waiting | WrapState::Stuck));
    let last_error_kind = if open || unwrapped || row.state == ProvingState::Rejected {
        store.last_error_kind(batch).await?
    } else {
        None
    };
    let remaining_s = if (open && row.checked) || wrap == Some(WrapState::Waiting) {
        let workers = store.busy_workers().await?.max(1);
        remaining_s(&stages, &store.pace().await?, workers)
    } else {
        None
    };
    Ok(Some(Progress {
        state: state(&row, &stages),
        wrap,
        stage: stage(&row, wrap, &stages),
        row,
        stages,
        last_error_kind,
        remaining_s,
    }))
}

fn state(row: &ProvingRow, stages: &[StageRow]) -> ProofState {
    match row.state {
        ProvingState::Verified => ProofState::Verified,
        ProvingState::Rejected => ProofState::Rejected,
        ProvingState::Discarded => ProofState::Discarded,
        ProvingState::Open if stages.iter().any(|stage| stage.dead > 0) => ProofState::Stuck,
        ProvingState::Open if row.has_input => ProofState::Proving,
        ProvingState::Open => ProofState::Waiting,
    }
}

/// The wrap is named only when the final proof is verified: before that it is not its turn.
fn wrap(row: &ProvingRow, stages: &[StageRow]) -> Option<WrapState> {
    if row.wrapped {
        return Some(WrapState::Done);
    }
    if row.state != ProvingState::Verified {
        return None;
    }
    let job = stages.iter().find(|row| row.stage == Stage::Wrap)?;
    Some(match (job.dead, job.discarded) {
        (0, 0) => WrapState::Waiting,
        (0, _) => WrapState::Discarded,
        (_, _) => WrapState::Stuck,
    })
}

fn stage(row: &ProvingRow, wrap: Option<WrapState>, stages: &[StageRow]) -> Stage {
    if row.state == ProvingState::Verified {
        return match wrap {
            None | Some(WrapState::Discarded) => Stage::Finish,
            Some(WrapState::Waiting | WrapState::Stuck | WrapState::Done) => Stage::Wrap,
        };
    }
    let unfinished = stages.iter().find(|stage| stage.done < stage.total);
    unfinished.map_or(Stage::Execute, |stage| stage.stage)
}

/// What is left, at the pace of the jobs that finished lately, shared by the workers that are at
/// work now. `None` while a stage that is left was never measured.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::as_conversions,
    reason = "an estimate, clamped to what fits"
)]
fn remaining_s(stages: &[StageRow], paces: &[Pace], workers: u64) -> Option<u64> {
    let mut total_ms = 0.0;
    for row in stages.iter().filter(|row| row.weight_left > 0) {
        let pace = paces.iter().find(|pace| pace.stage == row.stage)?;
        let ms = row.weight_left as f64 * pace.ms_per_weight;
        let side_by_side = workers.min(row.total.saturating_sub(row.done)).max(1);
        total_ms += ms / side_by_side as f64;
    }
    Some((total_ms / 1_000.0).clamp(0.0, 1e9).ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(stage: Stage, total: u64, done: u64, weight_left: u64) -> StageRow {
        StageRow {
            stage,
            total,
            done,
            dead: 0,
            discarded: 0,
            weight_left,
            failures: 0,
            cpu_ms: 0,
            wall_ms: 0,
            peak_bytes: 0,
        }
    }

    #[test]
    fn estimates_from_what_jobs_took() {
        let stages = [
            row(Stage::Segment, 4, 1, 300),
            row(Stage::Aggregate, 3, 0, 3),
            row(Stage::Finish, 1, 0, 1),
        ];
        let pace = |stage, ms_per_weight| Pace {
            stage,
            ms_per_weight,
        };
        let mut paces = vec![
            pace(Stage::Segment, 100.0),
            pace(Stage::Aggregate, 10_000.0),
        ];
        assert_eq!(remaining_s(&stages, &paces, 2), None);
        paces.push(pace(Stage::Finish, 5_000.0));
        assert_eq!(remaining_s(&stages, &paces, 1), Some(65));
        assert_eq!(remaining_s(&stages, &paces, 2), Some(35));
        assert_eq!(remaining_s(&stages, &paces, 100), Some(25));
    }
}
