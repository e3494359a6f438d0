//! Batches that are to be proved: their inputs, their finished jobs, and the gate for commits.

use std::time::Duration;

use cloister_prove::protocol::Hash;
use cloister_store_pg::Tx;
use sqlx::Row as _;

use super::convert::{b256_of, bigint, damaged, interval, u32_of, u64_of};
use super::jobs::circuit_word;
use super::{Store, StoreError};
use crate::app::model::Gate;
use crate::app::proving::graph::{self, Planned};
use crate::app::proving::model::{ArtefactId, Finished, Identity, Job, Made, Stage};

/// Most batches that begin to be proved in one statement.
const MAX_ENROLLED: i64 = 256;
/// Most wraps that wait or are under way at once; the others are planted when these are done.
const MAX_WRAPS: i64 = 16;

/// A batch whose input is not here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WantedInput {
    /// The batch.
    pub batch: u64,
    /// How often fetching failed.
    pub failures: u32,
}

/// What became of a finished job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Completed {
    /// It is written, and what waited for it is released.
    Yes,
    /// The lease had been taken over: nothing was written.
    LeaseLost,
}

impl Store {
    /// Makes batches that came in part of proving. How many.
    pub(crate) async fn enrol(&self) -> Result<u64, StoreError> {
        let done = sqlx::query(
            "with new as (insert into proving (batch) \
                select number from batch where number > \
                    (select coalesce(max(batch), 0) from proving) order by number limit $1 \
                on conflict do nothing returning batch) \
             insert into job (batch, stage, layer, node) select batch, 'execute', 0, 0 from new",
        )
        .bind(MAX_ENROLLED)
        .execute(self.database.pool())
        .await?;
        Ok(done.rows_affected())
    }

    /// The oldest batch whose input should be fetched now, if fewer than `most` inputs wait for
    /// their execution.
    pub(crate) async fn wanted_input(&self, most: u32) -> Result<Option<WantedInput>, StoreError> {
        let row = sqlx::query(
            "select batch, input_failures from proving \
             where input is null and state = 'open' and input_not_before <= now() \
             and (select count(*) from proving where state = 'open' and execution = 'unchecked' \
                and input is not null) < $1 \
             order by batch limit 1",
        )
        .bind(i64::from(most))
        .fetch_optional(self.database.pool())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let failures: i32 = row.try_get("input_failures")?;
        Ok(Some(WantedInput {
            batch: u64_of(row.try_get("batch")?, "batch")?,
            failures: u32::try_from(failures).map_err(|_| damaged("input failures"))?,
        }))
    }

    /// Attaches an input that is stored, and lets the batch be executed.
    pub(crate) async fn attach_input(
        &self,
        batch: u64,
        input: ArtefactId,
    ) -> Result<(), StoreError> {
        let batch = bigint(batch)?;
        self.database
            .run_tx("attach_input", |tx| {
                Box::pin(async move {
                    sqlx::query(
                        "update proving set input = $2, input_error = null \
                         where batch = $1 and input is null",
                    )
                    .bind(batch)
                    .bind(input.0)
                    .execute(&mut **tx)
                    .await?;
                    release_all(tx, batch).await
                })
            })
            .await
    }

