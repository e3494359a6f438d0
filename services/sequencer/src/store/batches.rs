//! Sealed batches: the state tree, the leaves' openings and what provers need.

use alloy_primitives::B256;
use cloister_state_tree::{LeafKey, TreeUpdate};
use cloister_store_pg::{copy::CopyRows, tree::write_pages};
use cloister_types::{BatchHeader, StateKey};
use sqlx::{PgConnection, Row as _, postgres::PgRow};

use super::{
    Store, StoreError,
    convert::{b256_of, bigint, integer, u64_of},
    fence,
    load::LeafRow,
};
use crate::app::model::Batch;

const BATCH_COLUMNS: &str = "number, hash, header, sealed_at";

/// Everything that sealing a batch writes.
#[derive(Debug)]
pub(crate) struct SealedBatch {
    /// The batch.
    pub batch: Batch,
    /// The transactions' leaves in order.
    pub transaction_leaves: Vec<B256>,
    /// What the state transition takes; genesis has none.
    pub input: Option<Vec<u8>>,
    /// Guest instructions that proving it is estimated to take; genesis is not proved.
    pub instructions: Option<u64>,
    /// Leaves that the batch wrote, each with its place in the tree.
    pub leaves: Vec<(LeafKey, LeafRow)>,
    /// New pages of the state tree.
    pub tree: TreeUpdate,
}

impl Store {
    /// Writes a sealed batch with everything that belongs to it, in one transaction.
    ///
    /// # Errors
    /// As [`Store::write_block`].
    pub(crate) async fn write_batch(
        &self,
        sealed: &SealedBatch,
        term: i64,
    ) -> Result<(), StoreError> {
        let mut tx = self.pool().begin().await?;
        fence(&mut tx, term).await?;
        insert_batch(&mut tx, sealed).await?;
        tx.commit().await?;
        Ok(())
    }

    /// A sealed batch by its number.
    pub(crate) async fn batch(&self, number: u64) -> Result<Option<Batch>, StoreError> {
        let Ok(number) = bigint(number) else {
            return Ok(None);
        };
        let row =
            sqlx::query("select number, hash, header, sealed_at from batch where number = $1")
                .bind(number)
                .fetch_optional(self.pool())
                .await?;
        row.as_ref().map(batch_of).transpose()
    }

    /// The sealed batch that holds a block.
    pub(crate) async fn batch_of_block(&self, block: u64) -> Result<Option<Batch>, StoreError> {
        let Ok(block) = bigint(block) else {
            return Ok(None);
        };
        let row = sqlx::query(
            "select number, hash, header, sealed_at from batch
             where last_block >= $1 and first_block <= $1 order by last_block limit 1",
        )
        .bind(block)
        .fetch_optional(self.pool())
        .await?;
        row.as_ref().map(batch_of).transpose()
    }

    /// The latest sealed batch; `None` before genesis.
    pub(crate) async fn latest_batch(&self) -> Result<Option<Batch>, StoreError> {
        let row = sqlx::query(
            "select number, hash, header, sealed_at from batch order by number desc limit 1",
        )
        .fetch_optional(self.pool())
        .await?;
        row.as_ref().map(batch_of).transpose()
    }

