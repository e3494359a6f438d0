//! How far proofs are, in numbers.

use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::convert::{bigint, damaged, u64_of};
use super::{Store, StoreError};
use crate::app::proving::model::{JobState, ProvingState, Stage};

/// Finished jobs of a stage from which an average is taken.
const MEASURED: i64 = 128;

/// One batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProvingRow {
    /// Where its proof stands.
    pub state: ProvingState,
    /// Whether its execution equals the header.
    pub checked: bool,
    /// Whether its input is here.
    pub has_input: bool,
    /// Why its input could not be fetched lately.
    pub input_error: Option<String>,
    /// Instructions; 0 before the execution.
    pub instructions: u64,
    /// Commitments of program and machine.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// Size of the final proof; 0 before there is one.
    pub proof_bytes: u64,
    /// How long verifying it took.
    pub verify_wall_ms: u64,
    /// Whether it is wrapped.
    pub wrapped: bool,
    /// Size of the wrap; 0 before there is one.
    pub wrap_bytes: u64,
    /// How long verifying the wrap took.
    pub wrap_verify_wall_ms: u64,
}

/// Jobs of one stage of one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StageRow {
    /// The stage.
    pub stage: Stage,
    /// All.
    pub total: u64,
    /// Those that are done.
    pub done: u64,
    /// Those that are dead.
    pub dead: u64,
    /// Those that an operator gave up.
    pub discarded: u64,
    /// Weight of those that are not done.
    pub weight_left: u64,
    /// Failed tries of those that are not done.
    pub failures: u64,
    /// Processor time of those that are done.
    pub cpu_ms: u64,
    /// Wall time of those that are done.
    pub wall_ms: u64,
    /// Most memory of those that are done.
    pub peak_bytes: u64,
}

/// What a stage's jobs took lately, and how many workers there are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pace {
    /// The stage.
    pub stage: Stage,
    /// Milliseconds by the clock for one unit of weight.
    pub ms_per_weight: f64,
}

/// All batches together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Backlog {
    /// Batches without a final proof, neither verified nor discarded.
    pub waiting: u64,
    /// UNIX seconds at which the oldest of them was sealed.
    pub oldest_sealed_at: Option<u64>,
    /// Jobs that are dead.
    pub dead_jobs: u64,
    /// The lowest batch with a dead job.
    pub dead_batch: Option<u64>,
    /// The lowest rejected batch and why.
    pub rejected: Option<(u64, String)>,
    /// The lowest batch whose input cannot be fetched, and why.
    pub input_error: Option<(u64, String)>,
    /// Jobs by state.
    pub jobs: Vec<(JobState, u64)>,
    /// Segments of open batches: done, all.
    pub segments: (u64, u64),
    /// Seconds for which the oldest ready job has been waiting.
    pub queue_age_s: u64,
}

/// A batch that was executed, for the sequencer's cost model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Executed {
    /// The batch.
    pub batch: u64,
    /// Its instructions.
    pub instructions: u64,
    /// The guest image that executed it, e.g. `v1`.
    pub image: String,
}

fn number(row: &PgRow, column: &str) -> Result<u64, StoreError> {
    u64_of(row.try_get(column)?, column)
}

fn some_number(row: &PgRow, column: &str) -> Result<Option<u64>, StoreError> {
    let value: Option<i64> = row.try_get(column)?;
    value.map(|value| u64_of(value, column)).transpose()
}

fn stage_of(row: &PgRow) -> Result<Stage, StoreError> {
    Stage::of_word(row.try_get("stage")?).ok_or_else(|| damaged("job stage"))
}