    /// Writes why an input could not be fetched and when it is tried again.
    pub(crate) async fn input_failed(
        &self,
        batch: u64,
        reason: &str,
        pause: Duration,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "update proving set input_error = $2, input_failures = input_failures + 1, \
             input_not_before = now() + $3 where batch = $1 and input is null",
        )
        .bind(bigint(batch)?)
        .bind(reason)
        .bind(interval(pause))
        .execute(self.database.pool())
        .await?;
        Ok(())
    }

    /// Writes that a job is done, and releases in the same transaction what waited for it. With a
    /// final proof a worker that `wraps` plants the wrap, before anything that it may need goes.
    pub(crate) async fn complete(
        &self,
        job: &Job,
        finished: &Finished,
        wraps: bool,
    ) -> Result<Completed, StoreError> {
        self.database
            .run_tx("complete_job", |tx| {
                Box::pin(async move { complete(tx, job, finished, wraps).await })
            })
            .await
    }

    /// Plants the wraps of verified batches that have none, the lowest first. Whoever wraps calls
    /// it, so that batches are wrapped also when they were verified before there was a wrapper.
    pub(crate) async fn plant_wraps(&self) -> Result<(), StoreError> {
        self.database
            .run_tx("plant_wraps", |tx| {
                Box::pin(async move { plant_wraps(tx).await })
            })
            .await
    }

    /// The wrap of a batch and whose proof it wraps; `None` when there is none.
    pub(crate) async fn wrap(
        &self,
        batch: u64,
    ) -> Result<Option<(ArtefactId, Identity)>, StoreError> {
        let Ok(batch) = bigint(batch) else {
            return Ok(None);
        };
        let row = sqlx::query(
            "select wrap, image, program, machine from proving \
             where batch = $1 and wrap is not null",
        )
        .bind(batch)
        .fetch_optional(self.database.pool())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let commitment = |column: &str| -> Result<Hash, StoreError> {
            Ok(Hash(b256_of(row.try_get(column)?, column)?.0))
        };
        let identity = Identity {
            image: u32_of(row.try_get("image")?, "image")?,
            program: commitment("program")?,
            machine: commitment("machine")?,
        };
        Ok(Some((ArtefactId(row.try_get("wrap")?), identity)))
    }

    /// How far commits may go beyond `committed`.
    pub(crate) async fn gate(&self, committed: u64, wanted: bool) -> Result<Gate, StoreError> {
        let row = sqlx::query(
            "select (select min(batch) from proving where state = 'rejected') as rejected, \
             (select min(batch.number) from batch left join proving on proving.batch = batch.number \
                where batch.number > $1 and proving.execution is distinct from 'equal') as unchecked",
        )
        .bind(bigint(committed)?)
        .fetch_one(self.database.pool())
        .await?;
        let number = |column: &str| -> Result<Option<u64>, StoreError> {
            let number: Option<i64> = row.try_get(column)?;
            number.map(|number| u64_of(number, "batch")).transpose()
        };
        let unchecked = number("unchecked")?;
        Ok(match (number("rejected")?, unchecked) {
            (Some(batch), _) => Gate::Rejected(batch),
            (None, Some(batch)) if wanted => Gate::Before(batch),
            (None, _) => Gate::Open,
        })
    }

    /// The final proof of a batch; `None` when there is none.
    pub(crate) async fn final_proof(&self, batch: u64) -> Result<Option<ArtefactId>, StoreError> {
        let Ok(batch) = bigint(batch) else {
            return Ok(None);
        };
        let id: Option<i64> =
            sqlx::query_scalar("select proof from proving where batch = $1 and state = 'verified'")
                .bind(batch)
                .fetch_optional(self.database.pool())
                .await?;
        Ok(id.map(ArtefactId))
    }
}

async fn complete(
    tx: &mut Tx<'_>,
    job: &Job,
    finished: &Finished,
    wraps: bool,
) -> Result<Completed, StoreError> {
    let (output, public_values) = match &finished.made {
        Made::Plan { .. } => (None, None),
        Made::Proof {
            output,
            public_values,
        } => (Some(output.0), public_values.map(|id| id.0)),
        Made::Final { output, .. } | Made::Wrap { output, .. } => (Some(output.0), None),
    };
    // Done with the very same fence is our own earlier success, whose answer was lost.
    let done = sqlx::query(
        "update job set state = 'done', lease_owner = null, lease_until = null, \
            finished_at = now(), output = $3, public_values = $4, cpu_ms = $5, wall_ms = $6, \
            peak_bytes = $7, error_kind = null, error = null \
         where id = $1 and fence = $2 and state in ('leased', 'done')",
    )
    .bind(job.lease.job)
    .bind(job.lease.fence)
    .bind(output)
    .bind(public_values)
    .bind(bigint(finished.usage.cpu_ms)?)
    .bind(bigint(finished.usage.wall_ms)?)
    .bind(bigint(finished.usage.peak_bytes)?)
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() != 1 {
        return Ok(Completed::LeaseLost);
    }
    let batch = bigint(job.batch)?;
    match &finished.made {
        Made::Plan {
            instructions,
            segments,
            identity,
        } => {
            let jobs =
                graph::after_execution(segments).map_err(|_| damaged("a plan without a tree"))?;
            executed(tx, batch, *instructions, segments.len(), identity).await?;
            plant(tx, batch, &jobs).await?;
        }
        Made::Proof { .. } => {}
        Made::Final {
            output,
            verify_wall_ms,
        } => {
            verified(tx, batch, *output, *verify_wall_ms).await?;
            if wraps {
                plant_wraps(tx).await?;
            }
        }
        Made::Wrap {
            output,
            verify_wall_ms,
        } => wrapped(tx, batch, *output, *verify_wall_ms).await?,
    }
    release_after(tx, batch, job).await?;
    Ok(Completed::Yes)
}

