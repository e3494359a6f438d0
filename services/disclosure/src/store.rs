//! Grants and the register of packages in Postgres.

use cloister_authz::Principal;
use cloister_store_pg::Database;
use cloister_types::{Address, B256};
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row as _};
use uuid::Uuid;

use crate::app::error::AppError;
use crate::app::grant::{Auditor, Grant, NewGrant, Revocation};
use crate::app::scope::{Kind, Scope};

/// A package that was given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) id: Uuid,
    pub(crate) grant: Uuid,
    pub(crate) kind: Kind,
    /// Addresses whose data it shows.
    pub(crate) subject: Vec<Address>,
    pub(crate) what: String,
    pub(crate) batch: u64,
    /// SHA-256 of the file.
    pub(crate) digest: B256,
    /// UNIX seconds.
    pub(crate) at: u64,
}

/// The tables of this service.
#[derive(Debug, Clone)]
pub(crate) struct Grants {
    pool: PgPool,
}

const INSERT: &str = "INSERT INTO disclosure_grant (id, case_reference, legal_basis, \
     auditor_issuer, auditor_subject, scope, kinds, first_batch, last_batch, created_at, \
     created_by, expires_at) VALUES ($1::uuid, $2, $3, $4, $5, $6::jsonb, $7, $8, $9, $10, $11, $12)";
// Ids and scopes cross as text.
const COLUMNS: &str = "SELECT id::text, case_reference, legal_basis, auditor_issuer, \
     auditor_subject, scope::text, kinds, first_batch, last_batch, created_at, created_by, \
     expires_at, revoked_at, revoked_by FROM disclosure_grant";
const FIND: &str = "WHERE id = $1::uuid";
const NEWEST: &str = "ORDER BY created_at DESC, id LIMIT $1";
const OF_AUDITOR: &str =
    "WHERE auditor_issuer = $1 AND auditor_subject = $2 ORDER BY created_at DESC, id LIMIT $3";
// The first revocation stays.
const REVOKE: &str = "UPDATE disclosure_grant SET revoked_at = coalesce(revoked_at, $2), \
     revoked_by = coalesce(revoked_by, $3) WHERE id = $1::uuid";
const RECORD: &str = "INSERT INTO package (id, grant_id, kind, subject, what, batch, digest, \
     delivered_at) VALUES ($1::uuid, $2::uuid, $3, $4, $5, $6, $7, $8)";

impl Grants {
    pub(crate) fn new(database: &Database) -> Self {
        Self {
            pool: database.pool().clone(),
        }
    }

    pub(crate) async fn insert(&self, grant: &Grant) -> Result<(), AppError> {
        let Grant {
            id,
            terms,
            created_at,
            created_by,
            revocation: _,
        } = grant;
        let kinds: Vec<&str> = terms.kinds.iter().map(|kind| kind.as_str()).collect();
        let scope = serde_json::to_string(&terms.scope)
            .map_err(|error| AppError::Internal(error.into()))?;
        let last_batch = terms.last_batch.map(signed).transpose()?;
        sqlx::query(INSERT)
            .bind(id.to_string())
            .bind(&terms.case_reference)
            .bind(&terms.legal_basis)
            .bind(&terms.auditor.issuer)
            .bind(&terms.auditor.subject)
            .bind(scope)
            .bind(kinds)
            .bind(signed(terms.first_batch)?)
            .bind(last_batch)
            .bind(signed(*created_at)?)
            .bind(created_by)
            .bind(signed(terms.expires_at)?)
            .execute(&self.pool)
            .await
            .map_err(away)?;
        Ok(())
    }