impl Store {
    /// How far one batch's proof is; `None` when it is not part of proving.
    pub(crate) async fn proving(&self, batch: u64) -> Result<Option<ProvingRow>, StoreError> {
        let Ok(batch) = bigint(batch) else {
            return Ok(None);
        };
        let row = sqlx::query(
            "select state, execution = 'equal' as checked, input is not null as has_input, \
             input_error, instructions, program, machine, verify_wall_ms, \
             wrap is not null as wrapped, wrap_verify_wall_ms, \
             inside.bytes as proof_bytes, outside.bytes as wrap_bytes from proving \
             left join artefact as inside on inside.id = proof \
             left join artefact as outside on outside.id = wrap where batch = $1",
        )
        .bind(batch)
        .fetch_optional(self.database.pool())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let program: Option<Vec<u8>> = row.try_get("program")?;
        let machine: Option<Vec<u8>> = row.try_get("machine")?;
        Ok(Some(ProvingRow {
            state: ProvingState::of_word(row.try_get("state")?)
                .ok_or_else(|| damaged("proving state"))?,
            checked: row.try_get("checked")?,
            has_input: row.try_get("has_input")?,
            input_error: row.try_get("input_error")?,
            instructions: some_number(&row, "instructions")?.unwrap_or_default(),
            identity: program.zip(machine),
            proof_bytes: some_number(&row, "proof_bytes")?.unwrap_or_default(),
            verify_wall_ms: some_number(&row, "verify_wall_ms")?.unwrap_or_default(),
            wrapped: row.try_get("wrapped")?,
            wrap_bytes: some_number(&row, "wrap_bytes")?.unwrap_or_default(),
            wrap_verify_wall_ms: some_number(&row, "wrap_verify_wall_ms")?.unwrap_or_default(),
        }))
    }