async fn executed(
    tx: &mut Tx<'_>,
    batch: i64,
    instructions: u64,
    segments: usize,
    identity: &Identity,
) -> Result<(), StoreError> {
    // Jobs that another program or another plan made are of no use.
    sqlx::query(
        "delete from job using proving where job.batch = $1 and proving.batch = job.batch \
         and job.layer > 0 and (proving.segments is distinct from $2 \
            or proving.program is distinct from $3 or proving.machine is distinct from $4)",
    )
    .bind(batch)
    .bind(i32::try_from(segments).map_err(|_| StoreError::TooLarge)?)
    .bind(identity.program.0.as_slice())
    .bind(identity.machine.0.as_slice())
    .execute(&mut **tx)
    .await?;
    let done = sqlx::query(
        "update proving set execution = 'equal', instructions = $2, segments = $3, program = $4, \
         machine = $5, image = $6 where batch = $1 and state = 'open'",
    )
    .bind(batch)
    .bind(bigint(instructions)?)
    .bind(i32::try_from(segments).map_err(|_| StoreError::TooLarge)?)
    .bind(identity.program.0.as_slice())
    .bind(identity.machine.0.as_slice())
    .bind(i32::try_from(identity.image).map_err(|_| StoreError::TooLarge)?)
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 1 {
        Ok(())
    } else {
        Err(damaged("a job of a batch that is not open"))
    }
}

