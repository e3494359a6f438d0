//! Sealed batches, and where their commit stands.

use cloister_types::BatchHeader;
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::convert::{b256_of, bigint, damaged, u64_of};
use super::{Store, StoreError};
use crate::app::model::{Commit, Depth, OpenBatch, SealedBatch};

/// Most batches whose commit is looked at in one turn.
pub(super) const MAX_OPEN: i64 = 16_384;

/// The word for a depth; `none` when it is not on Ethereum.
pub(super) const fn depth_text(depth: Option<Depth>) -> &'static str {
    match depth {
        None => "none",
        Some(Depth::Included) => "included",
        Some(Depth::Confirmed) => "confirmed",
        Some(Depth::Final) => "final",
    }
}

/// What such a word means.
pub(super) fn depth_of(word: &str) -> Result<Option<Depth>, StoreError> {
    match word {
        "none" => Ok(None),
        "included" => Ok(Some(Depth::Included)),
        "confirmed" => Ok(Some(Depth::Confirmed)),
        "final" => Ok(Some(Depth::Final)),
        _ => Err(damaged("depth on Ethereum")),
    }
}

pub(super) fn commit_of(row: &PgRow) -> Result<Option<Commit>, StoreError> {
    let Some(depth) = depth_of(row.try_get("commit_state")?)? else {
        return Ok(None);
    };
    Ok(Some(Commit {
        transaction: b256_of(row.try_get("commit_transaction")?, "commit transaction")?,
        block: u64_of(row.try_get("commit_block")?, "commit block")?,
        gas_used: u64_of(row.try_get("commit_gas_used")?, "commit gas")?,
        depth,
    }))
}

fn batch_of(row: &PgRow) -> Result<SealedBatch, StoreError> {
    let header: &[u8] = row.try_get("header")?;
    Ok(SealedBatch {
        number: u64_of(row.try_get("number")?, "batch number")?,
        hash: b256_of(row.try_get("hash")?, "batch hash")?,
        header: BatchHeader::decode(header).map_err(|_| damaged("batch header"))?,
        sealed_at: u64_of(row.try_get("sealed_at")?, "sealing time")?,
    })
}

impl Store {
    /// The newest batch that is here.
    pub(crate) async fn last_batch(&self) -> Result<Option<SealedBatch>, StoreError> {
        let row = sqlx::query(
            "select number, hash, header, sealed_at from batch order by number desc limit 1",
        )
        .fetch_optional(self.database.pool())
        .await?;
        row.as_ref().map(batch_of).transpose()
    }

    /// Number of the newest batch that is here; 0 when there is none.
    pub(crate) async fn sealed(&self) -> Result<u64, StoreError> {
        let number: i64 = sqlx::query_scalar("select coalesce(max(number), 0) from batch")
            .fetch_one(self.database.pool())
            .await?;
        u64_of(number, "batch number")
    }

    /// Writes a batch; writing it twice is the same as once.
    pub(crate) async fn insert_batch(&self, batch: &SealedBatch) -> Result<(), StoreError> {
        sqlx::query(
            "insert into batch (number, hash, header, sealed_at) values ($1, $2, $3, $4) \
             on conflict do nothing",
        )
        .bind(bigint(batch.number)?)
        .bind(batch.hash.as_slice())
        .bind(batch.header.encode())
        .bind(bigint(batch.sealed_at)?)
        .execute(self.database.pool())
        .await?;
        let stored: Option<Vec<u8>> =
            sqlx::query_scalar("select hash from batch where number = $1")
                .bind(bigint(batch.number)?)
                .fetch_optional(self.database.pool())
                .await?;
        if stored.as_deref() == Some(batch.hash.as_slice()) {
            Ok(())
        } else {
            Err(StoreError::OtherBatch {
                number: batch.number,
            })
        }
    }

    /// Consecutive batches; exactly those asked for, or an error.
    pub(crate) async fn batches(
        &self,
        first: u64,
        last: u64,
    ) -> Result<Vec<SealedBatch>, StoreError> {
        let rows = sqlx::query(
            "select number, hash, header, sealed_at from batch \
             where number between $1 and $2 order by number",
        )
        .bind(bigint(first)?)
        .bind(bigint(last)?)
        .fetch_all(self.database.pool())
        .await?;
        let batches: Vec<SealedBatch> = rows.iter().map(batch_of).collect::<Result<_, _>>()?;
        if batches.iter().map(|batch| batch.number).eq(first..=last) {
            Ok(batches)
        } else {
            Err(damaged("a gap among the batches"))
        }
    }

    /// Batches whose commit is not final: those that were seen committed, and those up to
    /// `committed` that were not. Lowest first, a bounded number.
    pub(crate) async fn open_batches(&self, committed: u64) -> Result<Vec<OpenBatch>, StoreError> {
        let rows = sqlx::query(
            "select number, hash, commit_state, commit_transaction, commit_block, commit_gas_used \
             from batch where commit_state <> 'final' and (number <= $1 or commit_state <> 'none') \
             order by number limit $2",
        )
        .bind(bigint(committed)?)
        .bind(MAX_OPEN)
        .fetch_all(self.database.pool())
        .await?;
        let open = |row: &PgRow| {
            Ok(OpenBatch {
                number: u64_of(row.try_get("number")?, "batch number")?,
                hash: b256_of(row.try_get("hash")?, "batch hash")?,
                commit: commit_of(row)?,
            })
        };
        rows.iter().map(open).collect()
    }

    /// Writes where a batch's commit stands.
    pub(crate) async fn set_commit(
        &self,
        number: u64,
        commit: Option<Commit>,
    ) -> Result<(), StoreError> {
        let done = sqlx::query(
            "update batch set commit_state = $2, commit_transaction = $3, commit_block = $4, \
             commit_gas_used = $5 where number = $1",
        )
        .bind(bigint(number)?)
        .bind(depth_text(commit.map(|commit| commit.depth)))
        .bind(commit.map(|commit| commit.transaction.to_vec()))
        .bind(commit.map(|commit| bigint(commit.block)).transpose()?)
        .bind(commit.map(|commit| bigint(commit.gas_used)).transpose()?)
        .execute(self.database.pool())
        .await?;
        if done.rows_affected() == 1 {
            Ok(())
        } else {
            Err(damaged("a batch is gone"))
        }
    }

    /// The newest batch up to which all commits are deep enough for this installation.
    pub(crate) async fn confirmed(&self) -> Result<u64, StoreError> {
        let number: i64 = sqlx::query_scalar(
            "select coalesce(max(number), 0) from batch \
             where commit_state in ('confirmed', 'final')",
        )
        .fetch_one(self.database.pool())
        .await?;
        u64_of(number, "batch number")
    }

    /// Highest batch that was ever seen committed and is final, or that a transaction of ours which
    /// is in the chain committed.
    pub(crate) async fn landed(&self, head: u64) -> Result<u64, StoreError> {
        let number: i64 = sqlx::query_scalar(
            "select greatest( \
               (select coalesce(max(number), 0) from batch where commit_state = 'final'), \
               (select coalesce(max(last_batch), 0) from l1_transaction \
                where kind = 'commit' and succeeded and included_block <= $1))",
        )
        .bind(bigint(head)?)
        .fetch_one(self.database.pool())
        .await?;
        u64_of(number, "batch number")
    }
}