    pub(crate) async fn find(&self, id: Uuid) -> Result<Option<Grant>, AppError> {
        let row = sqlx::query(select(FIND))
            .bind(id.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(away)?;
        row.as_ref().map(read).transpose()
    }

    pub(crate) async fn newest(&self, limit: u32) -> Result<Vec<Grant>, AppError> {
        let rows = sqlx::query(select(NEWEST))
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await;
        rows.map_err(away)?.iter().map(read).collect()
    }

    pub(crate) async fn of_auditor(
        &self,
        auditor: &Principal,
        limit: u32,
    ) -> Result<Vec<Grant>, AppError> {
        let rows = sqlx::query(select(OF_AUDITOR))
            .bind(&auditor.issuer)
            .bind(&auditor.subject)
            .bind(i64::from(limit))
            .fetch_all(&self.pool)
            .await;
        rows.map_err(away)?.iter().map(read).collect()
    }

    /// Whether there is such a grant.
    pub(crate) async fn revoke(&self, id: Uuid, by: &Revocation) -> Result<bool, AppError> {
        let done = sqlx::query(REVOKE)
            .bind(id.to_string())
            .bind(signed(by.at)?)
            .bind(&by.by)
            .execute(&self.pool)
            .await
            .map_err(away)?;
        match done.rows_affected() {
            0 => Ok(false),
            1 => Ok(true),
            rows => Err(AppError::Internal(anyhow::anyhow!(
                "revoked {rows} grants at once"
            ))),
        }
    }

    pub(crate) async fn record(&self, delivery: &Delivery) -> Result<(), AppError> {
        let Delivery {
            id,
            grant,
            kind,
            subject,
            what,
            batch,
            digest,
            at,
        } = delivery;
        let subject: Vec<&[u8]> = subject.iter().map(|address| address.as_slice()).collect();
        sqlx::query(RECORD)
            .bind(id.to_string())
            .bind(grant.to_string())
            .bind(kind.as_str())
            .bind(subject)
            .bind(what)
            .bind(signed(*batch)?)
            .bind(digest.as_slice())
            .bind(signed(*at)?)
            .execute(&self.pool)
            .await
            .map_err(away)?;
        Ok(())
    }
}

fn select(rest: &'static str) -> sqlx::AssertSqlSafe<String> {
    // Both parts are constants of this file.
    sqlx::AssertSqlSafe(format!("{COLUMNS} {rest}"))
}

fn away(error: sqlx::Error) -> AppError {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => {
            AppError::Unavailable(error.into())
        }
        sqlx::Error::Database(ref cause)
            if cause.code().is_some_and(|code| code.starts_with("57P")) =>
        {
            AppError::Unavailable(error.into())
        }
        other => AppError::Internal(other.into()),
    }
}

fn signed(value: u64) -> Result<i64, AppError> {
    i64::try_from(value).map_err(|error| AppError::Internal(error.into()))
}

fn unsigned(value: i64) -> Result<u64, AppError> {
    u64::try_from(value).map_err(|error| AppError::Internal(error.into()))
}

fn read(row: &PgRow) -> Result<Grant, AppError> {
    let broken = |error: anyhow::Error| AppError::Internal(error);
    let raw = Raw::from_row(row).map_err(|error| broken(error.into()))?;
    let id = raw
        .id
        .parse()
        .map_err(|error: uuid::Error| broken(error.into()))?;
    let scope: Scope = serde_json::from_str(&raw.scope).map_err(|error| broken(error.into()))?;
    let kinds = raw.kinds.iter().map(|name| {
        let unknown = || AppError::Internal(anyhow::anyhow!("unknown kind `{name}` in a grant"));
        Kind::parse(name).ok_or_else(unknown)
    });
    let revocation = match (raw.revoked_at, raw.revoked_by) {
        (Some(at), Some(by)) => Some(Revocation {
            at: unsigned(at)?,
            by,
        }),
        _ => None,
    };
    Ok(Grant {
        id,
        terms: NewGrant {
            case_reference: raw.case_reference,
            legal_basis: raw.legal_basis,
            auditor: Auditor {
                issuer: raw.auditor_issuer,
                subject: raw.auditor_subject,
            },
            scope,
            kinds: kinds.collect::<Result<_, _>>()?,
            first_batch: unsigned(raw.first_batch)?,
            last_batch: raw.last_batch.map(unsigned).transpose()?,
            expires_at: unsigned(raw.expires_at)?,
        },
        created_at: unsigned(raw.created_at)?,
        created_by: raw.created_by,
        revocation,
    })
}

/// A row as Postgres holds it.
struct Raw {
    id: String,
    case_reference: String,
    legal_basis: String,
    auditor_issuer: String,
    auditor_subject: String,
    scope: String,
    kinds: Vec<String>,
    first_batch: i64,
    last_batch: Option<i64>,
    created_at: i64,
    created_by: String,
    expires_at: i64,
    revoked_at: Option<i64>,
    revoked_by: Option<String>,
}

impl Raw {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            case_reference: row.try_get("case_reference")?,
            legal_basis: row.try_get("legal_basis")?,
            auditor_issuer: row.try_get("auditor_issuer")?,
            auditor_subject: row.try_get("auditor_subject")?,
            scope: row.try_get("scope")?,
            kinds: row.try_get("kinds")?,
            first_batch: row.try_get("first_batch")?,
            last_batch: row.try_get("last_batch")?,
            created_at: row.try_get("created_at")?,
            created_by: row.try_get("created_by")?,
            expires_at: row.try_get("expires_at")?,
            revoked_at: row.try_get("revoked_at")?,
            revoked_by: row.try_get("revoked_by")?,
        })
    }
}
