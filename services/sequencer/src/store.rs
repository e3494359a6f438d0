//! The sequencer's database: the only module that speaks SQL.
//!
//! Reads answer application types; writes are two transactions, one per block and one per sealed
//! batch, each all or nothing and each only under the current writer term (SSQ-3).

mod audit;
mod batches;
mod blocks;
mod convert;
mod genesis;
mod load;
mod logs;
mod proofs;

use cloister_state_tree::TreeError;
use cloister_store_pg::{
    Database,
    tree::{PageReadError, PgPageStore},
};
use cloister_types::DecodeError;
use tokio::runtime::Handle;

pub(crate) use batches::SealedBatch;
pub(crate) use genesis::GenesisRows;
pub(crate) use load::LeafRow;
pub(crate) use logs::FoundLogs;
pub(crate) use proofs::OpeningRow;

/// Why the database could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// Postgres or the way to it failed.
    #[error("the database failed")]
    Sqlx(#[from] sqlx::Error),
    /// Another process writes to this chain.
    #[error("another sequencer has taken over this database: this one must stop")]
    Fenced,
    /// A row does not hold what the schema promises.
    #[error("the database holds `{what}` in a form that this version does not know")]
    Corrupt {
        /// Column or encoding.
        what: &'static str,
    },
    /// An encoding cannot be read.
    #[error("the database holds an encoding that cannot be read")]
    Encoding(#[from] DecodeError),
    /// A number is at or above 2^63.
    #[error("`{value}` is too large for the database: it must be below 2^63")]
    OutOfRange {
        /// The number.
        value: u64,
    },
}

impl StoreError {
    /// Whether waiting and trying again may help: the server is away, restarting or out of some
    /// resource, or two transactions met.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Sqlx(error) => is_transient(error),
            Self::Fenced | Self::Corrupt { .. } | Self::Encoding(_) | Self::OutOfRange { .. } => {
                false
            }
        }
    }

    /// Whether a row with this key is there already.
    pub(crate) fn is_duplicate(&self) -> bool {
        matches!(self, Self::Sqlx(sqlx::Error::Database(error)) if error.is_unique_violation())
    }
}

/// Whether the server is away, restarting or out of some resource, or two transactions met.
fn is_transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            ["08", "25P", "40", "53", "55", "57", "58"]
                .iter()
                .any(|class| code.starts_with(class))
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => true,
        _ => false,
    }
}

/// Whether a failed read of the state tree may succeed later.
pub(crate) fn tree_is_transient(error: &TreeError<PageReadError>) -> bool {
    match error {
        TreeError::Store(PageReadError::Database(error)) => is_transient(error),
        TreeError::Store(PageReadError::TimedOut(_) | PageReadError::ShuttingDown) => true,
        _ => false,
    }
}

/// The database of one chain. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    database: Database,
}

impl Store {
    /// The store in `database`, whose schema was checked.
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// The state tree's pages, read through connections that `runtime` drives.
    pub(crate) fn pages(&self, runtime: Handle) -> PgPageStore {
        PgPageStore::new(self.pool().clone(), runtime)
    }

    fn pool(&self) -> &sqlx::PgPool {
        self.database.pool()
    }
}

/// Fails unless this process still holds the writer term; keeps others from taking it until the
/// transaction ends.
async fn fence(tx: &mut sqlx::PgConnection, term: i64) -> Result<(), StoreError> {
    let held: Option<i32> =
        sqlx::query_scalar("select 1 from chain where writer_term = $1 for share")
            .bind(term)
            .fetch_optional(tx)
            .await?;
    held.map(|_| ()).ok_or(StoreError::Fenced)
}
