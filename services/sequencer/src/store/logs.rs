//! Log filters.

use sqlx::{Postgres, QueryBuilder, Row};

use super::{Store, StoreError, blocks::log_of, convert::bigint};
use crate::app::model::{LogFilter, PlacedTransaction};

/// What a filter found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundLogs {
    /// Transactions in chain order, each with its matching logs only.
    pub transactions: Vec<PlacedTransaction>,
    /// Whether more matched than the limit.
    pub truncated: bool,
}

impl Store {
    /// Finds logs in chain order, at most `filter.limit`.
    pub(crate) async fn logs(&self, filter: &LogFilter) -> Result<FoundLogs, StoreError> {
        let mut query = select(filter)?;
        let mut rows = query.build().fetch_all(self.pool()).await?;
        let truncated = rows.len() > filter.limit as usize;
        rows.truncate(filter.limit as usize);
        let mut places: Vec<(i64, i32)> = Vec::new();
        let mut logs = Vec::with_capacity(rows.len());
        for row in &rows {
            let place = (
                row.try_get("block_number")?,
                row.try_get("transaction_index")?,
            );
            if places.last() != Some(&place) {
                places.push(place);
            }
            logs.push((places.len() - 1, log_of(row)?));
        }
        let (blocks, indexes): (Vec<i64>, Vec<i32>) = places.iter().copied().unzip();
        let mut transactions = self.transactions_at(&blocks, &indexes).await?;
        if transactions.len() != places.len() {
            return Err(StoreError::Corrupt {
                what: "log.transaction_index",
            });
        }
        for (at, log) in logs {
            if let Some(placed) = transactions.get_mut(at) {
                placed.transaction.logs.push(log);
            }
        }
        Ok(FoundLogs {
            transactions,
            truncated,
        })
    }
}

/// The query names only the conditions that the filter has, so that Postgres can choose an index.
fn select(filter: &LogFilter) -> Result<QueryBuilder<Postgres>, StoreError> {
    let mut query = QueryBuilder::new(
        "select block_number, log_index, transaction_index, address, topic0, topic1, topic2, \
         topic3, data from log where block_number between ",
    );
    query
        .push_bind(bigint(filter.from_block)?)
        .push(" and ")
        .push_bind(bigint(filter.to_block)?);
    if !filter.addresses.is_empty() {
        let addresses: Vec<Vec<u8>> = filter
            .addresses
            .iter()
            .map(|address| address.to_vec())
            .collect();
        query
            .push(" and address = any(")
            .push_bind(addresses)
            .push(")");
    }
    for (column, topics) in ["topic0", "topic1", "topic2", "topic3"]
        .iter()
        .zip(&filter.topics)
    {
        if !topics.is_empty() {
            let topics: Vec<Vec<u8>> = topics.iter().map(|topic| topic.to_vec()).collect();
            query
                .push(" and ")
                .push(*column)
                .push(" = any(")
                .push_bind(topics)
                .push(")");
        }
    }
    query
        .push(" order by block_number, log_index limit ")
        .push_bind(i64::from(filter.limit).saturating_add(1));
    Ok(query)
}