    /// Sealed batches from a number on, in order, at most `limit`.
    pub(crate) async fn batches_from(
        &self,
        number: u64,
        limit: u32,
    ) -> Result<Vec<Batch>, StoreError> {
        let Ok(number) = bigint(number) else {
            return Ok(Vec::new());
        };
        let sql = format!(
            "select {BATCH_COLUMNS} from batch where number >= $1 order by number limit $2"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(number)
            .bind(i64::from(limit))
            .fetch_all(self.pool())
            .await?;
        rows.iter().map(batch_of).collect()
    }

    /// Records what the guest took for a batch, unless it is recorded already; answers what was
    /// estimated when it is recorded now and there was an estimate.
    pub(crate) async fn put_measured(
        &self,
        batch: u64,
        instructions: u64,
    ) -> Result<Option<u64>, StoreError> {
        let Ok(batch) = bigint(batch) else {
            return Ok(None);
        };
        let estimated: Option<Option<i64>> = sqlx::query_scalar(
            "update batch set measured_instructions = $2
             where number = $1 and measured_instructions is null
             returning estimated_instructions",
        )
        .bind(batch)
        .bind(stored(instructions))
        .fetch_optional(self.pool())
        .await?;
        estimated
            .flatten()
            .map(|estimated| u64_of("batch.estimated_instructions", estimated))
            .transpose()
    }

    /// Estimated and measured instructions of the newest batches that have both.
    pub(crate) async fn measured(&self, limit: u32) -> Result<Vec<(u64, u64)>, StoreError> {
        let rows: Vec<(i64, i64)> = sqlx::query_as(
            "select estimated_instructions, measured_instructions from batch
             where estimated_instructions is not null and measured_instructions is not null
             order by number desc limit $1",
        )
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        rows.into_iter()
            .map(|(estimated, measured)| {
                Ok((
                    u64_of("batch.estimated_instructions", estimated)?,
                    u64_of("batch.measured_instructions", measured)?,
                ))
            })
            .collect()
    }

    /// Part of a batch's encoded input, from `offset` on, at most `length` bytes; `None` when the
    /// batch has none.
    pub(crate) async fn batch_input_part(
        &self,
        batch: u64,
        offset: usize,
        length: usize,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let Ok(batch) = bigint(batch) else {
            return Ok(None);
        };
        let start = i32::try_from(offset.saturating_add(1)).unwrap_or(i32::MAX);
        let length = i32::try_from(length).unwrap_or(i32::MAX);
        let part = sqlx::query_scalar(
            "select substring(input from $2 for $3) from batch_input where batch = $1",
        )
        .bind(batch)
        .bind(start)
        .bind(length)
        .fetch_optional(self.pool())
        .await?;
        Ok(part)
    }
}

/// Instructions as the database holds them: at least one, and no more than fit.
fn stored(instructions: u64) -> i64 {
    i64::try_from(instructions.max(1)).unwrap_or(i64::MAX)
}

/// Writes all rows of a batch.
pub(super) async fn insert_batch(
    tx: &mut PgConnection,
    sealed: &SealedBatch,
) -> Result<(), StoreError> {
    let Batch {
        header,
        hash,
        sealed_at,
    } = &sealed.batch;
    let number = bigint(header.number.0)?;
    let leaves: Vec<u8> = sealed
        .transaction_leaves
        .iter()
        .flat_map(|leaf| leaf.0)
        .collect();
    let (first, last) = (
        bigint(header.private.first_block.0)?,
        bigint(header.private.last_block.0)?,
    );
    sqlx::query(
        "insert into batch (number, hash, header, first_block, last_block, transaction_count,
                            transaction_leaves, sealed_at, estimated_instructions)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(number)
    .bind(hash.as_slice())
    .bind(header.encode())
    .bind(first)
    .bind(last)
    .bind(integer(header.private.transaction_count)?)
    .bind(leaves)
    .bind(bigint(*sealed_at)?)
    .bind(sealed.instructions.map(stored))
    .execute(&mut *tx)
    .await?;
    if let Some(input) = &sealed.input {
        sqlx::query("insert into batch_input (batch, input) values ($1, $2)")
            .bind(number)
            .bind(input)
            .execute(&mut *tx)
            .await?;
    }
    upsert_leaves(tx, &sealed.leaves).await?;
    copy_openings(tx, &sealed.leaves).await?;
    write_pages(tx, &sealed.tree).await?;
    Ok(())
}

async fn upsert_leaves(
    tx: &mut PgConnection,
    leaves: &[(LeafKey, LeafRow)],
) -> Result<(), StoreError> {
    const ROWS_AT_ONCE: usize = 20_000;
    for part in leaves.chunks(ROWS_AT_ONCE) {
        let mut kinds = Vec::with_capacity(part.len());
        let mut addresses = Vec::with_capacity(part.len());
        let mut slots: Vec<Vec<u8>> = Vec::with_capacity(part.len());
        let mut values = Vec::with_capacity(part.len());
        let mut versions = Vec::with_capacity(part.len());
        for (_, leaf) in part {
            kinds.push(i16::from(leaf.key.kind().code()));
            addresses.push(leaf.key.address().to_vec());
            slots.push(match &leaf.key {
                StateKey::Storage(_, slot) => slot.to_vec(),
                StateKey::Account(_) | StateKey::Activity(_) => Vec::new(),
            });
            values.push(leaf.value.encode());
            versions.push(bigint(leaf.version)?);
        }
        sqlx::query(
            "insert into leaf (kind, address, slot, value, version)
             select * from unnest($1::smallint[], $2::bytea[], $3::bytea[], $4::bytea[],
                                  $5::bigint[])
             on conflict (kind, address, slot)
             do update set value = excluded.value, version = excluded.version",
        )
        .bind(kinds)
        .bind(addresses)
        .bind(slots)
        .bind(values)
        .bind(versions)
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

async fn copy_openings(
    tx: &mut PgConnection,
    leaves: &[(LeafKey, LeafRow)],
) -> Result<(), StoreError> {
    let mut rows = CopyRows::new(3);
    for (key, leaf) in leaves {
        rows.row()
            .bytes(&key.0)
            .i64(bigint(leaf.version)?)
            .bytes(&leaf.value.encode());
    }
    rows.write(tx, "leaf_opening (key, version, value)").await?;
    Ok(())
}

fn batch_of(row: &PgRow) -> Result<Batch, StoreError> {
    let header = BatchHeader::decode(row.try_get("header")?)?;
    let hash: B256 = b256_of("batch.hash", row.try_get("hash")?)?;
    let number = u64_of("batch.number", row.try_get("number")?)?;
    if header.number.0 != number || header.hash() != hash {
        return Err(StoreError::Corrupt {
            what: "batch.header",
        });
    }
    Ok(Batch {
        header,
        hash,
        sealed_at: u64_of("batch.sealed_at", row.try_get("sealed_at")?)?,
    })
}
