//! Wallets and the challenges by which they are linked.

use alloy_primitives::Address;
use cloister_types::UnixMillis;
use sqlx::PgPool;

use super::to_millis;

/// Most challenges that one principal may hold open.
const MAX_OPEN_CHALLENGES: i64 = 20;

/// Why a wallet was not linked.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The nonce was never given to this principal, was used, or has expired.
    #[error("the nonce is unknown, used or expired: ask for a new challenge")]
    Nonce,
    /// It belongs to somebody (perhaps to this principal) already.
    #[error("the wallet is linked already")]
    Taken,
    /// The principal holds as many wallets as it may.
    #[error("no more than {limit} wallets can be linked: unlink one first")]
    TooMany {
        /// The limit.
        limit: u32,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] sqlx::Error),
}

/// Notes a nonce that was given to a principal. `Ok(false)`: it holds too many open ones.
///
/// # Errors
/// The database.
pub async fn add_challenge(
    pool: &PgPool,
    (issuer, subject): (&str, &str),
    nonce_hash: [u8; 32],
    now: UnixMillis,
    expires_at: UnixMillis,
) -> sqlx::Result<bool> {
    sqlx::query("DELETE FROM wallet_challenges WHERE expires_at_ms <= $1")
        .bind(to_millis(now))
        .execute(pool)
        .await?;
    let added = sqlx::query(
        "INSERT INTO wallet_challenges (nonce_hash, issuer, subject, expires_at_ms)
         SELECT $1, $2, $3, $4 WHERE
           (SELECT count(*) FROM wallet_challenges WHERE issuer = $2 AND subject = $3) < $5",
    )
    .bind(&nonce_hash[..])
    .bind(issuer)
    .bind(subject)
    .bind(to_millis(expires_at))
    .bind(MAX_OPEN_CHALLENGES)
    .execute(pool)
    .await?;
    Ok(added.rows_affected() == 1)
}

/// Uses up a nonce and links a wallet, in one statement. The nonce is used up whatever comes of it.
///
/// # Errors
/// [`LinkError`].
pub async fn link(
    pool: &PgPool,
    (issuer, subject): (&str, &str),
    nonce_hash: [u8; 32],
    wallet: Address,
    now: UnixMillis,
    limit: u32,
) -> Result<(), LinkError> {
    let (used, held, linked): (i64, i64, i64) = sqlx::query_as(
        "WITH used AS (
           DELETE FROM wallet_challenges
           WHERE nonce_hash = $1 AND issuer = $2 AND subject = $3 AND expires_at_ms > $4
           RETURNING 1
         ), held AS (
           SELECT count(*) AS n FROM wallets WHERE issuer = $2 AND subject = $3
         ), linked AS (
           INSERT INTO wallets (address, issuer, subject, linked_at_ms)
           SELECT $5, $2, $3, $4 FROM used, held WHERE held.n < $6
           ON CONFLICT (address) DO NOTHING RETURNING 1
         )
         SELECT (SELECT count(*) FROM used), (SELECT n FROM held), (SELECT count(*) FROM linked)",
    )
    .bind(&nonce_hash[..])
    .bind(issuer)
    .bind(subject)
    .bind(to_millis(now))
    .bind(wallet.as_slice())
    .bind(i64::from(limit))
    .fetch_one(pool)
    .await?;
    match (used, linked) {
        (0, _) => Err(LinkError::Nonce),
        (_, 0) if held >= i64::from(limit) => Err(LinkError::TooMany { limit }),
        (_, 0) => Err(LinkError::Taken),
        _ => Ok(()),
    }
}

/// Unlinks a wallet of this principal. `Ok(false)`: it has no such wallet.
///
/// # Errors
/// The database.
pub async fn unlink(
    pool: &PgPool,
    (issuer, subject): (&str, &str),
    wallet: Address,
) -> sqlx::Result<bool> {
    let gone =
        sqlx::query("DELETE FROM wallets WHERE address = $1 AND issuer = $2 AND subject = $3")
            .bind(wallet.as_slice())
            .bind(issuer)
            .bind(subject)
            .execute(pool)
            .await?;
    Ok(gone.rows_affected() == 1)
}
