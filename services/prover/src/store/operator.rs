//! What operators do with jobs: look, take up again, give up.

use cloister_store_pg::Tx;
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::convert::{bigint, damaged, u32_of, u64_of};
use super::proving::release_all;
use super::{Store, StoreError};
use crate::app::proving::model::{ErrorKind, JobState, ProvingState, Stage};

/// A job as operators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobRow {
    /// Its key.
    pub id: i64,
    /// The batch.
    pub batch: u64,
    /// What it does.
    pub stage: Stage,
    /// Layer in the graph.
    pub layer: u32,
    /// Position in the layer.
    pub node: u32,
    /// Where it stands.
    pub state: JobState,
    /// Tries that count.
    pub attempts: u32,
    /// Failures of its surroundings.
    pub faults: u32,
    /// Who is at it.
    pub owner: Option<String>,
    /// Kind and reason of its last failure.
    pub error: Option<(ErrorKind, String)>,
    /// UNIX milliseconds.
    pub started_at_ms: Option<u64>,
    /// UNIX milliseconds.
    pub finished_at_ms: Option<u64>,
    /// Processor time, wall time and memory of the last finished try.
    pub usage: Option<(u64, u64, u64)>,
}

/// Which jobs to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct JobFilter {
    /// Of one batch.
    pub batch: Option<u64>,
    /// In one state.
    pub state: Option<JobState>,
    /// With a larger key.
    pub after: u64,
    /// At most so many.
    pub limit: u32,
}

/// Why an operator's wish is not granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// No such job.
    #[error("there is no such job")]
    Unknown,
    /// It is at work or waits for its turn.
    #[error("the job is {}; only dead, rejected and discarded jobs are retried", .0.word())]
    NotRetryable(JobState),
    /// The batch is proved.
    #[error("the batch is proved; there is nothing to retry or discard")]
    Proved,
    /// The batch was given up already.
    #[error("the batch was discarded before; retry the job to take it up again")]
    Discarded,
    /// The batch is evidence.
    #[error("the batch was rejected; it is kept as evidence and cannot be discarded")]
    Evidence,
}

const COLUMNS: &str = "id, batch, stage, layer, node, state, attempts, faults, lease_owner, \
    error_kind, error, (extract(epoch from started_at) * 1000)::bigint as started_ms, \
    (extract(epoch from finished_at) * 1000)::bigint as finished_ms, cpu_ms, wall_ms, peak_bytes";

fn job_of(row: &PgRow) -> Result<JobRow, StoreError> {
    let number = |column: &str| -> Result<Option<u64>, StoreError> {
        let value: Option<i64> = row.try_get(column)?;
        value.map(|value| u64_of(value, "job")).transpose()
    };
    let kind: Option<&str> = row.try_get("error_kind")?;
    let kind = kind
        .map(|kind| ErrorKind::of_word(kind).ok_or_else(|| damaged("job error kind")))
        .transpose()?;
    let error: Option<String> = row.try_get("error")?;
    let usage = match (number("cpu_ms")?, number("wall_ms")?, number("peak_bytes")?) {
        (Some(cpu), Some(wall), Some(peak)) => Some((cpu, wall, peak)),
        _ => None,
    };
    Ok(JobRow {
        id: row.try_get("id")?,
        batch: u64_of(row.try_get("batch")?, "job batch")?,
        stage: Stage::of_word(row.try_get("stage")?).ok_or_else(|| damaged("job stage"))?,
        layer: u32_of(row.try_get("layer")?, "job layer")?,
        node: u32_of(row.try_get("node")?, "job node")?,
        state: JobState::of_word(row.try_get("state")?).ok_or_else(|| damaged("job state"))?,
        attempts: u32_of(row.try_get("attempts")?, "job attempts")?,
        faults: u32_of(row.try_get("faults")?, "job faults")?,
        owner: row.try_get("lease_owner")?,
        error: kind.zip(error),
        started_at_ms: number("started_ms")?,
        finished_at_ms: number("finished_ms")?,
        usage,
    })
}

impl Store {
    /// Jobs by key, a page.
    pub(crate) async fn jobs(&self, filter: JobFilter) -> Result<Vec<JobRow>, StoreError> {
        let sql = sqlx::AssertSqlSafe(format!(
            "select {COLUMNS} from job where id > $1 and ($2::bigint is null or batch = $2) \
             and ($3::text is null or state = $3) order by id limit $4"
        ));
        let Ok(after) = bigint(filter.after) else {
            return Ok(Vec::new());
        };
        let batch = filter.batch.map(bigint).transpose();
        let Ok(batch) = batch else {
            return Ok(Vec::new());
        };
        let rows = sqlx::query(sql)
            .bind(after)
            .bind(batch)
            .bind(filter.state.map(JobState::word))
            .bind(i64::from(filter.limit))
            .fetch_all(self.database.pool())
            .await?;
        rows.iter().map(job_of).collect()
    }

    /// One job.
    pub(crate) async fn job(&self, id: u64) -> Result<Option<JobRow>, StoreError> {
        let Ok(id) = bigint(id) else { return Ok(None) };
        let sql = sqlx::AssertSqlSafe(format!("select {COLUMNS} from job where id = $1"));
        let row = sqlx::query(sql)
            .bind(id)
            .fetch_optional(self.database.pool())
            .await?;
        row.as_ref().map(job_of).transpose()
    }

