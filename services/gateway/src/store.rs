//! The gateway's own tables; nothing above this module knows SQL.

pub mod contracts;
pub mod logins;
pub mod principals;
pub mod sessions;
pub mod wallets;

use sha2::{Digest as _, Sha256};

/// SHA-256 of a secret that is kept hashed (SGW-7).
#[must_use]
pub fn secret_hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// Milliseconds as Postgres holds them.
pub(crate) fn to_millis(time: cloister_types::UnixMillis) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

/// Milliseconds from Postgres.
pub(crate) fn from_millis(millis: i64) -> cloister_types::UnixMillis {
    cloister_types::UnixMillis(u64::try_from(millis).unwrap_or(0))
}

/// A value in a row that the schema should have kept out.
pub(crate) fn corrupt(what: &'static str) -> sqlx::Error {
    sqlx::Error::Decode(format!("`{what}` does not have the form that the schema demands").into())
}
