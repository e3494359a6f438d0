//! Browser sessions, found by the hash of their cookie.

use cloister_types::UnixMillis;
use sqlx::PgPool;

use super::{from_millis, to_millis};

/// The last use is written at most this often, so that a page that polls does not write each time.
const TOUCH_EVERY_MS: u64 = 60_000;

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Issuer of the person.
    pub issuer: String,
    /// Subject at that issuer.
    pub subject: String,
    /// What the provider calls the person.
    pub name: String,
    /// Values of the configured claim.
    pub claims: Vec<String>,
    /// When the person logged in.
    pub began_at: UnixMillis,
    /// Absolute end.
    pub expires_at: UnixMillis,
}

/// Opens a session.
///
/// # Errors
/// The database.
pub async fn open(pool: &PgPool, token_hash: [u8; 32], session: &Session) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM sessions WHERE expires_at_ms <= $1")
        .bind(to_millis(session.began_at))
        .execute(pool)
        .await?;
    sqlx::query(
        "INSERT INTO sessions
           (token_hash, issuer, subject, name, claims, created_at_ms, last_used_at_ms, expires_at_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $6, $7)",
    )
    .bind(&token_hash[..])
    .bind(&session.issuer)
    .bind(&session.subject)
    .bind(&session.name)
    .bind(&session.claims)
    .bind(to_millis(session.began_at))
    .bind(to_millis(session.expires_at))
    .execute(pool)
    .await?;
    Ok(())
}

type Row = (String, String, String, Vec<String>, i64, i64, i64);

/// Finds a session that is neither past its end nor idle for longer than `idle_ms`, and notes the
/// use.
///
/// # Errors
/// The database.
pub async fn find(
    pool: &PgPool,
    token_hash: [u8; 32],
    now: UnixMillis,
    idle_ms: u64,
) -> sqlx::Result<Option<Session>> {
    let oldest_use = UnixMillis(now.0.saturating_sub(idle_ms));
    let row: Option<Row> = sqlx::query_as(
        "SELECT issuer, subject, name, claims, created_at_ms, expires_at_ms, last_used_at_ms
         FROM sessions
         WHERE token_hash = $1 AND expires_at_ms > $2 AND last_used_at_ms > $3",
    )
    .bind(&token_hash[..])
    .bind(to_millis(now))
    .bind(to_millis(oldest_use))
    .fetch_optional(pool)
    .await?;
    let Some((issuer, subject, name, claims, began_at, expires_at, last_used)) = row else {
        return Ok(None);
    };
    if now.0.saturating_sub(from_millis(last_used).0) > TOUCH_EVERY_MS.min(idle_ms / 2) {
        sqlx::query("UPDATE sessions SET last_used_at_ms = greatest(last_used_at_ms, $2) WHERE token_hash = $1")
            .bind(&token_hash[..])
            .bind(to_millis(now))
            .execute(pool)
            .await?;
    }
    Ok(Some(Session {
        issuer,
        subject,
        name,
        claims,
        began_at: from_millis(began_at),
        expires_at: from_millis(expires_at),
    }))
}

/// Ends a session; one that is gone already is no error.
///
/// # Errors
/// The database.
pub async fn close(pool: &PgPool, token_hash: [u8; 32]) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM sessions WHERE token_hash = $1")
        .bind(&token_hash[..])
        .execute(pool)
        .await?;
    Ok(())
}
