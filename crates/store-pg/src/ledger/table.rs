//! The statements on the table `audit_log`.

use alloy_primitives::B256;
use cloister_audit::{Entry, Head, Outcome, Row, Tampered, Verifier};
use cloister_types::UnixMillis;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row as _};

use super::LedgerError;

/// Entries in one page.
pub const PAGE_ROWS: i64 = 1000;

const INSERT: &str = "INSERT INTO audit_log (sequence, time_ms, principal, session, method, \
     resource, rule, policy_version, request_hash, outcome, hash) \
     SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], \
     $6::text[], $7::text[], $8::bytea[], $9::bytea[], $10::smallint[], $11::bytea[])";
const LAST: &str = "SELECT sequence, hash FROM audit_log ORDER BY sequence DESC LIMIT 1";
const HASH_AT: &str = "SELECT hash FROM audit_log WHERE sequence = $1";
const PAGE: &str = "SELECT sequence, time_ms, principal, session, method, resource, rule, \
     policy_version, request_hash, outcome, hash \
     FROM audit_log WHERE sequence >= $1 ORDER BY sequence LIMIT $2";

/// Where the chain in a table stands.
///
/// # Errors
/// When Postgres is away or the last row is not one that this version wrote.
pub async fn read_head(pool: &PgPool) -> Result<Head, LedgerError> {
    last(&mut *pool.acquire().await?).await
}

/// Up to [`PAGE_ROWS`] entries from a number on; none at the end.
///
/// # Errors
/// When Postgres is away or a row is not one that this version wrote.
pub async fn read_page(pool: &PgPool, from_sequence: u64) -> Result<Vec<Entry>, LedgerError> {
    page(pool, from_sequence, PAGE_ROWS).await
}

async fn page(pool: &PgPool, from: u64, limit: i64) -> Result<Vec<Entry>, LedgerError> {
    let Ok(from) = i64::try_from(from) else {
        return Ok(Vec::new());
    };
    let rows = sqlx::query(PAGE)
        .bind(from)
        .bind(limit)
        .fetch_all(pool)
        .await?;
    rows.iter().map(entry).collect()
}

/// Verifies the last rows of a table against each other.
pub(super) async fn check_tail(pool: &PgPool, rows: u64) -> Result<(), LedgerError> {
    let head = read_head(pool).await?;
    let first = head.count.saturating_sub(rows) + 1;
    let before = Head {
        count: first - 1,
        hash: hash_at(pool, first - 1).await?,
    };
    let mut verifier = Verifier::resume(before);
    for entry in page(pool, first, i64::try_from(rows).unwrap_or(i64::MAX)).await? {
        verifier.push(&entry)?;
    }
    verifier.finish()?;
    Ok(())
}

async fn hash_at(pool: &PgPool, sequence: u64) -> Result<B256, LedgerError> {
    let Some(number) = signed(sequence).filter(|number| *number > 0) else {
        return Ok(B256::ZERO);
    };
    let row = sqlx::query(HASH_AT)
        .bind(number)
        .fetch_optional(pool)
        .await?;
    let row = row.ok_or(Tampered::Sequence {
        expected: sequence,
        got: sequence + 1,
    })?;
    hash(&row, "hash", number)
}

/// The last row's place and hash.
pub(super) async fn last(connection: &mut PgConnection) -> Result<Head, LedgerError> {
    let Some(row) = sqlx::query(LAST).fetch_optional(connection).await? else {
        return Ok(Head::default());
    };
    let sequence: i64 = row.try_get("sequence")?;
    Ok(Head {
        count: unsigned(sequence, "sequence", sequence)?,
        hash: hash(&row, "hash", sequence)?,
    })
}

/// Whether entries are in the table, by the last one's hash, which covers them all.
pub(super) async fn holds(
    connection: &mut PgConnection,
    entries: &[Entry],
) -> Result<bool, LedgerError> {
    let Some(entry) = entries.last() else {
        return Ok(true);
    };
    let row = sqlx::query(HASH_AT)
        .bind(signed(entry.sequence))
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(false) };
    Ok(hash(&row, "hash", 0)? == entry.hash)
}

/// Inserts entries, all or none.
pub(super) async fn insert(
    connection: &mut PgConnection,
    entries: &[Entry],
) -> Result<(), LedgerError> {
    let column = |get: fn(&Entry) -> &str| entries.iter().map(|e| get(e).to_owned()).collect();
    let texts: [Vec<String>; 5] = [
        column(|e| &e.row.principal),
        column(|e| &e.row.session),
        column(|e| &e.row.method),
        column(|e| &e.row.resource),
        column(|e| &e.row.rule),
    ];
    let hashes = |get: fn(&Entry) -> B256| -> Vec<Vec<u8>> {
        entries.iter().map(|e| get(e).to_vec()).collect()
    };
    let numbers = |get: fn(&Entry) -> u64| -> Vec<Option<i64>> {
        entries.iter().map(|e| signed(get(e))).collect()
    };
    let outcomes: Vec<i16> = entries
        .iter()
        .map(|e| e.row.outcome.code().into())
        .collect();
    let mut query = sqlx::query(INSERT)
        .bind(numbers(|e| e.sequence))
        .bind(numbers(|e| e.row.time.0));
    for text in texts {
        query = query.bind(text);
    }
    let done = query
        .bind(hashes(|e| e.row.policy_version))
        .bind(hashes(|e| e.row.request_hash))
        .bind(outcomes)
        .bind(hashes(|e| e.hash))
        .execute(connection)
        .await?;
    if done.rows_affected() != entries.len() as u64 {
        return Err(LedgerError::unavailable(&"not every row was inserted"));
    }
    Ok(())
}

fn entry(row: &PgRow) -> Result<Entry, LedgerError> {
    let number: i64 = row.try_get("sequence")?;
    let outcome: i16 = row.try_get("outcome")?;
    let outcome = u8::try_from(outcome)
        .map_err(|error| error.to_string())
        .and_then(|code| Outcome::from_code(code).map_err(|error| error.to_string()))
        .map_err(|reason| LedgerError::Unreadable {
            sequence: number,
            reason,
        })?;
    Ok(Entry {
        sequence: unsigned(number, "sequence", number)?,
        row: Row {
            time: UnixMillis(unsigned(row.try_get("time_ms")?, "time_ms", number)?),
            principal: row.try_get("principal")?,
            session: row.try_get("session")?,
            method: row.try_get("method")?,
            resource: row.try_get("resource")?,
            rule: row.try_get("rule")?,
            policy_version: hash(row, "policy_version", number)?,
            request_hash: hash(row, "request_hash", number)?,
            outcome,
        },
        hash: hash(row, "hash", number)?,
    })
}

fn hash(row: &PgRow, column: &str, sequence: i64) -> Result<B256, LedgerError> {
    let bytes: &[u8] = row.try_get(column)?;
    B256::try_from(bytes).map_err(|_| LedgerError::Unreadable {
        sequence,
        reason: format!("`{column}` has {} bytes, 32 expected", bytes.len()),
    })
}

fn signed(number: u64) -> Option<i64> {
    i64::try_from(number).ok()
}

fn unsigned(number: i64, column: &str, sequence: i64) -> Result<u64, LedgerError> {
    u64::try_from(number).map_err(|_| LedgerError::Unreadable {
        sequence,
        reason: format!("`{column}` is negative"),
    })
}
