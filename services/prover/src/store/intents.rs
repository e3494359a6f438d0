//! Transactions on their way to Ethereum, written before they are sent (SPR-1).

use std::collections::BTreeMap;

use cloister_l1::{Address, Bytes};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::convert::{address_of, b256_of, bigint, damaged, fee_bigint, fee_of, u64_of};
use super::{Store, StoreError};
use crate::app::model::{Attempt, Fees, Included, Intent, IntentState, Kind, Landed, NewIntent};

/// Most unsettled transactions that are looked at in one turn.
const MAX_UNSETTLED: i64 = 4_096;
/// Most transactions that are told of one batch's proof.
const MAX_PARTS: i64 = 256;

impl Store {
    /// Writes a new purpose for a nonce with its first signed attempt, durably and in one
    /// statement. Only then may it be sent.
    pub(crate) async fn record_intent(&self, intent: &NewIntent) -> Result<(), StoreError> {
        let attempt = &intent.attempt;
        let done = sqlx::query(
            "with made as (
                insert into l1_transaction
                    (kind, sender, nonce, first_batch, last_batch, created_at_ms)
                values ($11, $1, $2, $3, $4, $5)
                on conflict (sender, nonce) do nothing returning id
             )
             insert into l1_attempt (transaction, number, hash, raw, max_fee_per_gas,
                max_priority_fee_per_gas, signed_in_block)
             select id, 0, $6, $7, $8, $9, $10 from made",
        )
        .bind(intent.sender.as_slice())
        .bind(bigint(intent.nonce)?)
        .bind(bigint(intent.first_batch)?)
        .bind(bigint(intent.last_batch)?)
        .bind(bigint(intent.created_at_ms)?)
        .bind(attempt.hash.as_slice())
        .bind(attempt.raw.as_ref())
        .bind(fee_bigint(attempt.fees.max_fee)?)
        .bind(fee_bigint(attempt.fees.tip)?)
        .bind(bigint(attempt.signed_in_block)?)
        .bind(intent.kind.word())
        .execute(self.database.pool())
        .await?;
        written(done.rows_affected())
    }

    /// Writes a further attempt for the same nonce, durably. Only then may it be sent.
    pub(crate) async fn record_attempt(
        &self,
        intent: i64,
        number: usize,
        attempt: &Attempt,
    ) -> Result<(), StoreError> {
        let number = i32::try_from(number).map_err(|_| StoreError::TooLarge)?;
        let done = sqlx::query(
            "insert into l1_attempt (transaction, number, hash, raw, max_fee_per_gas, \
             max_priority_fee_per_gas, signed_in_block) values ($1, $2, $3, $4, $5, $6, $7) \
             on conflict do nothing",
        )
        .bind(intent)
        .bind(number)
        .bind(attempt.hash.as_slice())
        .bind(attempt.raw.as_ref())
        .bind(fee_bigint(attempt.fees.max_fee)?)
        .bind(fee_bigint(attempt.fees.tip)?)
        .bind(bigint(attempt.signed_in_block)?)
        .execute(self.database.pool())
        .await?;
        written(done.rows_affected())
    }

    /// Transactions that are not final, by nonce, with everything signed for them.
    pub(crate) async fn unsettled(&self) -> Result<Vec<Intent>, StoreError> {
        let rows = sqlx::query(
            "select id, kind, sender, nonce, first_batch, last_batch, state, included_hash, \
             included_block, included_block_hash, included_gas_used, succeeded from l1_transaction \
             where state <> 'final' order by nonce, id limit $1",
        )
        .bind(MAX_UNSETTLED)
        .fetch_all(self.database.pool())
        .await?;
        let mut intents: Vec<Intent> = rows.iter().map(intent_of).collect::<Result<_, _>>()?;
        let ids: Vec<i64> = intents.iter().map(|intent| intent.id).collect();
        let mut attempts = self.attempts(&ids).await?;
        for intent in &mut intents {
            intent.attempts = attempts
                .remove(&intent.id)
                .ok_or_else(|| damaged("a transaction without an attempt"))?;
        }
        Ok(intents)
    }

    async fn attempts(&self, ids: &[i64]) -> Result<BTreeMap<i64, Vec<Attempt>>, StoreError> {
        let rows = sqlx::query(
            "select transaction, hash, raw, max_fee_per_gas, max_priority_fee_per_gas, \
             signed_in_block from l1_attempt where transaction = any($1) \
             order by transaction, number",
        )
        .bind(ids)
        .fetch_all(self.database.pool())
        .await?;
        let mut attempts: BTreeMap<i64, Vec<Attempt>> = BTreeMap::new();
        for row in &rows {
            let raw: Vec<u8> = row.try_get("raw")?;
            attempts
                .entry(row.try_get("transaction")?)
                .or_default()
                .push(Attempt {
                    hash: b256_of(row.try_get("hash")?, "attempt hash")?,
                    raw: Bytes::from(raw),
                    fees: Fees {
                        max_fee: fee_of(row.try_get("max_fee_per_gas")?, "fee")?,
                        tip: fee_of(row.try_get("max_priority_fee_per_gas")?, "tip")?,
                    },
                    signed_in_block: u64_of(row.try_get("signed_in_block")?, "block")?,
                });
        }
        Ok(attempts)
    }

    /// Writes where a transaction stands.
    pub(crate) async fn set_intent(&self, id: i64, state: IntentState) -> Result<(), StoreError> {
        let (name, landed) = match state {
            IntentState::Pending => ("pending", None),
            IntentState::Included(landed) => ("included", Some(landed)),
            IntentState::Final(landed) => ("final", Some(landed)),
            IntentState::Lost => ("lost", None),
        };
        let done = sqlx::query(
            "update l1_transaction set state = $2, included_hash = $3, included_block = $4, \
             included_block_hash = $5, included_gas_used = $6, succeeded = $7 where id = $1",
        )
        .bind(id)
        .bind(name)
        .bind(landed.map(|landed| landed.hash.to_vec()))
        .bind(landed.map(|landed| bigint(landed.block)).transpose()?)
        .bind(landed.map(|landed| landed.block_hash.to_vec()))
        .bind(landed.map(|landed| bigint(landed.gas_used)).transpose()?)
        .bind(landed.map(|landed| landed.succeeded))
        .execute(self.database.pool())
        .await?;
        if done.rows_affected() == 1 {
            Ok(())
        } else {
            Err(damaged("a transaction is gone"))
        }
    }

    /// The first nonce of an account that was never given away here.
    pub(crate) async fn free_nonce(&self, sender: Address) -> Result<u64, StoreError> {
        let nonce: i64 = sqlx::query_scalar(
            "select coalesce(max(nonce) + 1, 0) from l1_transaction where sender = $1",
        )
        .bind(sender.as_slice())
        .fetch_one(self.database.pool())
        .await?;
        u64_of(nonce, "nonce")
    }

    /// Key of the newest transaction; 0 when there is none.
    pub(crate) async fn newest_intent(&self) -> Result<i64, StoreError> {
        let id = sqlx::query_scalar("select coalesce(max(id), 0) from l1_transaction")
            .fetch_one(self.database.pool())
            .await?;
        Ok(id)
    }

    /// What the newest transaction is for; `None` when there is none.
    pub(crate) async fn newest_kind(&self) -> Result<Option<Kind>, StoreError> {
        let word: Option<String> =
            sqlx::query_scalar("select kind from l1_transaction order by id desc limit 1")
                .fetch_optional(self.database.pool())
                .await?;
        word.as_deref().map(kind_of).transpose()
    }

    /// Transactions of a kind after `since` that began at a batch and reverted, since one of them
    /// succeeded.
    pub(crate) async fn reverted(
        &self,
        kind: Kind,
        first: u64,
        since: i64,
    ) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar(
            "select count(*) from l1_transaction \
             where kind = $1 and first_batch = $2 and succeeded = false \
             and id > greatest($3, (select max(id) from l1_transaction \
                where kind = $1 and first_batch = $2 and succeeded))",
        )
        .bind(kind.word())
        .bind(bigint(first)?)
        .bind(since)
        .fetch_one(self.database.pool())
        .await?;
        u64_of(count, "count")
    }

    /// Transactions of ours in the chain that brought parts of a batch's proof, in order.
    pub(crate) async fn proof_transactions(&self, batch: u64) -> Result<Vec<Included>, StoreError> {
        let rows = sqlx::query(
            "select included_hash, included_block, included_gas_used from l1_transaction \
             where first_batch = $1 and kind in ('begin', 'check', 'prove') and succeeded \
             order by included_block, id limit $2",
        )
        .bind(bigint(batch)?)
        .bind(MAX_PARTS)
        .fetch_all(self.database.pool())
        .await?;
        let included = |row: &PgRow| {
            Ok(Included {
                transaction: b256_of(row.try_get("included_hash")?, "included hash")?,
                block: u64_of(row.try_get("included_block")?, "included block")?,
                gas_used: u64_of(row.try_get("included_gas_used")?, "gas")?,
            })
        };
        rows.iter().map(included).collect()
    }
}

