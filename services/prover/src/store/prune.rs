//! What may go: partial proofs of proved batches, their inputs after a while, and artefacts that
//! nothing refers to. A bounded number of rows in each pass. What belongs to a rejected batch stays,
//! and so does whatever a wrap that is not done may still need.

use std::time::Duration;

use super::convert::interval;
use super::{Store, StoreError};
use crate::app::proving::model::ArtefactId;

/// Most rows of each kind in one pass.
const MAX_ROWS: i64 = 512;
/// How long an artefact may be without a reference: its writer may still be at work.
const ORPHAN_AGE: Duration = Duration::from_hours(1);

impl Store {
    /// Lets go of partial proofs whose batch has its final proof. How many. Until the wrap is done
    /// the root and the public values stay: a final proof that turns out to be damaged is made of
    /// them again.
    pub(crate) async fn release_partial_proofs(&self) -> Result<u64, StoreError> {
        let done = sqlx::query(
            "update job set output = null, public_values = null, pruned = true \
             where id in (select job.id from job join proving on proving.batch = job.batch \
                where proving.state = 'verified' and job.output is not null \
                and job.stage not in ('finish', 'wrap') \
                and not exists (select 1 from job as wrap where wrap.batch = job.batch \
                    and wrap.stage = 'wrap' and wrap.state not in ('done', 'discarded') \
                    and (job.public_values is not null or job.layer = wrap.layer - 2)) \
                limit $1)",
        )
        .bind(MAX_ROWS)
        .execute(self.database.pool())
        .await?;
        Ok(done.rows_affected())
    }

    /// Lets go of inputs and jobs of batches that were proved, and wrapped where a wrap is planted,
    /// longer ago than `kept`. How many batches. That a wrap was given up is remembered.
    pub(crate) async fn release_old_batches(&self, kept: Duration) -> Result<u64, StoreError> {
        let done = sqlx::query(
            "with old as (select batch from proving where state = 'verified' and not pruned \
                and coalesce(wrapped_at, verified_at) < now() - $1 \
                and not exists (select 1 from job where job.batch = proving.batch \
                    and stage = 'wrap' and job.state not in ('done', 'discarded')) \
                order by batch limit 8), \
             gone as (delete from job using old where job.batch = old.batch \
                and (stage <> 'wrap' or state = 'done')) \
             update proving set input = null, pruned = true from old \
             where proving.batch = old.batch",
        )
        .bind(interval(kept))
        .execute(self.database.pool())
        .await?;
        Ok(done.rows_affected())
    }

    /// Artefacts that nothing refers to and whose writer must be done by now.
    pub(crate) async fn orphans(&self) -> Result<Vec<ArtefactId>, StoreError> {
        let ids: Vec<i64> = sqlx::query_scalar(
            "select id from artefact where created_at < now() - $1 \
             and not exists (select 1 from job where output = artefact.id) \
             and not exists (select 1 from job where public_values = artefact.id) \
             and not exists (select 1 from proving where input = artefact.id) \
             and not exists (select 1 from proving where proof = artefact.id) \
             and not exists (select 1 from proving where wrap = artefact.id) \
             order by id limit $2",
        )
        .bind(interval(ORPHAN_AGE))
        .bind(MAX_ROWS)
        .fetch_all(self.database.pool())
        .await?;
        Ok(ids.into_iter().map(ArtefactId).collect())
    }
}
