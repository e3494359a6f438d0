//! Everything that a starting sequencer reads.

use alloy_primitives::{Address, B256, Bytes};
use cloister_stf::LeafValue;
use cloister_types::{AccountValue, ActivityHead, StateKey, state::decode_storage_value};
use futures::TryStreamExt as _;
use sqlx::Row as _;

use super::{
    Store, StoreError,
    convert::{address_of, b256_of, u64_of},
};

/// One row of the state at the last sealed batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LeafRow {
    /// Which entry.
    pub key: StateKey,
    /// Its value.
    pub value: LeafValue,
    /// Batch that last wrote it.
    pub version: u64,
}

impl Store {
    /// Takes the writer term: waits for commits under the old one and refuses later ones (SSQ-3).
    /// `None` when the database holds no chain yet.
    pub(crate) async fn take_writer_term(&self) -> Result<Option<(u64, i64)>, StoreError> {
        let row: Option<(i64, i64)> = sqlx::query_as(
            "update chain set writer_term = writer_term + 1 returning chain_id, writer_term",
        )
        .fetch_optional(self.pool())
        .await?;
        row.map(|(chain_id, term)| Ok((u64_of("chain.chain_id", chain_id)?, term)))
            .transpose()
    }

    /// The server's settings `synchronous_commit` and `fsync`.
    pub(crate) async fn durability(&self) -> Result<(String, String), StoreError> {
        let settings = sqlx::query_as(
            "select current_setting('synchronous_commit'), current_setting('fsync')",
        )
        .fetch_one(self.pool())
        .await?;
        Ok(settings)
    }

    /// Calls `found` with every leaf of the state at the last sealed batch.
    pub(crate) async fn each_leaf(&self, mut found: impl FnMut(LeafRow)) -> Result<(), StoreError> {
        let mut rows =
            sqlx::query("select kind, address, slot, value, version from leaf").fetch(self.pool());
        while let Some(row) = rows.try_next().await? {
            let address: Address = address_of("leaf.address", row.try_get("address")?)?;
            let bytes: &[u8] = row.try_get("value")?;
            let kind: i16 = row.try_get("kind")?;
            let (key, value) = match kind {
                1 => (
                    StateKey::Account(address),
                    LeafValue::Account(AccountValue::decode(bytes)?),
                ),
                2 => (
                    StateKey::Storage(address, b256_of("leaf.slot", row.try_get("slot")?)?),
                    LeafValue::Storage(decode_storage_value(bytes)?),
                ),
                3 => (
                    StateKey::Activity(address),
                    LeafValue::Activity(ActivityHead::decode(bytes)?),
                ),
                _ => return Err(StoreError::Corrupt { what: "leaf.kind" }),
            };
            found(LeafRow {
                key,
                value,
                version: u64_of("leaf.version", row.try_get("version")?)?,
            });
        }
        Ok(())
    }

    /// Calls `found` with every code.
    pub(crate) async fn each_code(
        &self,
        mut found: impl FnMut(B256, Bytes),
    ) -> Result<(), StoreError> {
        let mut rows = sqlx::query("select hash, code from code").fetch(self.pool());
        while let Some(row) = rows.try_next().await? {
            let code: &[u8] = row.try_get("code")?;
            found(
                b256_of("code.hash", row.try_get("hash")?)?,
                Bytes::copy_from_slice(code),
            );
        }
        Ok(())
    }

    /// Height of the latest durable block; `None` before genesis.
    pub(crate) async fn latest_block(&self) -> Result<Option<u64>, StoreError> {
        let number: Option<i64> = sqlx::query_scalar("select max(number) from block")
            .fetch_one(self.pool())
            .await?;
        number
            .map(|number| u64_of("block.number", number))
            .transpose()
    }
}
