//! The connection pool and named transactions.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use cloister_settings::{DatabaseSection, SecretError};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{PgConnection, PgPool, Postgres, Transaction};

/// How many times a named transaction is tried before its error is returned.
pub const MAX_ATTEMPTS: u32 = 8;
/// How long a caller waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// Idle connections are closed after this.
const IDLE_TIMEOUT: Duration = Duration::from_mins(10);
/// A statement that waits longer for a lock fails: it would otherwise hold a connection for ever.
const LOCK_TIMEOUT: &str = "30s";
/// The first pause between attempts; it doubles each time, with jitter.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// The longest pause between attempts.
const MAX_PAUSE: Duration = Duration::from_millis(500);

/// Why the database could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Postgres or the way to it failed.
    #[error("the database failed: {0}")]
    Sqlx(#[from] sqlx::Error),
    /// The password could not be read.
    #[error("cannot read the database password: {0}")]
    Password(#[from] SecretError),
    /// The certificates that the server's must lead to cannot be read.
    #[error("cannot read `{}`", path.display())]
    Certificate {
        /// The certificate file.
        path: PathBuf,
    },
}

/// A service's database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Database {
    pool: PgPool,
}

impl Database {
    /// Opens a pool and proves with one connection that the database answers.
    ///
    /// # Errors
    /// [`StoreError`] when the password cannot be read or the database does not answer within five
    /// seconds.
    pub async fn connect(section: &DatabaseSection) -> Result<Self, StoreError> {
        let database = Self::connect_lazy(section)?;
        database.pool.acquire().await?;
        Ok(database)
    }

    /// Like [`connect`](Self::connect), but opens no connection before it is needed.
    ///
    /// # Errors
    /// [`StoreError`] when the password cannot be read.
    pub fn connect_lazy(section: &DatabaseSection) -> Result<Self, StoreError> {
        let pool = PgPoolOptions::new()
            .max_connections(section.max_connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(IDLE_TIMEOUT)
            .connect_lazy_with(options(section)?);
        Ok(Self { pool })
    }

    /// Wraps an existing pool.
    #[must_use]
    pub const fn from_pool(pool: PgPool) -> Self {
        Self { pool }
    }

    /// The pool, for single statements.
    #[must_use]
    pub const fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Runs `work` in a serializable transaction and commits it. When Postgres reports a conflict
    /// with another transaction, or the connection is lost, all of it runs again, up to
    /// [`MAX_ATTEMPTS`] times with growing pauses: `work` must have no effect outside `tx`.
    ///
    /// A connection lost during COMMIT leaves open whether it took effect, so `work` must also
    /// notice its own earlier success (a unique key, an expected row count).
    ///
    /// # Errors
    /// Whatever `work` returns, and database errors through `E: From<StoreError>`.
    pub async fn run_tx<'a, T, E, F>(&self, name: &'static str, mut work: F) -> Result<T, E>
    where
        T: Send,
        E: From<StoreError> + std::error::Error + Send + 'static,
        F: for<'c> FnMut(&'c mut Tx<'a>) -> TxFuture<'c, T, E> + Send + 'a,
    {
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        loop {
            let error = match self.attempt(&mut work).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if attempt >= MAX_ATTEMPTS || !is_retryable(&error) {
                return Err(error);
            }
            metrics::counter!("cloister_transaction_retries_total", "name" => name).increment(1);
            tracing::debug!(transaction = name, attempt, %error, "transaction runs again");
            tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.5))).await;
            pause = (pause * 2).min(MAX_PAUSE);
            attempt += 1;
        }
    }

    async fn attempt<'a, T, E, F>(&self, work: &mut F) -> Result<T, E>
    where
        T: Send,
        E: From<StoreError> + Send,
        F: for<'c> FnMut(&'c mut Tx<'a>) -> TxFuture<'c, T, E> + Send + 'a,
    {
        let begin = self.pool.begin_with("BEGIN ISOLATION LEVEL SERIALIZABLE");
        let inner = begin.await.map_err(StoreError::from)?;
        let mut transaction = Tx {
            inner,
            scope: PhantomData,
        };
        let value = work(&mut transaction).await?;
        transaction.inner.commit().await.map_err(StoreError::from)?;
        Ok(value)
    }
}

/// What the work of a transaction returns: `Box::pin(async move { … })`.
pub type TxFuture<'c, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>>;

/// A transaction in progress; statements run on `&mut **tx`. The work may borrow what lives as long
/// as `'a`.
#[derive(Debug)]
pub struct Tx<'a> {
    inner: Transaction<'static, Postgres>,
    scope: PhantomData<&'a ()>,
}

impl Deref for Tx<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.inner
    }
}

impl DerefMut for Tx<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.inner
    }
}

/// Whether running the same transaction again may succeed: some error in the chain of sources is a
/// serialization failure, a deadlock, a lost connection, or a server that is starting or stopping.
#[must_use]
pub fn is_retryable(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<sqlx::Error>() {
            return match error {
                sqlx::Error::Database(error) => is_passing(&error.code().unwrap_or_default()),
                sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => true,
                _ => false,
            };
        }
        // A transparent error shows only what is below `sqlx::Error`.
        if let Some(error) = error.downcast_ref::<sqlx::postgres::PgDatabaseError>() {
            return is_passing(error.code());
        }
        cause = error.source();
    }
    false
}

/// Whether a state of Postgres passes by itself: class 40 (transaction rollback), class 08
/// (connection), 57P01 to 57P03 (the server stops or starts).
fn is_passing(code: &str) -> bool {
    code.starts_with("40") || code.starts_with("08") || code.starts_with("57P")
}

fn options(section: &DatabaseSection) -> Result<PgConnectOptions, StoreError> {
    let password = section.password_file.read()?;
    let options = PgConnectOptions::new_without_pgpass()
        .port(section.port)
        .username(&section.user)
        .password(&password)
        .database(&section.name)
        .options([("lock_timeout", LOCK_TIMEOUT)]);
    let options = if section.host.starts_with('/') {
        options.socket(&section.host)
    } else {
        options.host(&section.host)
    };
    // SPF-3: validation asks for `ca_file` unless the server is on this machine.
    Ok(match &section.ca_file {
        Some(path) => {
            if std::fs::metadata(path).is_err() {
                return Err(StoreError::Certificate { path: path.clone() });
            }
            options.ssl_mode(PgSslMode::VerifyFull).ssl_root_cert(path)
        }
        None => options.ssl_mode(PgSslMode::Disable),
    })
}
