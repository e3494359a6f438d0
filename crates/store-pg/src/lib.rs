//! Postgres as the services use it: one pool per service, named transactions that may run twice,
//! bulk writes by COPY, and the gate that refuses a schema of another version.
//!
//! It refuses to know any service's tables, apart from the two modules that several share.
//!
//! ```text
//!  DatabaseSection ─▶ Database ─┬─ run_tx("name", …)  serializable, retried when Postgres says so
//!                               ├─ pool()             single statements
//!                               └─ CopyRows           many rows at once
//!  MIGRATOR ─▶ schema::migrate (only `<service> migrate`)     schema::require (every start)
//! ```
//!
//! ```no_run
//! # async fn example(section: &cloister_settings::DatabaseSection) -> Result<(), cloister_store_pg::StoreError> {
//! use cloister_store_pg::{Database, StoreError};
//!
//! let database = Database::connect(section).await?;
//! let one = database
//!     .run_tx::<i32, StoreError, _>("read_one", |tx| {
//!         Box::pin(async move { Ok(sqlx::query_scalar("SELECT 1").fetch_one(&mut **tx).await?) })
//!     })
//!     .await?;
//! # assert_eq!(one, 1);
//! # Ok(())
//! # }
//! ```

pub mod copy;
mod database;
pub mod ledger;
pub mod schema;
pub mod tree;

pub use database::{Database, MAX_ATTEMPTS, StoreError, Tx, TxFuture, is_retryable};
