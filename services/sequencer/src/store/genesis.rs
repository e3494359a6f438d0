//! The first rows of a chain.

use alloy_primitives::{B256, Bytes};

use super::{
    SealedBatch, Store, StoreError,
    batches::insert_batch,
    blocks::{insert_block, insert_codes},
    convert::bigint,
};
use crate::app::model::Block;

/// Everything that a new chain begins with.
#[derive(Debug)]
pub(crate) struct GenesisRows {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Block 0.
    pub block: Block,
    /// Codes of the accounts at genesis.
    pub codes: Vec<(B256, Bytes)>,
    /// Batch 0.
    pub sealed: SealedBatch,
}

impl Store {
    /// Writes the first rows of a chain, in one transaction.
    ///
    /// # Errors
    /// [`StoreError`]; a duplicate when another process was quicker.
    pub(crate) async fn write_genesis(&self, genesis: &GenesisRows) -> Result<(), StoreError> {
        let mut tx = self.pool().begin().await?;
        sqlx::query("insert into chain (chain_id) values ($1)")
            .bind(bigint(genesis.chain_id)?)
            .execute(&mut *tx)
            .await?;
        insert_block(&mut tx, &genesis.block).await?;
        insert_codes(&mut tx, &genesis.codes).await?;
        insert_batch(&mut tx, &genesis.sealed).await?;
        tx.commit().await?;
        Ok(())
    }
}
