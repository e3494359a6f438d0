//! Jobs that workers take, keep and give back.
//!
//! A job is taken with one statement (`FOR UPDATE SKIP LOCKED`), so that no two workers wait for
//! each other; everything that a worker writes afterwards names its fence, so that a worker whose
//! lease was taken over changes nothing any more (SPV-22).

use std::time::Duration;

use cloister_prove::tree::LayerKind;
use cloister_store_pg::Tx;
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::convert::{b256_of, bigint, damaged, interval, u32_of, u64_of};
use super::proving::release_all;
use super::{Store, StoreError};
use crate::app::proving::graph::SEGMENT_LAYER;
use crate::app::proving::model::{
    ArtefactId, ErrorKind, Failed, Identity, Job, Lease, Remake, Stage,
};

/// Most leases that are found lost in one pass.
const MAX_LOST: i64 = 256;

/// Limits of trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Patience {
    /// Failures that count after which a job is dead.
    pub attempts: u32,
    /// Failures of its surroundings after which it is dead too.
    pub faults: u32,
    /// Pause after the first failure; it doubles.
    pub pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl Patience {
    /// The pause after so many failures in a row.
    pub(crate) fn pause_after(&self, failures: u32) -> Duration {
        let doubled = self
            .pause
            .saturating_mul(1_u32 << failures.saturating_sub(1).min(20));
        doubled.min(self.longest_pause)
    }
}

/// What became of a job that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is tried again.
    Again,
    /// An operator must look.
    Dead,
    /// The lease had been taken over: nothing was written.
    LeaseLost,
}

/// Which jobs a worker takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Executions only, so that commits never wait for a proof.
    Executions,
    /// All.
    All,
}

/// The word for a circuit.
pub(super) const fn circuit_word(circuit: LayerKind) -> &'static str {
    match circuit {
        LayerKind::Leaf => "leaf",
        LayerKind::InternalForLeaf => "internal_for_leaf",
        LayerKind::InternalFirst => "internal_first",
        LayerKind::InternalRecursive => "internal_recursive",
    }
}

fn circuit_of(row: &PgRow) -> Result<Option<LayerKind>, StoreError> {
    let word: Option<&str> = row.try_get("circuit")?;
    word.map(|word| match word {
        "leaf" => Ok(LayerKind::Leaf),
        "internal_for_leaf" => Ok(LayerKind::InternalForLeaf),
        "internal_first" => Ok(LayerKind::InternalFirst),
        "internal_recursive" => Ok(LayerKind::InternalRecursive),
        _ => Err(damaged("job circuit")),
    })
    .transpose()
}

fn artefact_of(row: &PgRow, column: &str) -> Result<Option<ArtefactId>, StoreError> {
    let id: Option<i64> = row.try_get(column)?;
    Ok(id.map(ArtefactId))
}

impl Store {
    /// Takes the most urgent job for `for_` a time. Executions come first, because commits wait for
    /// them; then the oldest batch, and in it what is nearest to the final proof, so that its
    /// artefacts go soonest. Jobs of a batch that another program began are left alone, and so are
    /// wraps unless the worker `wraps` proofs of the batch's program.
    pub(crate) async fn lease(
        &self,
        owner: &str,
        takes: Takes,
        identity: &Identity,
        wraps: Option<&Identity>,
        for_: Duration,
    ) -> Result<Option<Job>, StoreError> {
        let row = sqlx::query(
            "update job set state = 'leased', fence = fence + 1, lease_owner = $1, \
                lease_until = now() + $2, started_at = now(), finished_at = null, \
                attempts = attempts + 1 \
             where id = (select job.id from job join proving on proving.batch = job.batch \
                where job.state = 'ready' and job.not_before <= now() \
                and case job.stage \
                    when 'wrap' then proving.state = 'verified' and program = $6 and machine = $7 \
                    else proving.state = 'open' and proving.input is not null \
                        and (job.stage = 'execute' or (not $3 and program = $4 and machine = $5)) \
                end \
                order by (job.stage = 'execute') desc, job.batch, job.layer desc, job.node \
                limit 1 for update of job skip locked) \
             returning id, fence",
        )
        .bind(owner)
        .bind(interval(for_))
        .bind(takes == Takes::Executions)
        .bind(identity.program.0.as_slice())
        .bind(identity.machine.0.as_slice())
        .bind(wraps.map(|wraps| wraps.program.0.to_vec()))
        .bind(wraps.map(|wraps| wraps.machine.0.to_vec()))
        .fetch_optional(self.database.pool())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let lease = Lease {
            job: row.try_get("id")?,
            fence: row.try_get("fence")?,
        };
        self.leased_job(lease).await
    }

