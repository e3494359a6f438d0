//! Which installation the database belongs to.

use sqlx::Row as _;

use super::convert::{address_of, b256_of, bigint, u64_of};
use super::{Store, StoreError};
use crate::app::model::Target;

impl Store {
    /// What the database was made for; `None` when it is new.
    pub(crate) async fn target(&self) -> Result<Option<Target>, StoreError> {
        let row = sqlx::query(
            "select chain_id, genesis_batch_hash, l1_chain_id, rollup_contract from installation",
        )
        .fetch_optional(self.database.pool())
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Target {
            chain_id: u64_of(row.try_get("chain_id")?, "chain id")?,
            genesis_batch_hash: b256_of(row.try_get("genesis_batch_hash")?, "genesis hash")?,
            l1_chain_id: u64_of(row.try_get("l1_chain_id")?, "Ethereum chain id")?,
            rollup_contract: address_of(row.try_get("rollup_contract")?, "contract")?,
        }))
    }

    /// Makes a new database belong to `target`, and refuses any other one.
    pub(crate) async fn claim(&self, target: &Target) -> Result<(), StoreError> {
        sqlx::query(
            "insert into installation (chain_id, genesis_batch_hash, l1_chain_id, rollup_contract) \
             values ($1, $2, $3, $4) on conflict do nothing",
        )
        .bind(bigint(target.chain_id)?)
        .bind(target.genesis_batch_hash.as_slice())
        .bind(bigint(target.l1_chain_id)?)
        .bind(target.rollup_contract.as_slice())
        .execute(self.database.pool())
        .await?;
        match self.target().await? {
            Some(found) if found == *target => Ok(()),
            Some(found) => Err(StoreError::OtherInstallation {
                found: describe(&found),
                configured: describe(target),
            }),
            None => Err(StoreError::Damaged(
                "the installation row is gone".to_owned(),
            )),
        }
    }
}

fn describe(target: &Target) -> String {
    format!(
        "chain {} (genesis `{}`) on contract `{}` of Ethereum chain {}",
        target.chain_id, target.genesis_batch_hash, target.rollup_contract, target.l1_chain_id
    )
}