    /// The jobs of one batch by stage.
    pub(crate) async fn stages(&self, batch: u64) -> Result<Vec<StageRow>, StoreError> {
        let rows = sqlx::query(
            "select stage, count(*) as total, count(*) filter (where state = 'done') as done, \
             count(*) filter (where state = 'dead') as dead, \
             count(*) filter (where state = 'discarded') as discarded, \
             coalesce(sum(weight) filter (where state <> 'done'), 0)::bigint as weight_left, \
             coalesce(sum(attempts + faults - (state = 'leased')::integer) \
                filter (where state <> 'done'), 0)::bigint as failures, \
             coalesce(sum(cpu_ms) filter (where state = 'done'), 0)::bigint as cpu_ms, \
             coalesce(sum(wall_ms) filter (where state = 'done'), 0)::bigint as wall_ms, \
             coalesce(max(peak_bytes) filter (where state = 'done'), 0)::bigint as peak_bytes \
             from job where batch = $1 group by stage",
        )
        .bind(bigint(batch)?)
        .fetch_all(self.database.pool())
        .await?;
        let mut stages = rows
            .iter()
            .map(|row| {
                Ok(StageRow {
                    stage: stage_of(row)?,
                    total: number(row, "total")?,
                    done: number(row, "done")?,
                    dead: number(row, "dead")?,
                    discarded: number(row, "discarded")?,
                    weight_left: number(row, "weight_left")?,
                    failures: number(row, "failures")?,
                    cpu_ms: number(row, "cpu_ms")?,
                    wall_ms: number(row, "wall_ms")?,
                    peak_bytes: number(row, "peak_bytes")?,
                })
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        stages.sort_by_key(|row| row.stage);
        Ok(stages)
    }

    /// Kind of the newest failure of a batch's unfinished jobs.
    pub(crate) async fn last_error_kind(&self, batch: u64) -> Result<Option<String>, StoreError> {
        let kind = sqlx::query_scalar(
            "select error_kind from job where batch = $1 and state <> 'done' \
             and error_kind is not null order by started_at desc nulls last, id limit 1",
        )
        .bind(bigint(batch)?)
        .fetch_optional(self.database.pool())
        .await?;
        Ok(kind)
    }

    /// What jobs took lately, by stage.
    pub(crate) async fn pace(&self) -> Result<Vec<Pace>, StoreError> {
        let mut paces = Vec::new();
        for stage in Stage::ALL {
            let pace: Option<f64> = sqlx::query_scalar(
                "select (sum(wall_ms)::float8 / greatest(sum(weight), 1)::float8) \
                 from (select wall_ms, weight from job where stage = $1 and state = 'done' \
                    and wall_ms is not null order by finished_at desc limit $2) as lately",
            )
            .bind(stage.word())
            .bind(MEASURED)
            .fetch_one(self.database.pool())
            .await?;
            if let Some(ms_per_weight) = pace {
                paces.push(Pace {
                    stage,
                    ms_per_weight,
                });
            }
        }
        Ok(paces)
    }

    /// How many workers are at a job now.
    pub(crate) async fn busy_workers(&self) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar(
            "select count(distinct lease_owner) from job where state = 'leased' \
             and lease_until >= now()",
        )
        .fetch_one(self.database.pool())
        .await?;
        u64_of(count, "workers")
    }

    /// All batches together.
    pub(crate) async fn backlog(&self) -> Result<Backlog, StoreError> {
        let row = sqlx::query(
            "select (select count(*) from proving where state in ('open', 'rejected')) as waiting, \
             (select min(sealed_at) from proving join batch on number = batch \
                where state in ('open', 'rejected')) as oldest, \
             (select count(*) from job where state = 'dead') as dead, \
             (select min(batch) from job where state = 'dead') as dead_batch, \
             (select count(*) from job join proving using (batch) where proving.state = 'open' \
                and stage = 'segment') as segments, \
             (select count(*) from job join proving using (batch) where proving.state = 'open' \
                and stage = 'segment' and job.state = 'done') as segments_done, \
             coalesce((select extract(epoch from now() - min(not_before)) from job \
                where state = 'ready' and not_before <= now()), 0)::bigint as queue_age",
        )
        .fetch_one(self.database.pool())
        .await?;
        let by_state = sqlx::query("select state, count(*) as jobs from job group by state")
            .fetch_all(self.database.pool())
            .await?;
        let jobs = by_state
            .iter()
            .map(|row| {
                let state = JobState::of_word(row.try_get("state")?);
                Ok((
                    state.ok_or_else(|| damaged("job state"))?,
                    number(row, "jobs")?,
                ))
            })
            .collect::<Result<_, StoreError>>()?;
        Ok(Backlog {
            waiting: number(&row, "waiting")?,
            oldest_sealed_at: some_number(&row, "oldest")?,
            dead_jobs: number(&row, "dead")?,
            dead_batch: some_number(&row, "dead_batch")?,
            rejected: self
                .lowest(
                    "select batch, coalesce(error, '') as reason from job where state = 'rejected' \
                     order by batch limit 1",
                )
                .await?,
            input_error: self
                .lowest(
                    "select batch, input_error as reason from proving where state = 'open' \
                     and input is null and input_error is not null order by batch limit 1",
                )
                .await?,
            jobs,
            segments: (number(&row, "segments_done")?, number(&row, "segments")?),
            queue_age_s: number(&row, "queue_age")?,
        })
    }

    async fn lowest(&self, sql: &'static str) -> Result<Option<(u64, String)>, StoreError> {
        let row = sqlx::query(sql)
            .fetch_optional(self.database.pool())
            .await?;
        row.map(|row| Ok((number(&row, "batch")?, row.try_get("reason")?)))
            .transpose()
    }

    /// Batches that were executed lately and are equal, newest first, at most `limit`.
    pub(crate) async fn lately_executed(&self, limit: u32) -> Result<Vec<Executed>, StoreError> {
        let rows = sqlx::query(
            "select proving.batch, instructions, image from proving join job on job.batch = proving.batch \
             where execution = 'equal' and job.stage = 'execute' and job.state = 'done' \
             order by job.finished_at desc limit $1",
        )
        .bind(i64::from(limit))
        .fetch_all(self.database.pool())
        .await?;
        rows.iter()
            .map(|row| {
                Ok(Executed {
                    batch: number(row, "batch")?,
                    instructions: number(row, "instructions")?,
                    image: format!("v{}", row.try_get::<i32, _>("image")?),
                })
            })
            .collect()
    }
}