    /// Everything about a job that was just taken; `None` when it is gone already.
    async fn leased_job(&self, lease: Lease) -> Result<Option<Job>, StoreError> {
        let row = sqlx::query(
            "select job.*, batch.hash, proving.input, proving.segments, proving.proof from job \
             join proving on proving.batch = job.batch join batch on batch.number = job.batch \
             where job.id = $1 and job.fence = $2 and job.state = 'leased'",
        )
        .bind(lease.job)
        .bind(lease.fence)
        .fetch_optional(self.database.pool())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let batch: i64 = row.try_get("batch")?;
        let layer: i32 = row.try_get("layer")?;
        let stage = Stage::of_word(row.try_get("stage")?).ok_or_else(|| damaged("job stage"))?;
        let children = if matches!(stage, Stage::Aggregate | Stage::Finish) {
            self.children(&row, batch, layer).await?
        } else {
            Vec::new()
        };
        let segments: Option<i32> = row.try_get("segments")?;
        let public_values = if stage == Stage::Finish {
            self.public_values(batch).await?
        } else {
            None
        };
        Ok(Some(Job {
            lease,
            batch: u64_of(batch, "job batch")?,
            batch_hash: b256_of(row.try_get("hash")?, "batch hash")?,
            stage,
            layer: u32_of(layer, "job layer")?,
            node: u32_of(row.try_get("node")?, "job node")?,
            circuit: circuit_of(&row)?,
            attempts: u32_of(row.try_get("attempts")?, "job attempts")?,
            input: artefact_of(&row, "input")?,
            children,
            segments: u32_of(segments.unwrap_or_default(), "segments")?,
            public_values,
            proof: artefact_of(&row, "proof")?,
        }))
    }

    /// One entry for every position in the range, whether or not the job is there.
    async fn children(
        &self,
        row: &PgRow,
        batch: i64,
        layer: i32,
    ) -> Result<Vec<(u32, Option<ArtefactId>)>, StoreError> {
        let first: i32 = row.try_get("first_child")?;
        let last: i32 = row.try_get("last_child")?;
        let rows = sqlx::query(
            "select wanted.node, job.output from generate_series($3, $4) as wanted (node) \
             left join job on job.batch = $1 and job.layer = $2 and job.node = wanted.node \
             order by wanted.node limit 64",
        )
        .bind(batch)
        .bind(layer.saturating_sub(1))
        .bind(first)
        .bind(last)
        .fetch_all(self.database.pool())
        .await?;
        rows.iter()
            .map(|row| {
                let node = u32_of(row.try_get("node")?, "job node")?;
                Ok((node, artefact_of(row, "output")?))
            })
            .collect()
    }

    async fn public_values(&self, batch: i64) -> Result<Option<ArtefactId>, StoreError> {
        let id: Option<i64> = sqlx::query_scalar(
            "select public_values from job where batch = $1 and public_values is not null \
             order by layer, node limit 1",
        )
        .bind(batch)
        .fetch_optional(self.database.pool())
        .await?;
        Ok(id.map(ArtefactId))
    }

