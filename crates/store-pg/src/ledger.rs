//! The audit ledger in Postgres: rows of [`cloister_audit`] with group commit.
//!
//! One task writes. Requests that arrive while a commit is under way wait together and share the
//! next one, so the cost of durability is paid per commit, not per row. [`Ledger::append`] answers
//! only once its row is durable (SAU-2); when Postgres is away it fails, and the request that the row
//! is about must then fail too (SAU-3).
//!
//! ```text
//!  append ─┐                       ┌─ BEGIN · lock · last row · insert many · COMMIT
//!  append ─┼─► bounded queue ─► writer ─► one answer each
//!  append ─┘
//! ```
//!
//! Several processes may share one table: each commit takes a lock, reads the last row and goes on
//! from there, so the chain never forks (SAU-4). A row may be in the ledger although `append` failed
//! (the connection was lost between commit and answer); never the other way round.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cloister_audit::{Chain, Entry, Head, Row, Tampered};
use sqlx::{Connection as _, PgPool};
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

mod table;

pub use table::{PAGE_ROWS, read_head, read_page};

/// The table, its comments and the trigger that refuses changes. Every service that keeps a ledger
/// has this text in one of its migrations.
pub const MIGRATION_SQL: &str = include_str!("ledger/audit_log.sql");

/// Key of the lock that a writer holds during one commit ("audit" in ASCII).
const LOCK_SQL: &str =
    "SET LOCAL synchronous_commit TO on; SELECT pg_advisory_xact_lock(418597284212)";
/// A commit is tried again once, because the first may fail on a connection that died unnoticed.
const ATTEMPTS: u32 = 2;
/// How many of the last rows are verified when a ledger is opened.
const CHECKED_ROWS: u64 = 100;

/// Bounds of a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerLimits {
    /// Rows that may wait.
    pub queue_rows: usize,
    /// Rows in one commit.
    pub batch_rows: usize,
    /// How long `append` waits in all.
    pub append_timeout: Duration,
    /// How long one try of a commit may take.
    pub write_timeout: Duration,
}

impl Default for LedgerLimits {
    /// 8,192 rows waiting, 1,000 in a commit, 5 s for an append, 2 s for a try.
    fn default() -> Self {
        Self {
            queue_rows: 8192,
            batch_rows: 1000,
            append_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(2),
        }
    }
}

/// Why a row was not written, or a ledger not read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LedgerError {
    /// Postgres did not confirm the row in time.
    #[error("the audit ledger is not available: {reason}; nothing is answered without it")]
    Unavailable {
        /// What went wrong, for operators.
        reason: Arc<str>,
    },
    /// More rows wait than the limit.
    #[error("the audit ledger is behind; try again in a moment")]
    Overloaded,
    /// The ledger was closed.
    #[error("the audit ledger is closed; the service is stopping")]
    Closed,
    /// The rows in the table are not a chain.
    #[error("the audit ledger was tampered with: {0}")]
    Tampered(#[from] Tampered),
    /// A row in the table is not one that this version wrote.
    #[error("row {sequence} of the audit ledger cannot be read: {reason}")]
    Unreadable {
        /// Its number.
        sequence: i64,
        /// What is wrong with it.
        reason: String,
    },
}

impl LedgerError {
    fn unavailable(error: &impl ToString) -> Self {
        Self::Unavailable {
            reason: error.to_string().into(),
        }
    }
}

impl From<sqlx::Error> for LedgerError {
    fn from(error: sqlx::Error) -> Self {
        Self::unavailable(&error)
    }
}

struct Job {
    row: Row,
    answer: oneshot::Sender<Result<Entry, LedgerError>>,
}

