//! What proofs at a sealed batch are made of.

use alloy_primitives::B256;
use cloister_state_tree::LeafKey;

use super::{
    Store, StoreError,
    convert::{bigint, u64_of},
};

/// A value that a leaf had, with the batch that wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OpeningRow {
    /// Encoded value.
    pub value: Vec<u8>,
    /// Batch that wrote it.
    pub version: u64,
}

impl Store {
    /// The values of leaves as a batch left them, in the order of `keys`; `None` where there was no
    /// leaf.
    pub(crate) async fn openings(
        &self,
        batch: u64,
        keys: &[LeafKey],
    ) -> Result<Vec<Option<OpeningRow>>, StoreError> {
        let wanted: Vec<&[u8]> = keys.iter().map(|key| key.0.as_slice()).collect();
        let rows: Vec<(Option<i64>, Option<Vec<u8>>)> = sqlx::query_as(
            "select o.version, o.value
             from unnest($1::bytea[]) with ordinality as wanted (key, position)
             left join lateral (
                 select version, value from leaf_opening
                 where leaf_opening.key = wanted.key and version <= $2
                 order by version desc limit 1
             ) o on true
             order by wanted.position",
        )
        .bind(wanted)
        .bind(bigint(batch)?)
        .fetch_all(self.pool())
        .await?;
        rows.into_iter()
            .map(|row| match row {
                (Some(version), Some(value)) => {
                    let version = u64_of("leaf_opening.version", version)?;
                    Ok(Some(OpeningRow { value, version }))
                }
                _ => Ok(None),
            })
            .collect()
    }

    /// Transaction leaves of a sealed batch, in order.
    pub(crate) async fn transaction_leaves(&self, batch: u64) -> Result<Vec<B256>, StoreError> {
        let leaves: Option<Vec<u8>> =
            sqlx::query_scalar("select transaction_leaves from batch where number = $1")
                .bind(bigint(batch)?)
                .fetch_optional(self.pool())
                .await?;
        let leaves = leaves.unwrap_or_default();
        let (leaves, rest) = leaves.as_chunks::<32>();
        if !rest.is_empty() {
            return Err(StoreError::Corrupt {
                what: "batch.transaction_leaves",
            });
        }
        Ok(leaves.iter().map(|leaf| B256::new(*leaf)).collect())
    }

    /// How many transactions stand before a place in the blocks from `first` on.
    pub(crate) async fn transactions_before(
        &self,
        first: u64,
        block: u64,
        index: u32,
    ) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar(
            "select coalesce(sum(transaction_count), 0)::bigint from block
             where number >= $1 and number < $2",
        )
        .bind(bigint(first)?)
        .bind(bigint(block)?)
        .fetch_one(self.pool())
        .await?;
        Ok(u64_of("block.transaction_count", count)?.saturating_add(index.into()))
    }
}