    /// Keeps a job for longer; false when the lease was taken over.
    pub(crate) async fn heartbeat(&self, lease: Lease, for_: Duration) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "update job set lease_until = now() + $3 \
             where id = $1 and fence = $2 and state = 'leased'",
        )
        .bind(lease.job)
        .bind(lease.fence)
        .bind(interval(for_))
        .execute(self.database.pool())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Gives a job back untouched, as when the worker is told to leave. It does not count.
    pub(crate) async fn give_back(&self, lease: Lease) -> Result<(), StoreError> {
        sqlx::query(
            "update job set state = 'ready', lease_owner = null, lease_until = null, \
             attempts = greatest(attempts - 1, 0) where id = $1 and fence = $2 and state = 'leased'",
        )
        .bind(lease.job)
        .bind(lease.fence)
        .execute(self.database.pool())
        .await?;
        Ok(())
    }

    /// Takes jobs away from workers that gave no sign in time. How many.
    pub(crate) async fn expire(&self, patience: Patience) -> Result<u64, StoreError> {
        let done = sqlx::query(
            "with lost as (select id from job where state = 'leased' and lease_until < now() \
                order by id limit $2 for update skip locked) \
             update job set state = case when attempts >= $1 then 'dead' else 'ready' end, \
                error_kind = $3, fence = fence + 1, not_before = now(), \
                error = format('worker %s gave no sign in time: it was killed or cut off', \
                    lease_owner), \
                lease_owner = null, lease_until = null \
             from lost where job.id = lost.id",
        )
        .bind(i32::try_from(patience.attempts).unwrap_or(i32::MAX))
        .bind(MAX_LOST)
        .bind(ErrorKind::WorkerLost.word())
        .execute(self.database.pool())
        .await?;
        Ok(done.rows_affected())
    }

    /// Writes that a job failed, what has to be made again first, and when it may be tried again.
    pub(crate) async fn fail(
        &self,
        job: &Job,
        failed: &Failed,
        patience: Patience,
    ) -> Result<Fate, StoreError> {
        self.database
            .run_tx("fail_job", |tx| {
                Box::pin(async move { fail(tx, job, failed, patience).await })
            })
            .await
    }

    /// Writes that the program refuses a batch, or finds another hash: the end for this batch, and
    /// a halt for commits (SPV-21). False when the lease was taken over.
    pub(crate) async fn reject(&self, job: &Job, failed: &Failed) -> Result<bool, StoreError> {
        self.database
            .run_tx("reject_batch", |tx| {
                Box::pin(async move { reject(tx, job, failed).await })
            })
            .await
    }
}

async fn fail(
    tx: &mut Tx<'_>,
    job: &Job,
    failed: &Failed,
    patience: Patience,
) -> Result<Fate, StoreError> {
    let row = sqlx::query(
        "select attempts, faults from job where id = $1 and fence = $2 and state = 'leased' \
         for update",
    )
    .bind(job.lease.job)
    .bind(job.lease.fence)
    .fetch_optional(&mut **tx)
    .await?;
    let Some(row) = row else {
        return Ok(Fate::LeaseLost);
    };
    let mut attempts = u32_of(row.try_get("attempts")?, "job attempts")?;
    let mut faults = u32_of(row.try_get("faults")?, "job faults")?;
    if failed.kind.is_fault() {
        attempts = attempts.saturating_sub(1);
        faults = faults.saturating_add(1);
    }
    let dead = failed.kind.is_final() || attempts >= patience.attempts || faults >= patience.faults;
    let state = match (dead, &failed.remake) {
        (true, _) => "dead",
        (false, Remake::Nothing) => "ready",
        (false, _) => "waiting",
    };
    let pause = patience.pause_after(attempts.saturating_add(faults));
    sqlx::query(
        "update job set state = $2, attempts = $3, faults = $4, error_kind = $5, error = $6, \
         not_before = now() + $7, lease_owner = null, lease_until = null where id = $1",
    )
    .bind(job.lease.job)
    .bind(state)
    .bind(i32::try_from(attempts).unwrap_or(i32::MAX))
    .bind(i32::try_from(faults).unwrap_or(i32::MAX))
    .bind(failed.kind.word())
    .bind(&failed.reason)
    .bind(interval(pause))
    .execute(&mut **tx)
    .await?;
    if dead {
        return Ok(Fate::Dead);
    }
    remake(tx, job, &failed.remake, patience).await?;
    Ok(Fate::Again)
}

/// Has artefacts made again that turned out to be damaged.
async fn remake(
    tx: &mut Tx<'_>,
    job: &Job,
    what: &Remake,
    patience: Patience,
) -> Result<(), StoreError> {
    let below = job.layer.saturating_sub(1);
    let last_segment = job.segments.saturating_sub(1);
    match what {
        Remake::Nothing => Ok(()),
        Remake::Input => forget_input(tx, bigint(job.batch)?).await,
        Remake::Children(nodes) => remake_layer(tx, job, below, nodes, patience).await,
        Remake::PublicValues => {
            remake_layer(tx, job, SEGMENT_LAYER, &[last_segment], patience).await
        }
        Remake::RootAndPublicValues => {
            remake_layer(tx, job, below, &[0], patience).await?;
            remake_layer(tx, job, SEGMENT_LAYER, &[last_segment], patience).await
        }
        Remake::FinalProof => remake_final(tx, job, patience).await,
    }
}

