//! The prover's tables. SQL lives here and nowhere else.

mod artefacts;
mod batches;
mod convert;
mod intents;
mod jobs;
mod operator;
mod progress;
mod proofs;
mod proving;
mod prune;
mod target;

pub(crate) use artefacts::ArtefactRow;
pub(crate) use jobs::{Fate, Patience, Takes};
pub(crate) use operator::{JobFilter, JobRow, Refusal};
pub(crate) use progress::{Backlog, Pace, ProvingRow, StageRow};
pub(crate) use proving::{Completed, WantedInput};

use cloister_store_pg::Database;
use sqlx::migrate::Migrator;

/// The tables as this program knows them.
pub(crate) static MIGRATOR: Migrator = sqlx::migrate!("../../migrations/prover");

/// Why the database gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// Postgres failed.
    #[error(transparent)]
    Database(#[from] cloister_store_pg::StoreError),
    /// A row does not hold what it must hold.
    #[error("the database holds a damaged row: {0}; restore it from a backup")]
    Damaged(String),
    /// The database belongs to another installation.
    #[error(
        "the database belongs to {found}, and the configuration names {configured}: use the \
         database of this installation or an empty one"
    )]
    OtherInstallation {
        /// What the database was made for.
        found: String,
        /// What the configuration says.
        configured: String,
    },
    /// The sequencer gave a batch that does not follow the last one here.
    #[error("batch {number} is here already with another hash")]
    OtherBatch {
        /// The batch.
        number: u64,
    },
    /// Another process wrote what this one meant to write.
    #[error("another prover works on the same database; run only one")]
    NotAlone,
    /// A number is beyond 63 bits.
    #[error("a number is too large to be stored")]
    TooLarge,
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

/// The prover's database. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    database: Database,
}

impl Store {
    /// Over a connected database of the right schema version.
    pub(crate) const fn new(database: Database) -> Self {
        Self { database }
    }
}
