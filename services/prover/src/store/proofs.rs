//! Where proofs of batches, and their finality, stand on Ethereum.

use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::batches::{MAX_OPEN, commit_of, depth_of, depth_text};
use super::convert::{b256_of, bigint, damaged, u32_of, u64_of};
use super::{Store, StoreError};
use crate::app::model::{Anchoring, Finality, OpenProof, Proof};

fn proof_of(row: &PgRow) -> Result<Option<Proof>, StoreError> {
    let Some(depth) = depth_of(row.try_get("prove_state")?)? else {
        return Ok(None);
    };
    Ok(Some(Proof {
        transaction: b256_of(row.try_get("prove_transaction")?, "proving transaction")?,
        block: u64_of(row.try_get("prove_block")?, "proving block")?,
        gas_used: u64_of(row.try_get("prove_gas_used")?, "proving gas")?,
        version: u32_of(row.try_get("verifier_version")?, "verifier version")?,
        depth,
    }))
}

fn finality_of(row: &PgRow) -> Result<Option<Finality>, StoreError> {
    let Some(depth) = depth_of(row.try_get("finalize_state")?)? else {
        return Ok(None);
    };
    Ok(Some(Finality {
        block: u64_of(row.try_get("finalize_block")?, "finalizing block")?,
        depth,
    }))
}

impl Store {
    /// How far a batch is on Ethereum; `None` when it is not here.
    pub(crate) async fn anchoring(&self, number: u64) -> Result<Option<Anchoring>, StoreError> {
        let Ok(number) = bigint(number) else {
            return Ok(None);
        };
        let row = sqlx::query(
            "select commit_state, commit_transaction, commit_block, commit_gas_used, \
             prove_state, prove_transaction, prove_block, prove_gas_used, verifier_version, \
             finalize_state, finalize_block from batch where number = $1",
        )
        .bind(number)
        .fetch_optional(self.database.pool())
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Anchoring {
            commit: commit_of(&row)?,
            proof: proof_of(&row)?,
            finality: finality_of(&row)?,
        }))
    }

    /// Batches whose proof is not final: those that were seen proved, and those up to `proved` that
    /// were not. Lowest first, a bounded number. Proofs come in order, so those before a final one
    /// are final too.
    pub(crate) async fn open_proofs(&self, proved: u64) -> Result<Vec<OpenProof>, StoreError> {
        let rows = sqlx::query(
            "select number, hash, prove_state, prove_transaction, prove_block, prove_gas_used, \
             verifier_version from batch where prove_state in ('included', 'confirmed') \
             or (prove_state = 'none' and number <= $1 and number > \
                (select coalesce(max(number), 0) from batch where prove_state = 'final')) \
             order by number limit $2",
        )
        .bind(bigint(proved)?)
        .bind(MAX_OPEN)
        .fetch_all(self.database.pool())
        .await?;
        let open = |row: &PgRow| {
            Ok(OpenProof {
                number: u64_of(row.try_get("number")?, "batch number")?,
                hash: b256_of(row.try_get("hash")?, "batch hash")?,
                proof: proof_of(row)?,
            })
        };
        rows.iter().map(open).collect()
    }

    /// Writes where a batch's proof stands.
    pub(crate) async fn set_proof(
        &self,
        number: u64,
        proof: Option<Proof>,
    ) -> Result<(), StoreError> {
        let version = |proof: Proof| i32::try_from(proof.version).map_err(|_| StoreError::TooLarge);
        let done = sqlx::query(
            "update batch set prove_state = $2, prove_transaction = $3, prove_block = $4, \
             prove_gas_used = $5, verifier_version = $6 where number = $1",
        )
        .bind(bigint(number)?)
        .bind(depth_text(proof.map(|proof| proof.depth)))
        .bind(proof.map(|proof| proof.transaction.to_vec()))
        .bind(proof.map(|proof| bigint(proof.block)).transpose()?)
        .bind(proof.map(|proof| bigint(proof.gas_used)).transpose()?)
        .bind(proof.map(version).transpose()?)
        .execute(self.database.pool())
        .await?;
        one(done.rows_affected())
    }

    /// Batches whose finality is not final on Ethereum, as [`Store::open_proofs`].
    pub(crate) async fn open_finality(
        &self,
        finalized: u64,
    ) -> Result<Vec<(u64, Option<Finality>)>, StoreError> {
        let rows = sqlx::query(
            "select number, finalize_state, finalize_block from batch \
             where finalize_state in ('included', 'confirmed') \
             or (finalize_state = 'none' and number <= $1 and number > \
                (select coalesce(max(number), 0) from batch where finalize_state = 'final')) \
             order by number limit $2",
        )
        .bind(bigint(finalized)?)
        .bind(MAX_OPEN)
        .fetch_all(self.database.pool())
        .await?;
        let open = |row: &PgRow| {
            let number = u64_of(row.try_get("number")?, "batch number")?;
            Ok((number, finality_of(row)?))
        };
        rows.iter().map(open).collect()
    }

    /// Writes where a batch's finality stands.
    pub(crate) async fn set_finality(
        &self,
        number: u64,
        finality: Option<Finality>,
    ) -> Result<(), StoreError> {
        let done = sqlx::query(
            "update batch set finalize_state = $2, finalize_block = $3 where number = $1",
        )
        .bind(bigint(number)?)
        .bind(depth_text(finality.map(|finality| finality.depth)))
        .bind(
            finality
                .map(|finality| bigint(finality.block))
                .transpose()?,
        )
        .execute(self.database.pool())
        .await?;
        one(done.rows_affected())
    }

    /// The newest batches that are proved and final, deep enough for this installation.
    pub(crate) async fn proved_and_finalized(&self) -> Result<(u64, u64), StoreError> {
        let row = sqlx::query(
            "select (select coalesce(max(number), 0) from batch \
                where prove_state in ('confirmed', 'final')) as proved, \
             (select coalesce(max(number), 0) from batch \
                where finalize_state in ('confirmed', 'final')) as finalized",
        )
        .fetch_one(self.database.pool())
        .await?;
        Ok((
            u64_of(row.try_get("proved")?, "batch number")?,
            u64_of(row.try_get("finalized")?, "batch number")?,
        ))
    }

    /// The newest batch of those after `finalized` and up to `proved` whose proof is in block
    /// `newest` or below; `None` when there is none.
    pub(crate) async fn ripe(
        &self,
        finalized: u64,
        proved: u64,
        newest: u64,
    ) -> Result<Option<u64>, StoreError> {
        let number: Option<i64> = sqlx::query_scalar(
            "select max(number) from batch where number > $1 and number <= $2 \
             and prove_block <= $3",
        )
        .bind(bigint(finalized)?)
        .bind(bigint(proved)?)
        .bind(bigint(newest)?)
        .fetch_one(self.database.pool())
        .await?;
        number
            .map(|number| u64_of(number, "batch number"))
            .transpose()
    }
}

fn one(rows: u64) -> Result<(), StoreError> {
    if rows == 1 {
        Ok(())
    } else {
        Err(damaged("a batch is gone"))
    }
}
