//! What is looked up of a principal with every request, and revocation of its sessions and tokens.

use std::collections::BTreeSet;

use alloy_primitives::Address;
use cloister_types::UnixMillis;
use sqlx::PgPool;

use super::{corrupt, from_millis, to_millis};

/// What holds for a principal now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its wallets.
    pub wallets: BTreeSet<Address>,
    /// When its sessions and tokens were revoked last, if ever.
    pub revoked_at: Option<UnixMillis>,
}

/// What holds for a principal, in one round trip and never from memory, so that a revocation holds
/// for the next request in every process (SGW-17).
///
/// # Errors
/// The database.
pub async fn standing(pool: &PgPool, (issuer, subject): (&str, &str)) -> sqlx::Result<Standing> {
    let (revoked_at, wallets): (Option<i64>, Vec<Vec<u8>>) = sqlx::query_as(
        "SELECT (SELECT revoked_at_ms FROM revocations WHERE issuer = $1 AND subject = $2),
                ARRAY(SELECT address FROM wallets WHERE issuer = $1 AND subject = $2)",
    )
    .bind(issuer)
    .bind(subject)
    .fetch_one(pool)
    .await?;
    let wallets = wallets
        .iter()
        .map(|row| Address::try_from(row.as_slice()).map_err(|_| corrupt("wallets.address")));
    Ok(Standing {
        wallets: wallets.collect::<sqlx::Result<_>>()?,
        revoked_at: revoked_at.map(from_millis),
    })
}

/// Revokes what the principal holds, in one statement; how many browser sessions were ended.
///
/// # Errors
/// The database.
pub async fn revoke(
    pool: &PgPool,
    (issuer, subject): (&str, &str),
    (by_issuer, by_subject): (&str, &str),
    now: UnixMillis,
) -> sqlx::Result<i64> {
    sqlx::query_scalar(
        "WITH noted AS (
           INSERT INTO revocations (issuer, subject, revoked_at_ms, by_issuer, by_subject)
           VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT (issuer, subject) DO UPDATE
             SET revoked_at_ms = greatest(revocations.revoked_at_ms, excluded.revoked_at_ms),
                 by_issuer = excluded.by_issuer, by_subject = excluded.by_subject
         ), ended AS (
           DELETE FROM sessions WHERE issuer = $1 AND subject = $2 RETURNING 1
         )
         SELECT count(*) FROM ended",
    )
    .bind(issuer)
    .bind(subject)
    .bind(to_millis(now))
    .bind(by_issuer)
    .bind(by_subject)
    .fetch_one(pool)
    .await
}
