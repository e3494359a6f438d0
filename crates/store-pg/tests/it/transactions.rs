//! Named transactions that may run twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cloister_store_pg::{Database, MAX_ATTEMPTS, StoreError};
use tokio::sync::Barrier;

use crate::Store;

async fn counter(database: &Database) -> i64 {
    sqlx::query_scalar("SELECT n FROM counter")
        .fetch_one(database.pool())
        .await
        .unwrap()
}

async fn with_counter(store: &Store) -> Database {
    let database = store.connect().await;
    for statement in [
        "CREATE TABLE counter (n bigint)",
        "INSERT INTO counter VALUES (0)",
    ] {
        sqlx::query(statement)
            .execute(database.pool())
            .await
            .unwrap();
    }
    database
}

/// Adds one to the counter; the first run waits at the barrier between reading and writing.
async fn add(
    barrier: Arc<Barrier>,
    runs: Arc<AtomicU32>,
    database: Database,
) -> Result<(), StoreError> {
    let (barrier, first) = (&barrier, &AtomicU32::new(0));
    database
        .run_tx("add_one", |tx| {
            runs.fetch_add(1, Ordering::SeqCst);
            Box::pin(async move {
                let n: i64 = sqlx::query_scalar("SELECT n FROM counter")
                    .fetch_one(&mut **tx)
                    .await?;
                if first.fetch_add(1, Ordering::SeqCst) == 0 {
                    barrier.wait().await;
                }
                sqlx::query("UPDATE counter SET n = $1")
                    .bind(n + 1)
                    .execute(&mut **tx)
                    .await?;
                Ok(())
            })
        })
        .await
}

#[tokio::test]
async fn a_conflict_runs_the_transaction_again_and_loses_no_update() {
    let store = Store::start().await;
    let database = with_counter(&store).await;
    // Both read before either writes: one of them must fail.
    let (barrier, runs) = (Arc::new(Barrier::new(2)), Arc::new(AtomicU32::new(0)));
    // In tasks of their own: what `run_tx` returns must be fit for that.
    let one = tokio::spawn(add(
        Arc::clone(&barrier),
        Arc::clone(&runs),
        database.clone(),
    ));
    let two = tokio::spawn(add(barrier, Arc::clone(&runs), database.clone()));
    one.await.unwrap().unwrap();
    two.await.unwrap().unwrap();
    assert_eq!(counter(&database).await, 2);
    assert!(runs.load(Ordering::SeqCst) >= 3);
}

#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("insufficient funds")]
    InsufficientFunds,
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[tokio::test]
async fn an_error_of_the_caller_rolls_back_and_is_not_tried_again() {
    let store = Store::start().await;
    let database = with_counter(&store).await;
    let mut runs = 0;
    let result: Result<(), Refused> = database
        .run_tx("spend", |tx| {
            runs += 1;
            Box::pin(async move {
                sqlx::query("UPDATE counter SET n = 9")
                    .execute(&mut **tx)
                    .await
                    .map_err(StoreError::from)?;
                Err(Refused::InsufficientFunds)
            })
        })
        .await;
    assert!(
        matches!(result, Err(Refused::InsufficientFunds)),
        "{result:?}"
    );
    assert_eq!(runs, 1);
    assert_eq!(counter(&database).await, 0);
}

#[tokio::test]
async fn gives_up_after_a_bounded_number_of_attempts() {
    let store = Store::start().await;
    let database = store.connect().await;
    let mut runs = 0;
    let result: Result<(), StoreError> = database
        .run_tx("always_conflicts", |tx| {
            runs += 1;
            Box::pin(async move {
                let conflict =
                    "DO $$ BEGIN RAISE EXCEPTION 'conflict' USING ERRCODE = '40001'; END $$";
                sqlx::query(conflict).execute(&mut **tx).await?;
                Ok(())
            })
        })
        .await;
    assert!(result.is_err());
    assert_eq!(runs, MAX_ATTEMPTS);
}

#[tokio::test]
async fn a_lost_connection_runs_the_transaction_again() {
    let store = Store::start().await;
    let database = with_counter(&store).await;
    let other = store.connect().await;
    let (other, mut runs) = (&other, 0);
    let result: Result<(), StoreError> = database
        .run_tx("add_one", |tx| {
            runs += 1;
            let first = runs == 1;
            Box::pin(async move {
                if first {
                    let own: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
                        .fetch_one(&mut **tx)
                        .await?;
                    let end = sqlx::query("SELECT pg_terminate_backend($1)").bind(own);
                    end.execute(other.pool()).await?;
                }
                sqlx::query("UPDATE counter SET n = n + 1")
                    .execute(&mut **tx)
                    .await?;
                Ok(())
            })
        })
        .await;
    result.unwrap();
    assert_eq!(counter(&database).await, 1);
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_not_told() {
    let store = Store::start().await;
    std::fs::write(store.section.password_file.path(), "not-the-password").unwrap();
    let error = Database::connect(&store.section).await.unwrap_err();
    assert!(
        !format!("{error} {error:?}").contains("not-the-password"),
        "{error:?}"
    );
}