/// Makes the final proof again: from the root and the public values where they are kept, else from
/// the execution on, whose input may have to be fetched anew. Until then the batch is not verified.
async fn remake_final(tx: &mut Tx<'_>, job: &Job, patience: Patience) -> Result<(), StoreError> {
    let batch = bigint(job.batch)?;
    let finish = job.layer.saturating_sub(1);
    sqlx::query(
        "update proving set state = 'open', proof = null, verified_at = null, \
         verify_wall_ms = null, pruned = false \
         where batch = $1 and state = 'verified' and wrap is null",
    )
    .bind(batch)
    .execute(&mut **tx)
    .await?;
    let kept: bool = sqlx::query_scalar(
        "select exists (select 1 from job where batch = $1 and stage = 'finish') \
         and exists (select 1 from job where batch = $1 and layer = $2 - 1 and output is not null) \
         and exists (select 1 from job where batch = $1 and public_values is not null)",
    )
    .bind(batch)
    .bind(i32::try_from(finish).unwrap_or(i32::MAX))
    .fetch_one(&mut **tx)
    .await?;
    if kept {
        return remake_layer(tx, job, finish, &[0], patience).await;
    }
    sqlx::query("delete from job where batch = $1 and layer > 0 and stage <> 'wrap'")
        .bind(batch)
        .execute(&mut **tx)
        .await?;
    sqlx::query(
        "insert into job (batch, stage, layer, node) values ($1, 'execute', 0, 0) \
         on conflict (batch, layer, node) do update set state = 'waiting', finished_at = null",
    )
    .bind(batch)
    .execute(&mut **tx)
    .await?;
    release_all(tx, batch).await
}

async fn remake_layer(
    tx: &mut Tx<'_>,
    job: &Job,
    layer: u32,
    nodes: &[u32],
    patience: Patience,
) -> Result<(), StoreError> {
    let nodes: Vec<i32> = nodes
        .iter()
        .map(|node| i32::try_from(*node).unwrap_or(i32::MAX))
        .collect();
    sqlx::query(
        "update job set state = case when attempts >= $4 then 'dead' else 'ready' end, \
            output = null, public_values = null, finished_at = null, not_before = now(), \
            error_kind = 'bad_artefact', error = 'what it made was damaged; it is made again' \
         where batch = $1 and layer = $2 and node = any($3) and state = 'done'",
    )
    .bind(bigint(job.batch)?)
    .bind(i32::try_from(layer).unwrap_or(i32::MAX))
    .bind(nodes)
    .bind(i32::try_from(patience.attempts).unwrap_or(i32::MAX))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The input is fetched again, and the execution repeated: it releases the segments again.
async fn forget_input(tx: &mut Tx<'_>, batch: i64) -> Result<(), StoreError> {
    sqlx::query(
        "update proving set input = null, input_error = 'the stored input was damaged', \
         input_failures = input_failures + 1, input_not_before = now() where batch = $1",
    )
    .bind(batch)
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "update job set state = 'waiting', lease_owner = null, lease_until = null, \
            finished_at = null, fence = fence + 1 \
         where batch = $1 and (state in ('ready', 'leased') \
            or (stage = 'execute' and state = 'done'))",
    )
    .bind(batch)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn reject(tx: &mut Tx<'_>, job: &Job, failed: &Failed) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "update job set state = 'rejected', error_kind = $3, error = $4, lease_owner = null, \
         lease_until = null, finished_at = now() \
         where id = $1 and fence = $2 and (state = 'leased' or state = 'rejected')",
    )
    .bind(job.lease.job)
    .bind(job.lease.fence)
    .bind(ErrorKind::Rejected.word())
    .bind(&failed.reason)
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() != 1 {
        return Ok(false);
    }
    let done = sqlx::query(
        "update proving set state = 'rejected', execution = 'different', executed_hash = $2, \
         instructions = null, segments = null, program = null, machine = null, \
         image = null where batch = $1",
    )
    .bind(bigint(job.batch)?)
    .bind(failed.executed_hash.map(|hash| hash.to_vec()))
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() != 1 {
        return Err(damaged("a job without its batch"));
    }
    sqlx::query(
        "update job set state = 'waiting', lease_owner = null, lease_until = null, \
         fence = fence + 1 where batch = $1 and layer > 0 and state in ('ready', 'leased')",
    )
    .bind(bigint(job.batch)?)
    .execute(&mut **tx)
    .await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let patience = Patience {
            attempts: 5,
            faults: 50,
            pause: Duration::from_secs(1),
            longest_pause: Duration::from_mins(1),
        };
        let pauses: Vec<u64> = [0, 1, 2, 3, 6, 7, u32::MAX]
            .into_iter()
            .map(|failures| patience.pause_after(failures).as_secs())
            .collect();
        assert_eq!(pauses, [1, 1, 2, 4, 32, 60, 60]);
    }
}
