//! The schema-version gate.

use std::borrow::Cow;

use cloister_store_pg::schema::{self, SchemaError};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr as _};

use crate::Store;

/// Migrations by number and text.
fn migrator(migrations: &[(i64, &str)]) -> Migrator {
    let migrations: Vec<Migration> = migrations
        .iter()
        .map(|(version, text)| {
            Migration::new(
                *version,
                Cow::Borrowed("test"),
                MigrationType::Simple,
                AssertSqlSafe((*text).to_owned()).into_sql_str(),
                false,
            )
        })
        .collect();
    Migrator {
        migrations: Cow::Owned(migrations),
        ..Migrator::DEFAULT
    }
}

const ONE: (i64, &str) = (1, "CREATE TABLE one (a bigint)");
const TWO: (i64, &str) = (2, "CREATE TABLE two (a bigint)");

#[tokio::test]
async fn demands_exactly_the_known_migrations() {
    // Defends SPF-7.
    let store = Store::start().await;
    let database = store.connect().await;
    let pool = database.pool();
    let (old, new) = (migrator(&[ONE]), migrator(&[ONE, TWO]));

    let empty = schema::require(pool, &old).await;
    assert!(
        matches!(empty, Err(SchemaError::Older { version: 1 })),
        "{empty:?}"
    );
    schema::migrate(pool, &old).await.unwrap();
    schema::require(pool, &old).await.unwrap();
    let behind = schema::require(pool, &new).await;
    assert!(
        matches!(behind, Err(SchemaError::Older { version: 2 })),
        "{behind:?}"
    );

    schema::migrate(pool, &new).await.unwrap();
    schema::migrate(pool, &new).await.unwrap();
    schema::require(pool, &new).await.unwrap();
    let ahead = schema::require(pool, &old).await;
    assert!(
        matches!(ahead, Err(SchemaError::Newer { version: 2 })),
        "{ahead:?}"
    );
    let back = schema::migrate(pool, &old).await;
    assert!(
        matches!(back, Err(SchemaError::Newer { version: 2 })),
        "{back:?}"
    );
}

#[tokio::test]
async fn refuses_a_migration_that_was_changed_afterwards() {
    // Defends SPF-7.
    let store = Store::start().await;
    let database = store.connect().await;
    schema::migrate(database.pool(), &migrator(&[ONE]))
        .await
        .unwrap();
    let edited = migrator(&[(1, "CREATE TABLE one (a bigint, b bigint)")]);
    for result in [
        schema::require(database.pool(), &edited).await,
        schema::migrate(database.pool(), &edited).await,
    ] {
        assert!(
            matches!(result, Err(SchemaError::Changed { version: 1 })),
            "{result:?}"
        );
    }
}

#[tokio::test]
async fn a_migration_that_fails_leaves_the_database_as_it_was() {
    let store = Store::start().await;
    let database = store.connect().await;
    schema::migrate(database.pool(), &migrator(&[ONE]))
        .await
        .unwrap();
    let broken = migrator(&[
        ONE,
        (2, "CREATE TABLE two (a bigint); SELECT no_such_function()"),
    ]);
    let failed = schema::migrate(database.pool(), &broken).await;
    assert!(matches!(failed, Err(SchemaError::Migrate(_))), "{failed:?}");
    schema::require(database.pool(), &migrator(&[ONE]))
        .await
        .unwrap();
}