/// A ledger that is open for writing. Cheap to clone; the writer ends when the last clone is
/// dropped, or by [`Ledger::close`].
#[derive(Clone, Debug)]
pub struct Ledger {
    jobs: mpsc::Sender<Job>,
    pool: PgPool,
    limits: LedgerLimits,
    healthy: Arc<AtomicBool>,
    stop: watch::Sender<bool>,
    writer: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Ledger {
    /// Opens the table `audit_log` behind `pool`, verifies its last rows and starts the writer.
    /// `name` labels the metrics, e.g. `gateway`.
    ///
    /// # Errors
    /// When Postgres is away or the last rows are not a chain.
    pub async fn open(
        name: &'static str,
        pool: PgPool,
        limits: LedgerLimits,
    ) -> Result<Self, LedgerError> {
        table::check_tail(&pool, CHECKED_ROWS).await?;
        let (jobs, queue) = mpsc::channel(limits.queue_rows.max(1));
        let healthy = Arc::new(AtomicBool::new(true));
        let writer = Writer {
            name,
            pool: pool.clone(),
            limits,
            healthy: Arc::clone(&healthy),
        };
        let (stop, stopped) = watch::channel(false);
        let writer = Arc::new(Mutex::new(Some(tokio::spawn(writer.run(queue, stopped)))));
        Ok(Self {
            jobs,
            pool,
            limits,
            healthy,
            stop,
            writer,
        })
    }

    /// Appends a row, cleaned by [`Row::clean`], and returns once it is durable.
    ///
    /// # Errors
    /// When it is not known to be durable within the limit, or too many rows wait.
    pub async fn append(&self, row: Row) -> Result<Entry, LedgerError> {
        let (answer, answered) = oneshot::channel();
        self.jobs
            .try_send(Job { row, answer })
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => LedgerError::Overloaded,
                mpsc::error::TrySendError::Closed(_) => LedgerError::Closed,
            })?;
        match timeout(self.limits.append_timeout, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(LedgerError::Closed),
            Err(_) => Err(LedgerError::unavailable(
                &"it did not confirm the row in time",
            )),
        }
    }

    /// Where the chain stands in the table.
    ///
    /// # Errors
    /// When Postgres is away.
    pub async fn head(&self) -> Result<Head, LedgerError> {
        read_head(&self.pool).await
    }

    /// Up to [`PAGE_ROWS`] entries from a number on; none at the end.
    ///
    /// # Errors
    /// When Postgres is away or a row is not one that this version wrote.
    pub async fn page(&self, from_sequence: u64) -> Result<Vec<Entry>, LedgerError> {
        read_page(&self.pool, from_sequence).await
    }

    /// Whether the last commit succeeded, for readiness.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    /// Takes no more rows, writes those that wait and stops the writer, for all clones.
    pub async fn close(&self) {
        // Fails only when the writer has ended already.
        let _ = self.stop.send(true);
        let Some(writer) = self.writer.lock().await.take() else {
            return;
        };
        if let Err(error) = writer.await {
            tracing::error!(%error, "the audit ledger's writer failed");
        }
    }
}

struct Writer {
    name: &'static str,
    pool: PgPool,
    limits: LedgerLimits,
    healthy: Arc<AtomicBool>,
}

impl Writer {
    async fn run(self, mut queue: mpsc::Receiver<Job>, mut stop: watch::Receiver<bool>) {
        let most = self.limits.batch_rows.max(1);
        let mut jobs = Vec::with_capacity(most);
        let mut stopping = false;
        loop {
            tokio::select! {
                taken = queue.recv_many(&mut jobs, most) => {
                    if taken == 0 {
                        return;
                    }
                }
                // An error means that no ledger is left to send anything.
                _ = stop.changed(), if !stopping => {
                    stopping = true;
                    queue.close();
                    continue;
                }
            }
            self.commit(&mut jobs).await;
        }
    }

    async fn commit(&self, jobs: &mut Vec<Job>) {
        let (rows, answers): (Vec<Row>, Vec<_>) =
            jobs.drain(..).map(|job| (job.row, job.answer)).unzip();
        let result = self.write(&rows).await;
        self.healthy.store(result.is_ok(), Ordering::Relaxed);
        match result {
            Ok(entries) => {
                metrics::counter!("cloister_audit_rows_total", "ledger" => self.name)
                    .increment(entries.len() as u64);
                for (answer, entry) in answers.into_iter().zip(entries) {
                    // Whoever asked may have given up; the row stays.
                    let _ = answer.send(Ok(entry));
                }
            }
            Err(error) => {
                metrics::counter!("cloister_audit_failures_total", "ledger" => self.name)
                    .increment(1);
                tracing::error!(ledger = self.name, rows = rows.len(), %error, "audit rows not written");
                for answer in answers {
                    let _ = answer.send(Err(error.clone()));
                }
            }
        }
    }

    async fn write(&self, rows: &[Row]) -> Result<Vec<Entry>, LedgerError> {
        let mut in_doubt = None;
        let mut last = LedgerError::Closed;
        for _ in 0..ATTEMPTS {
            match timeout(
                self.limits.write_timeout,
                self.try_write(rows, &mut in_doubt),
            )
            .await
            {
                Ok(Ok(entries)) => return Ok(entries),
                Ok(Err(error)) => last = error,
                Err(_) => last = LedgerError::unavailable(&"a commit took too long"),
            }
        }
        Err(last)
    }

    /// One transaction. `in_doubt` keeps the entries whose COMMIT was sent, because a connection that
    /// is lost then leaves open whether they are durable.
    async fn try_write(
        &self,
        rows: &[Row],
        in_doubt: &mut Option<Vec<Entry>>,
    ) -> Result<Vec<Entry>, LedgerError> {
        let mut connection = self.pool.acquire().await?;
        let mut tx = connection.begin().await?;
        sqlx::raw_sql(LOCK_SQL).execute(&mut *tx).await?;
        if let Some(entries) = in_doubt.take()
            && table::holds(&mut tx, &entries).await?
        {
            return Ok(entries);
        }
        let mut chain = Chain::resume(table::last(&mut tx).await?);
        let entries: Vec<Entry> = rows.iter().map(|row| chain.append(row.clone())).collect();
        table::insert(&mut tx, &entries).await?;
        *in_doubt = Some(entries.clone());
        tx.commit().await?;
        Ok(entries)
    }
}