fn kind_of(word: &str) -> Result<Kind, StoreError> {
    Kind::of_word(word).ok_or_else(|| damaged("kind of a transaction"))
}

/// No row: the place was taken by another process. When the answer to our own write is lost instead,
/// the next turn finds the row and sends it.
fn written(rows: u64) -> Result<(), StoreError> {
    if rows == 1 {
        Ok(())
    } else {
        Err(StoreError::NotAlone)
    }
}

fn intent_of(row: &PgRow) -> Result<Intent, StoreError> {
    Ok(Intent {
        id: row.try_get("id")?,
        kind: kind_of(row.try_get("kind")?)?,
        sender: address_of(row.try_get("sender")?, "sender")?,
        nonce: u64_of(row.try_get("nonce")?, "nonce")?,
        first_batch: u64_of(row.try_get("first_batch")?, "first batch")?,
        last_batch: u64_of(row.try_get("last_batch")?, "last batch")?,
        state: state_of(row)?,
        attempts: Vec::new(),
    })
}

fn state_of(row: &PgRow) -> Result<IntentState, StoreError> {
    let landed = || {
        Ok::<_, StoreError>(Landed {
            hash: b256_of(row.try_get("included_hash")?, "included hash")?,
            block: u64_of(row.try_get("included_block")?, "included block")?,
            block_hash: b256_of(row.try_get("included_block_hash")?, "block hash")?,
            gas_used: u64_of(row.try_get("included_gas_used")?, "gas")?,
            succeeded: row.try_get("succeeded")?,
        })
    };
    match row.try_get("state")? {
        "pending" => Ok(IntentState::Pending),
        "included" => Ok(IntentState::Included(landed()?)),
        "final" => Ok(IntentState::Final(landed()?)),
        "lost" => Ok(IntentState::Lost),
        _ => Err(damaged("transaction state")),
    }
}
