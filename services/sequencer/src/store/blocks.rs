//! Blocks, transactions and receipts.

use alloy_primitives::{B256, Bytes};
use cloister_store_pg::copy::CopyRows;
use cloister_types::{BlockHeader, LogRecord};
use sqlx::{PgConnection, Row, postgres::PgRow};

use super::{
    Store, StoreError,
    convert::{address_of, b256_of, bigint, integer, u32_of, u64_of, u128_of},
    fence,
};
use crate::app::model::{Block, BlockPlace, Log, PlacedTransaction, Transaction};

const TRANSACTION_COLUMNS: &str = "t.block_number, t.index_in_block, t.hash, t.sender, t.raw, \
     t.succeeded, t.gas_used, t.cumulative_gas_used, t.effective_gas_price, t.contract_address, \
     t.first_log_index";

impl Store {
    /// Writes a block with everything that belongs to it, in one transaction (SSQ-1).
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when another process took over; after any database error but a
    /// duplicate it is unknown whether the block is durable.
    pub(crate) async fn write_block(
        &self,
        block: &Block,
        codes: &[(B256, Bytes)],
        term: i64,
    ) -> Result<(), StoreError> {
        let mut tx = self.pool().begin().await?;
        fence(&mut tx, term).await?;
        insert_block(&mut tx, block).await?;
        insert_codes(&mut tx, codes).await?;
        copy_transactions(&mut tx, block).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Hash of the block at a height.
    pub(crate) async fn block_hash(&self, number: u64) -> Result<Option<B256>, StoreError> {
        let hash: Option<Vec<u8>> = sqlx::query_scalar("select hash from block where number = $1")
            .bind(bigint(number)?)
            .fetch_optional(self.pool())
            .await?;
        hash.map(|hash| b256_of("block.hash", &hash)).transpose()
    }

    /// A block by its height, with all transactions.
    pub(crate) async fn block(&self, number: u64) -> Result<Option<Block>, StoreError> {
        let Ok(number) = bigint(number) else {
            return Ok(None);
        };
        let row = sqlx::query(
            "select number, hash, header, batch, built_at_ms from block where number = $1",
        )
        .bind(number)
        .fetch_optional(self.pool())
        .await?;
        match row {
            Some(row) => Ok(Some(self.fill_block(&row).await?)),
            None => Ok(None),
        }
    }

    /// A block by its hash, with all transactions.
    pub(crate) async fn block_by_hash(&self, hash: &B256) -> Result<Option<Block>, StoreError> {
        let row = sqlx::query(
            "select number, hash, header, batch, built_at_ms from block where hash = $1",
        )
        .bind(hash.as_slice())
        .fetch_optional(self.pool())
        .await?;
        match row {
            Some(row) => Ok(Some(self.fill_block(&row).await?)),
            None => Ok(None),
        }
    }

    async fn fill_block(&self, row: &PgRow) -> Result<Block, StoreError> {
        let number: i64 = row.try_get("number")?;
        let transactions = self.transactions_of(number).await?;
        block_of(row, transactions)
    }

    /// Transactions of a block with their logs, in order.
    pub(super) async fn transactions_of(
        &self,
        number: i64,
    ) -> Result<Vec<Transaction>, StoreError> {
        let sql = const_format_transactions("t.block_number = $1 order by t.index_in_block");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(number)
            .fetch_all(self.pool())
            .await?;
        let mut transactions = rows
            .iter()
            .map(transaction_of)
            .collect::<Result<Vec<_>, StoreError>>()?;
        let logs = sqlx::query(
            "select log_index, transaction_index, address, topic0, topic1, topic2, topic3, data
             from log where block_number = $1 order by log_index",
        )
        .bind(number)
        .fetch_all(self.pool())
        .await?;
        for row in &logs {
            let index = u32_of("log.transaction_index", row.try_get("transaction_index")?)?;
            let transaction = transactions
                .get_mut(index as usize)
                .ok_or(StoreError::Corrupt {
                    what: "log.transaction_index",
                })?;
            transaction.logs.push(log_of(row)?);
        }
        Ok(transactions)
    }

    /// A transaction by its hash, with its logs.
    pub(crate) async fn transaction(
        &self,
        hash: &B256,
    ) -> Result<Option<PlacedTransaction>, StoreError> {
        let sql = format!(
            "select {TRANSACTION_COLUMNS}, b.header, b.hash as block_hash, b.batch
             from transaction t join block b on b.number = t.block_number where t.hash = $1"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(hash.as_slice())
            .fetch_optional(self.pool())
            .await?;
        let Some(row) = row else { return Ok(None) };
        let mut placed = placed_of(&row)?;
        let logs = sqlx::query(
            "select log_index, address, topic0, topic1, topic2, topic3, data
             from log where block_number = $1 and transaction_index = $2 order by log_index",
        )
        .bind(bigint(placed.block.number)?)
        .bind(integer(placed.transaction.index)?)
        .fetch_all(self.pool())
        .await?;
        placed.transaction.logs = logs.iter().map(log_of).collect::<Result<_, _>>()?;
        Ok(Some(placed))
    }

    /// Transactions by place, without logs, in order.
    pub(super) async fn transactions_at(
        &self,
        blocks: &[i64],
        indexes: &[i32],
    ) -> Result<Vec<PlacedTransaction>, StoreError> {
        let sql = format!(
            "select {TRANSACTION_COLUMNS}, b.header, b.hash as block_hash, b.batch
             from unnest($1::bigint[], $2::integer[]) as place (block_number, index_in_block)
             join transaction t using (block_number, index_in_block)
             join block b on b.number = t.block_number
             order by t.block_number, t.index_in_block"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(blocks)
            .bind(indexes)
            .fetch_all(self.pool())
            .await?;
        rows.iter().map(placed_of).collect()
    }
}

fn const_format_transactions(condition: &str) -> String {
    format!("select {TRANSACTION_COLUMNS} from transaction t where {condition}")
}

/// Writes the row of a block.
pub(super) async fn insert_block(tx: &mut PgConnection, block: &Block) -> Result<(), StoreError> {
    let header = &block.header;
    sqlx::query(
        "insert into block (number, hash, parent_hash, header, timestamp, batch,
                            transaction_count, transaction_bytes, built_at_ms)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(bigint(header.number.0)?)
    .bind(block.hash.as_slice())
    .bind(header.parent_hash.as_slice())
    .bind(header.encode())
    .bind(bigint(header.timestamp)?)
    .bind(bigint(block.batch)?)
    .bind(integer(block.transaction_count())?)
    .bind(bigint(block.transaction_bytes())?)
    .bind(bigint(block.built_at_ms)?)
    .execute(tx)
    .await?;
    Ok(())
}

/// Writes codes that are not there yet.
pub(super) async fn insert_codes(
    tx: &mut PgConnection,
    codes: &[(B256, Bytes)],
) -> Result<(), StoreError> {
    let (hashes, codes): (Vec<&[u8]>, Vec<&[u8]>) = codes
        .iter()
        .map(|(hash, code)| (hash.as_slice(), code.as_ref()))
        .unzip();
    if hashes.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into code (hash, code) select * from unnest($1::bytea[], $2::bytea[])
         on conflict (hash) do nothing",
    )
    .bind(hashes)
    .bind(codes)
    .execute(tx)
    .await?;
    Ok(())
}

async fn copy_transactions(tx: &mut PgConnection, block: &Block) -> Result<(), StoreError> {
    let number = bigint(block.header.number.0)?;
    let mut transactions = CopyRows::new(12);
    let mut logs = CopyRows::new(9);
    for transaction in &block.transactions {
        let index = integer(transaction.index)?;
        let log_count = u32::try_from(transaction.logs.len()).unwrap_or(u32::MAX);
        transactions
            .row()
            .i64(number)
            .i32(index)
            .bytes(transaction.hash.as_slice())
            .bytes(transaction.sender.as_slice())
            .bytes(&transaction.raw)
            .bool(transaction.succeeded)
            .i64(bigint(transaction.gas_used)?)
            .i64(bigint(transaction.cumulative_gas_used)?)
            .bytes(&transaction.effective_gas_price.to_be_bytes())
            .optional_bytes(
                transaction
                    .contract_address
                    .as_ref()
                    .map(|created| created.as_slice()),
            )
            .i32(integer(transaction.first_log_index)?)
            .i32(integer(log_count)?);
        for log in &transaction.logs {
            let topic = |at: usize| log.record.topics.get(at).map(B256::as_slice);
            logs.row()
                .i64(number)
                .i32(integer(log.index)?)
                .i32(index)
                .bytes(log.record.address.as_slice())
                .optional_bytes(topic(0))
                .optional_bytes(topic(1))
                .optional_bytes(topic(2))
                .optional_bytes(topic(3))
                .bytes(&log.record.data);
        }
    }
    transactions
        .write(
            tx,
            "transaction (block_number, index_in_block, hash, sender, raw, succeeded, gas_used, \
             cumulative_gas_used, effective_gas_price, contract_address, first_log_index, \
             log_count)",
        )
        .await?;
    logs.write(
        tx,
        "log (block_number, log_index, transaction_index, address, topic0, topic1, topic2, \
         topic3, data)",
    )
    .await?;
    Ok(())
}

/// A block from its row.
pub(super) fn block_of(row: &PgRow, transactions: Vec<Transaction>) -> Result<Block, StoreError> {
    let header = BlockHeader::decode(row.try_get("header")?)?;
    Ok(Block {
        hash: b256_of("block.hash", row.try_get("hash")?)?,
        batch: u64_of("block.batch", row.try_get("batch")?)?,
        built_at_ms: u64_of("block.built_at_ms", row.try_get("built_at_ms")?)?,
        header,
        transactions,
    })
}

fn transaction_of(row: &PgRow) -> Result<Transaction, StoreError> {
    let contract: Option<&[u8]> = row.try_get("contract_address")?;
    let raw: &[u8] = row.try_get("raw")?;
    Ok(Transaction {
        hash: b256_of("transaction.hash", row.try_get("hash")?)?,
        sender: address_of("transaction.sender", row.try_get("sender")?)?,
        raw: Bytes::copy_from_slice(raw),
        index: u32_of("transaction.index_in_block", row.try_get("index_in_block")?)?,
        succeeded: row.try_get("succeeded")?,
        gas_used: u64_of("transaction.gas_used", row.try_get("gas_used")?)?,
        cumulative_gas_used: u64_of(
            "transaction.cumulative_gas_used",
            row.try_get("cumulative_gas_used")?,
        )?,
        effective_gas_price: u128_of(
            "transaction.effective_gas_price",
            row.try_get("effective_gas_price")?,
        )?,
        contract_address: contract
            .map(|address| address_of("transaction.contract_address", address))
            .transpose()?,
        first_log_index: u32_of(
            "transaction.first_log_index",
            row.try_get("first_log_index")?,
        )?,
        logs: Vec::new(),
    })
}

fn placed_of(row: &PgRow) -> Result<PlacedTransaction, StoreError> {
    let header = BlockHeader::decode(row.try_get("header")?)?;
    let hash = b256_of("block.hash", row.try_get("block_hash")?)?;
    let batch = u64_of("block.batch", row.try_get("batch")?)?;
    Ok(PlacedTransaction {
        block: BlockPlace::of(&header, hash, batch),
        transaction: transaction_of(row)?,
    })
}

/// A log from its row.
pub(super) fn log_of(row: &PgRow) -> Result<Log, StoreError> {
    let mut topics = Vec::with_capacity(4);
    for column in ["topic0", "topic1", "topic2", "topic3"] {
        let topic: Option<&[u8]> = row.try_get(column)?;
        match topic {
            Some(topic) => topics.push(b256_of("log.topic", topic)?),
            None => break,
        }
    }
    let data: &[u8] = row.try_get("data")?;
    Ok(Log {
        index: u32_of("log.log_index", row.try_get("log_index")?)?,
        record: LogRecord {
            address: address_of("log.address", row.try_get("address")?)?,
            topics,
            data: Bytes::copy_from_slice(data),
        },
    })
}
