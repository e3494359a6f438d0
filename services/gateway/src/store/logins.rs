//! Browser logins that are at the identity provider.

use cloister_types::UnixMillis;
use sqlx::PgPool;

use super::to_millis;

/// What must be remembered until a login comes back.
#[derive(Debug, Clone)]
pub struct Pending {
    /// What the ID token must repeat.
    pub nonce: String,
    /// PKCE code verifier.
    pub code_verifier: String,
}

/// Notes a login; drops those that never came back.
///
/// # Errors
/// The database.
pub async fn add(
    pool: &PgPool,
    state_hash: [u8; 32],
    browser_hash: [u8; 32],
    pending: &Pending,
    now: UnixMillis,
    expires_at: UnixMillis,
) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM logins WHERE expires_at_ms <= $1")
        .bind(to_millis(now))
        .execute(pool)
        .await?;
    sqlx::query(
        "INSERT INTO logins (state_hash, browser_hash, nonce, code_verifier, expires_at_ms)
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(&state_hash[..])
    .bind(&browser_hash[..])
    .bind(&pending.nonce)
    .bind(&pending.code_verifier)
    .bind(to_millis(expires_at))
    .execute(pool)
    .await?;
    Ok(())
}

/// Takes the login that belongs to `state` and this browser; it cannot be taken twice.
///
/// # Errors
/// The database.
pub async fn take(
    pool: &PgPool,
    state_hash: [u8; 32],
    browser_hash: [u8; 32],
    now: UnixMillis,
) -> sqlx::Result<Option<Pending>> {
    let row: Option<(String, String)> = sqlx::query_as(
        "DELETE FROM logins WHERE state_hash = $1 AND browser_hash = $2 AND expires_at_ms > $3
         RETURNING nonce, code_verifier",
    )
    .bind(&state_hash[..])
    .bind(&browser_hash[..])
    .bind(to_millis(now))
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|(nonce, code_verifier)| Pending {
        nonce,
        code_verifier,
    }))
}
