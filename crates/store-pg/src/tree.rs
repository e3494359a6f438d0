//! The state tree's pages in Postgres.
//!
//! Table `tree_page` ([`MIGRATION_SQL`]) holds one row for each batch that changed a
//! page; rows are never updated. A version is written with everything else of its batch in one
//! transaction of the caller ([`write_pages`]), and read back by [`PgPageStore`] from connections of
//! its own: rows of older versions never change, so reading needs no transaction.
//!
//! ```text
//!  Tree::update (blocking thread) ──► PgPageStore::read_pages ──► task on the runtime ──► Postgres
//!        │                                   waits for the answer, at most 30 s
//!        └──► TreeUpdate ──► write_pages (COPY, in the batch's transaction) ──► Tree::commit
//! ```
//!
//! The tree is synchronous: run `update`, `prove` and `multiproof` by
//! `tokio::task::spawn_blocking`, never on a thread that drives the runtime itself; there the wait
//! ends with [`PageReadError::TimedOut`].

use crate::copy::CopyRows;
use cloister_state_tree::{Page, PageError, PageId, PageStore, TreeUpdate};
use sqlx::{PgConnection, PgPool};
use std::collections::HashMap;
use std::sync::mpsc;
use std::time::Duration;
use tokio::runtime::Handle;

/// The table with its comments. The service that keeps a tree has this text in a migration.
pub const MIGRATION_SQL: &str = include_str!("../sql/tree.sql");

/// How long a read of pages may take unless set otherwise.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Newest rows at or below a version, with the position of the page that was asked for.
const READ: &str = "\
    SELECT wanted.position, newest.content \
    FROM unnest($2::bytea[]) WITH ORDINALITY AS wanted (page, position) \
    CROSS JOIN LATERAL ( \
        SELECT content FROM tree_page WHERE tree_page.page = wanted.page AND version <= $1 \
        ORDER BY version DESC LIMIT 1 \
    ) AS newest";

/// Rows that were superseded by one of the versions after `$1` up to `$2`.
const PRUNE: &str = "\
    DELETE FROM tree_page AS old USING tree_page AS new \
    WHERE new.version > $1 AND new.version <= $2 AND old.page = new.page AND old.version < new.version";

/// Reads the state tree's pages from Postgres.
#[derive(Clone, Debug)]
pub struct PgPageStore {
    pool: PgPool,
    runtime: Handle,
    timeout: Duration,
}

/// Why pages could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PageReadError {
    /// Postgres or the way to it failed.
    #[error("the database failed to read tree pages")]
    Database(#[from] sqlx::Error),
    /// The database did not answer in time.
    #[error("the database did not answer a read of tree pages within {0:?}")]
    TimedOut(Duration),
    /// The runtime that drives the connections is shutting down.
    #[error("tree pages cannot be read while the service shuts down")]
    ShuttingDown,
    /// A stored page is damaged.
    #[error("page {id} of the state tree is damaged in the database")]
    Damaged {
        /// The page.
        id: PageId,
        /// What is wrong with it.
        #[source]
        source: PageError,
    },
    /// Versions in the database end at 2^63 - 1.
    #[error("version {0} is too great for the database")]
    VersionTooGreat(u64),
}

impl PgPageStore {
    /// A store over a pool whose connections the given runtime drives.
    #[must_use]
    pub const fn new(pool: PgPool, runtime: Handle) -> Self {
        Self {
            pool,
            runtime,
            timeout: READ_TIMEOUT,
        }
    }

    /// The same store with another limit on the time that one read may take.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Stored bytes of pages by their position in `ids`, counted from 1.
    fn read(&self, version: i64, ids: &[PageId]) -> Result<Vec<(i64, Vec<u8>)>, PageReadError> {
        let names: Vec<Vec<u8>> = ids.iter().map(PageId::to_bytes).collect();
        let pool = self.pool.clone();
        let (answer, answered) = mpsc::sync_channel(1);
        let task = self.runtime.spawn(async move {
            let rows = sqlx::query_as::<_, (i64, Vec<u8>)>(READ)
                .bind(version)
                .bind(names)
                .fetch_all(&pool)
                .await;
            // Whoever waited may have given up; then nobody needs the rows.
            answer.send(rows).ok();
        });
        match answered.recv_timeout(self.timeout) {
            Ok(rows) => Ok(rows?),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                task.abort();
                Err(PageReadError::TimedOut(self.timeout))
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(PageReadError::ShuttingDown),
        }
    }
}

impl PageStore for PgPageStore {
    type Error = PageReadError;

    fn read_pages(&self, version: u64, ids: &[PageId]) -> Result<Vec<Option<Page>>, PageReadError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let version = row_version(version).ok_or(PageReadError::VersionTooGreat(version))?;
        let mut stored: HashMap<i64, Vec<u8>> = self.read(version, ids)?.into_iter().collect();
        let mut decode = |(position, id): (i64, &PageId)| {
            let bytes = stored.remove(&position);
            bytes
                .map(|bytes| Page::decode(id, &bytes))
                .transpose()
                .map_err(|source| PageReadError::Damaged { id: *id, source })
        };
        (1..).zip(ids).map(&mut decode).collect()
    }
}

fn row_version(version: u64) -> Option<i64> {
    i64::try_from(version).ok()
}

/// Writes the pages of an update, in the transaction that writes its batch.
///
/// Only afterwards may the update be committed to the tree.
///
/// # Errors
/// Postgres' own: among them a violated primary key when the version was written before.
pub async fn write_pages(
    connection: &mut PgConnection,
    update: &TreeUpdate,
) -> Result<(), sqlx::Error> {
    let version = row_version(update.version()).ok_or_else(|| {
        sqlx::Error::Protocol(format!(
            "version {} is too great for a row",
            update.version()
        ))
    })?;
    let mut rows = CopyRows::new(3);
    for (id, page) in update.pages() {
        rows.row()
            .bytes(&id.to_bytes())
            .i64(version)
            .bytes(&page.encode());
    }
    rows.write(connection, "tree_page (page, version, content)")
        .await
}

/// Forgets what no version from `oldest` on needs; answers how many rows went.
///
/// `oldest_before` is the oldest version that was retained up to now (0 at first): only pages written
/// after it are looked at, so the work is that of the batches in between. Versions below `oldest`
/// cannot be read any more; versions from `oldest` on are untouched (STREE-6).
///
/// # Errors
/// Postgres' own.
pub async fn prune(
    connection: &mut PgConnection,
    oldest_before: u64,
    oldest: u64,
) -> Result<u64, sqlx::Error> {
    // A bound beyond all rows means the same as the greatest one.
    let row = |version| row_version(version).unwrap_or(i64::MAX);
    let done = sqlx::query(PRUNE)
        .bind(row(oldest_before))
        .bind(row(oldest))
        .execute(connection)
        .await?;
    Ok(done.rows_affected())
}