/// Adds the jobs after the execution; those that are there stay as they are.
async fn plant(tx: &mut Tx<'_>, batch: i64, jobs: &[Planned]) -> Result<(), StoreError> {
    let number = |value: u32| i32::try_from(value).map_err(|_| StoreError::TooLarge);
    let column = |pick: fn(&Planned) -> u32| -> Result<Vec<i32>, StoreError> {
        jobs.iter().map(|job| number(pick(job))).collect()
    };
    let stages: Vec<&str> = jobs.iter().map(|job| job.stage.word()).collect();
    let circuits: Vec<Option<&str>> = jobs
        .iter()
        .map(|job| job.circuit.map(circuit_word))
        .collect();
    let weights: Vec<i64> = jobs
        .iter()
        .map(|job| bigint(job.weight))
        .collect::<Result<_, _>>()?;
    sqlx::query(
        "insert into job (batch, stage, layer, node, circuit, first_child, last_child, weight) \
         select $1, * from unnest($2::text[], $3::integer[], $4::integer[], $5::text[], \
            $6::integer[], $7::integer[], $8::bigint[]) on conflict do nothing",
    )
    .bind(batch)
    .bind(stages)
    .bind(column(|job| job.layer)?)
    .bind(column(|job| job.node)?)
    .bind(circuits)
    .bind(column(|job| job.first_child)?)
    .bind(column(|job| job.last_child)?)
    .bind(weights)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn verified(
    tx: &mut Tx<'_>,
    batch: i64,
    proof: ArtefactId,
    verify_wall_ms: u64,
) -> Result<(), StoreError> {
    let done = sqlx::query(
        "update proving set state = 'verified', proof = $2, verify_wall_ms = $3, \
         verified_at = now() where batch = $1 and state in ('open', 'verified')",
    )
    .bind(batch)
    .bind(proof.0)
    .bind(bigint(verify_wall_ms)?)
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 1 {
        Ok(())
    } else {
        Err(damaged("a job of a batch that is not open"))
    }
}

async fn plant_wraps(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let rows = sqlx::query(
        "select batch, segments from proving where state = 'verified' and wrap is null \
         and not exists (select 1 from job where job.batch = proving.batch and stage = 'wrap') \
         order by batch limit greatest(0, $1 - (select count(*) from job where stage = 'wrap' \
            and state in ('waiting', 'ready', 'leased'))) for update skip locked",
    )
    .bind(MAX_WRAPS)
    .fetch_all(&mut **tx)
    .await?;
    for row in &rows {
        let batch: i64 = row.try_get("batch")?;
        let segments = u32_of(row.try_get("segments")?, "segments")?;
        let wrap = graph::wrap(segments).map_err(|_| damaged("a plan without a tree"))?;
        plant(tx, batch, &[wrap]).await?;
        // It has a job again, which is to be deleted by age.
        sqlx::query("update proving set pruned = false where batch = $1 and pruned")
            .bind(batch)
            .execute(&mut **tx)
            .await?;
        release_all(tx, batch).await?;
    }
    Ok(())
}

async fn wrapped(
    tx: &mut Tx<'_>,
    batch: i64,
    wrap: ArtefactId,
    verify_wall_ms: u64,
) -> Result<(), StoreError> {
    let done = sqlx::query(
        "update proving set wrap = $2, wrap_verify_wall_ms = $3, wrapped_at = now() \
         where batch = $1 and state = 'verified'",
    )
    .bind(batch)
    .bind(wrap.0)
    .bind(bigint(verify_wall_ms)?)
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 1 {
        Ok(())
    } else {
        Err(damaged("a wrap of a batch that is not verified"))
    }
}

/// Makes jobs ready that waited for this one and for nothing else.
async fn release_after(tx: &mut Tx<'_>, batch: i64, job: &Job) -> Result<(), StoreError> {
    match job.stage {
        // Repeated after its input was damaged, it releases jobs of every layer.
        Stage::Execute => return release_all(tx, batch).await,
        Stage::Wrap => return Ok(()),
        Stage::Segment | Stage::Aggregate | Stage::Finish => {}
    }
    let sql = sqlx::AssertSqlSafe(format!(
        "{RELEASE} and (parent.stage = 'finish' \
            or (parent.layer = $2 + 1 and $3 between parent.first_child and parent.last_child))"
    ));
    sqlx::query(sql)
        .bind(batch)
        .bind(i32::try_from(job.layer).map_err(|_| StoreError::TooLarge)?)
        .bind(i32::try_from(job.node).map_err(|_| StoreError::TooLarge)?)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// A waiting job is ready when all jobs that it takes in are done; the final one also needs the
/// public values, which a segment makes; the first one the batch's input; the wrap a batch that is
/// verified. A pause that it still has to wait stays.
const RELEASE: &str = "update job as parent set state = 'ready' \
    where parent.batch = $1 and parent.state = 'waiting' \
    and (parent.stage <> 'wrap' or exists (select 1 from proving \
        where proving.batch = parent.batch and proving.state = 'verified')) \
    and not exists (select 1 from job as child where child.batch = parent.batch \
        and child.state <> 'done' and ((child.layer = parent.layer - 1 \
            and child.node between parent.first_child and parent.last_child) \
            or (parent.stage = 'finish' and child.stage = 'segment')))";

/// Makes all jobs of a batch ready that wait for nothing.
pub(super) async fn release_all(tx: &mut Tx<'_>, batch: i64) -> Result<(), StoreError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "{RELEASE} and (parent.stage = 'wrap' \
            or (select input from proving where proving.batch = $1) is not null)"
    ));
    sqlx::query(sql).bind(batch).execute(&mut **tx).await?;
    Ok(())
}
