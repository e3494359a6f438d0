//! The schema-version gate. Migrations run only when an operator says so (`<service> migrate`); a
//! service that finds any other version than its own refuses to start.

use std::collections::BTreeMap;

use sqlx::PgPool;
use sqlx::migrate::{MigrateError, Migrator};

/// Why the schema was refused.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// Migrations are missing, all of them in a new database.
    #[error(
        "the database lacks migration {version}; run the `migrate` command of this service first"
    )]
    Older {
        /// The first that is missing.
        version: i64,
    },
    /// The database has migrations that this program does not know.
    #[error(
        "the database has migration {version}, which this version of the service does not know; start a newer version"
    )]
    Newer {
        /// The first that is unknown.
        version: i64,
    },
    /// A migration was not the one this program holds under that number.
    #[error(
        "migration {version} in the database differs from the one in this program; the database belongs to another build"
    )]
    Changed {
        /// Its number.
        version: i64,
    },
    /// A migration failed half way.
    #[error("migration {version} did not finish; restore the database or repair it by hand")]
    Unfinished {
        /// Its number.
        version: i64,
    },
    /// Postgres failed.
    #[error("the database failed: {0}")]
    Sqlx(#[from] sqlx::Error),
    /// A migration failed.
    #[error("cannot migrate: {0}")]
    Migrate(#[from] MigrateError),
}

/// Applies the migrations that are missing; refuses a database that is ahead or differs.
///
/// # Errors
/// [`SchemaError`].
pub async fn migrate(pool: &PgPool, migrator: &Migrator) -> Result<(), SchemaError> {
    match require(pool, migrator).await {
        Ok(()) => return Ok(()),
        Err(SchemaError::Older { .. }) => {}
        Err(error) => return Err(error),
    }
    migrator.run(pool).await?;
    require(pool, migrator).await
}

/// Demands that exactly the migrations of `migrator` have been applied.
///
/// # Errors
/// [`SchemaError`], naming the first migration that differs.
pub async fn require(pool: &PgPool, migrator: &Migrator) -> Result<(), SchemaError> {
    let mut applied = applied(pool).await?;
    for known in migrator
        .iter()
        .filter(|migration| migration.migration_type.is_up_migration())
    {
        let version = known.version;
        match applied.remove(&version) {
            None => return Err(older_or_newer(version, &applied)),
            Some((_, false)) => return Err(SchemaError::Unfinished { version }),
            Some((checksum, true)) if checksum != *known.checksum => {
                return Err(SchemaError::Changed { version });
            }
            Some(_) => {}
        }
    }
    match applied.first_key_value() {
        Some((&version, _)) => Err(SchemaError::Newer { version }),
        None => Ok(()),
    }
}

/// A missing migration means an older database, unless it also holds a later one.
fn older_or_newer(version: i64, left: &BTreeMap<i64, (Vec<u8>, bool)>) -> SchemaError {
    match left.first_key_value() {
        Some((&unknown, _)) if unknown < version => SchemaError::Newer { version: unknown },
        _ => SchemaError::Older { version },
    }
}

/// Version → (checksum, finished) of what has been applied.
async fn applied(pool: &PgPool) -> Result<BTreeMap<i64, (Vec<u8>, bool)>, SchemaError> {
    let exists: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
        .fetch_one(pool)
        .await?;
    if !exists {
        return Ok(BTreeMap::new());
    }
    let rows: Vec<(i64, Vec<u8>, bool)> =
        sqlx::query_as("SELECT version, checksum, success FROM _sqlx_migrations")
            .fetch_all(pool)
            .await?;
    Ok(rows
        .into_iter()
        .map(|(version, checksum, done)| (version, (checksum, done)))
        .collect())
}