    /// Takes a job up again. `Err` inside: the wish is not granted.
    pub(crate) async fn retry_job(&self, id: u64) -> Result<Result<(), Refusal>, StoreError> {
        let Ok(id) = bigint(id) else {
            return Ok(Err(Refusal::Unknown));
        };
        self.database
            .run_tx("retry_job", |tx| {
                Box::pin(async move { retry(tx, id).await })
            })
            .await
    }

    /// Gives up proving the batch of a job, or wrapping its proof. `Err` inside: the wish is not
    /// granted.
    pub(crate) async fn discard_job(&self, id: u64) -> Result<Result<(), Refusal>, StoreError> {
        let Ok(id) = bigint(id) else {
            return Ok(Err(Refusal::Unknown));
        };
        self.database
            .run_tx("discard_job", |tx| {
                Box::pin(async move { discard(tx, id).await })
            })
            .await
    }
}

/// Where a job and its batch stand.
async fn locate(
    tx: &mut Tx<'_>,
    id: i64,
) -> Result<Option<(i64, Stage, JobState, ProvingState)>, StoreError> {
    let row = sqlx::query(
        "select job.batch, job.stage, job.state, proving.state as proving_state from job \
         join proving on proving.batch = job.batch where job.id = $1 for update",
    )
    .bind(id)
    .fetch_optional(&mut **tx)
    .await?;
    row.map(|row| {
        Ok((
            row.try_get("batch")?,
            Stage::of_word(row.try_get("stage")?).ok_or_else(|| damaged("job stage"))?,
            JobState::of_word(row.try_get("state")?).ok_or_else(|| damaged("job state"))?,
            ProvingState::of_word(row.try_get("proving_state")?)
                .ok_or_else(|| damaged("proving state"))?,
        ))
    })
    .transpose()
}

/// Statements that take up again what is dead, rejected or discarded.
const AGAIN: &str = "update job set state = 'waiting', attempts = 0, faults = 0, \
    not_before = now(), fence = fence + 1, lease_owner = null, lease_until = null, \
    finished_at = null, output = null, public_values = null";

async fn retry(tx: &mut Tx<'_>, id: i64) -> Result<Result<(), Refusal>, StoreError> {
    let Some((batch, stage, now, proving)) = locate(tx, id).await? else {
        return Ok(Err(Refusal::Unknown));
    };
    let condition = match (proving, now, stage) {
        (ProvingState::Verified, JobState::Dead | JobState::Discarded, Stage::Wrap) => "id = $2",
        (
            ProvingState::Verified,
            JobState::Waiting | JobState::Ready | JobState::Leased,
            Stage::Wrap,
        ) => return Ok(Err(Refusal::NotRetryable(now))),
        (ProvingState::Verified, _, _) => return Ok(Err(Refusal::Proved)),
        (_, JobState::Discarded, _) => "state = 'discarded'",
        (_, JobState::Dead | JobState::Rejected, _) => "id = $2",
        (ProvingState::Open, JobState::Done, Stage::Execute) => {
            anew(tx, batch).await?;
            "id = $2"
        }
        (_, other, _) => return Ok(Err(Refusal::NotRetryable(other))),
    };
    if !matches!(proving, ProvingState::Open | ProvingState::Verified) {
        sqlx::query(
            "update proving set state = 'open', executed_hash = null, \
             execution = case execution when 'different' then 'unchecked' else execution end \
             where batch = $1",
        )
        .bind(batch)
        .execute(&mut **tx)
        .await?;
    }
    let sql = sqlx::AssertSqlSafe(format!(
        "{AGAIN} where batch = $1 and $2 > 0 and {condition}"
    ));
    sqlx::query(sql)
        .bind(batch)
        .bind(id)
        .execute(&mut **tx)
        .await?;
    release_all(tx, batch).await?;
    Ok(Ok(()))
}

/// Forgets everything that came after the execution.
async fn anew(tx: &mut Tx<'_>, batch: i64) -> Result<(), StoreError> {
    sqlx::query("delete from job where batch = $1 and layer > 0")
        .bind(batch)
        .execute(&mut **tx)
        .await?;
    sqlx::query(
        "update proving set execution = 'unchecked', instructions = null, segments = null, \
         program = null, machine = null, \
         image = null where batch = $1",
    )
    .bind(batch)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn discard(tx: &mut Tx<'_>, id: i64) -> Result<Result<(), Refusal>, StoreError> {
    let Some((batch, stage, now, proving)) = locate(tx, id).await? else {
        return Ok(Err(Refusal::Unknown));
    };
    // Of a batch that is proved only the wrap can be given up.
    let only = match (proving, stage, now) {
        (ProvingState::Open, _, _) => None,
        (
            ProvingState::Verified,
            Stage::Wrap,
            JobState::Waiting | JobState::Ready | JobState::Leased | JobState::Dead,
        ) => Some(id),
        (ProvingState::Verified, Stage::Wrap, JobState::Discarded)
        | (ProvingState::Discarded, _, _) => return Ok(Err(Refusal::Discarded)),
        (ProvingState::Verified, _, _) => return Ok(Err(Refusal::Proved)),
        (ProvingState::Rejected, _, _) => return Ok(Err(Refusal::Evidence)),
    };
    sqlx::query(
        "update job set state = 'discarded', fence = fence + 1, lease_owner = null, \
         lease_until = null, finished_at = null, output = null, public_values = null \
         where batch = $1 and ($2::bigint is null or id = $2)",
    )
    .bind(batch)
    .bind(only)
    .execute(&mut **tx)
    .await?;
    if only.is_none() {
        sqlx::query("update proving set state = 'discarded' where batch = $1")
            .bind(batch)
            .execute(&mut **tx)
            .await?;
    }
    Ok(Ok(()))
}
