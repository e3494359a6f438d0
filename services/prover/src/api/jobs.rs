//! Jobs on the wire.

use cloister_proto::code::with_code;
use cloister_proto::prover::v1 as wire;
use tonic::Status;

use crate::app::proving::model::{JobState, Stage};
use crate::store::{JobRow, Refusal};

/// A stage on the wire.
pub(super) const fn stage(stage: Stage) -> wire::Stage {
    match stage {
        Stage::Execute => wire::Stage::Execute,
        Stage::Segment => wire::Stage::Segment,
        Stage::Aggregate => wire::Stage::Aggregate,
        Stage::Finish => wire::Stage::Finish,
        Stage::Wrap => wire::Stage::Wrap,
    }
}

const fn state(state: JobState) -> wire::JobState {
    match state {
        JobState::Waiting => wire::JobState::Waiting,
        JobState::Ready => wire::JobState::Ready,
        JobState::Leased => wire::JobState::Leased,
        JobState::Done => wire::JobState::Done,
        JobState::Dead => wire::JobState::Dead,
        JobState::Rejected => wire::JobState::Rejected,
        JobState::Discarded => wire::JobState::Discarded,
    }
}

/// What a caller means by a state; `None` for any.
pub(super) fn state_of(wanted: i32) -> Result<Option<JobState>, Status> {
    let wanted = wire::JobState::try_from(wanted).map_err(|_| {
        with_code(
            Status::invalid_argument("there is no such job state"),
            "bad_job_state",
        )
    })?;
    Ok(match wanted {
        wire::JobState::Unspecified => None,
        wire::JobState::Waiting => Some(JobState::Waiting),
        wire::JobState::Ready => Some(JobState::Ready),
        wire::JobState::Leased => Some(JobState::Leased),
        wire::JobState::Done => Some(JobState::Done),
        wire::JobState::Dead => Some(JobState::Dead),
        wire::JobState::Rejected => Some(JobState::Rejected),
        wire::JobState::Discarded => Some(JobState::Discarded),
    })
}

/// A job on the wire.
pub(super) fn job(row: JobRow) -> wire::Job {
    let (error_kind, error) = match row.error {
        Some((kind, reason)) => (kind.word().to_owned(), reason),
        None => (String::new(), String::new()),
    };
    let (cpu_ms, wall_ms, peak_bytes) = row.usage.unwrap_or_default();
    wire::Job {
        id: u64::try_from(row.id).unwrap_or_default(),
        batch: row.batch,
        stage: stage(row.stage).into(),
        layer: row.layer,
        node: row.node,
        state: state(row.state).into(),
        attempts: row.attempts,
        faults: row.faults,
        lease_owner: row.owner.unwrap_or_default(),
        error_kind,
        error,
        started_at_ms: row.started_at_ms.unwrap_or_default(),
        finished_at_ms: row.finished_at_ms.unwrap_or_default(),
        cpu_ms,
        wall_ms,
        peak_bytes,
    }
}

/// Why an operator's wish is not granted, on the wire.
pub(super) fn refused(refusal: Refusal) -> Status {
    let text = refusal.to_string();
    match refusal {
        Refusal::Unknown => with_code(Status::not_found(text), "job_unknown"),
        Refusal::NotRetryable(_) => {
            with_code(Status::failed_precondition(text), "job_not_retryable")
        }
        Refusal::Proved => with_code(Status::failed_precondition(text), "batch_proved"),
        Refusal::Discarded => with_code(Status::failed_precondition(text), "batch_discarded"),
        Refusal::Evidence => with_code(Status::failed_precondition(text), "batch_rejected"),
    }
}
