//! A PostgreSQL cluster of our own: passwords required, one database and one role per service.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use rand::distr::{Alphanumeric, SampleString as _};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use tempfile::TempDir;

use crate::process::{Child, Program, wait_until};
use crate::{port, tools};

/// How to run the cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Keep what is acknowledged through a crash of the machine. Off makes tests quicker.
    pub durable: bool,
}

/// A database with the one role that may connect to it.
#[derive(Debug, Clone)]
pub struct Database {
    /// Loopback address of the cluster.
    pub host: String,
    /// Port of the cluster.
    pub port: u16,
    /// Name of the database.
    pub name: String,
    /// The role that owns it.
    pub user: String,
    /// The role's password.
    pub password: String,
}

impl Database {
    /// Options for a connection as the owning role.
    #[must_use]
    pub fn options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .host(&self.host)
            .port(self.port)
            .database(&self.name)
            .username(&self.user)
            .password(&self.password)
    }

    /// Opens one connection as the owning role.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub async fn connect(&self) -> anyhow::Result<PgConnection> {
        PgConnection::connect_with(&self.options())
            .await
            .context("cannot connect to the database")
    }
}

/// Immediate shutdown: no checkpoint, but shared memory is given back, which the system keeps for a
/// server that is killed, up to a number of segments after which no server starts.
const IMMEDIATE: &str = "QUIT";

/// A running cluster; it ends when this value is dropped.
#[derive(Debug)]
pub struct Cluster {
    // Before the folder: fields are dropped in this order, and a running server would write to a
    // folder that is being removed.
    server: Option<Child>,
    folder: TempDir,
    port: u16,
    password: String,
    options: Options,
}

fn password() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), 24)
}

/// The server refuses to run as root; then it runs as the user that the package made.
fn as_server_user(program: Program) -> Program {
    let root = std::fs::metadata("/proc/self").is_ok_and(|meta| {
        use std::os::unix::fs::MetadataExt as _;
        meta.uid() == 0
    });
    if root {
        program.user("postgres")
    } else {
        program
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            server.end_by(IMMEDIATE, Duration::from_secs(10));
        }
    }
}

impl Cluster {
    /// Makes a new cluster in a temporary folder and starts it.
    ///
    /// # Errors
    /// When PostgreSQL is missing or does not start.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("cloister-pg-").tempdir()?;
        Program::new("chmod")
            .arg("0777")
            .arg(folder.path().display().to_string())
            .output()
            .await?;
        let password = password();
        let secret = folder.path().join("password");
        std::fs::write(&secret, &password)?;
        let data = folder.path().join("data").display().to_string();
        let initdb = Program::new(tools::postgres_program("initdb")?)
            .folder("/")
            .args([
                "-D",
                &data,
                "-A",
                "scram-sha-256",
                "-U",
                "postgres",
                "--no-sync",
                "-E",
                "UTF8",
            ])
            .args([
                "--locale=C.UTF-8",
                &format!("--pwfile={}", secret.display()),
            ]);
        as_server_user(initdb).output().await?;
        std::fs::remove_file(&secret)?;
        let mut cluster = Self {
            folder,
            port: port::free()?,
            password,
            options,
            server: None,
        };
        cluster.resume().await?;
        Ok(cluster)
    }

    /// Starts the server again after [`Cluster::stop`] or [`Cluster::kill`]; the port stays.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn resume(&mut self) -> anyhow::Result<()> {
        let begun = std::time::Instant::now();
        loop {
            match self.start_server().await {
                // Processes of the server that was killed are still ending.
                Err(error)
                    if error.to_string().contains("is still in use")
                        && begun.elapsed() < Duration::from_mins(1) =>
                {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn start_server(&mut self) -> anyhow::Result<()> {
        let data = self.data();
        let _ = std::fs::remove_file(data.join("postmaster.pid"));
        let durable = if self.options.durable { "on" } else { "off" };
        let server = Program::new(tools::postgres_program("postgres")?)
            .folder("/")
            .death_signal(IMMEDIATE)
            .args([
                "-D",
                &data.display().to_string(),
                "-p",
                &self.port.to_string(),
            ])
            .args([
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "unix_socket_directories=",
            ])
            .args(["-c", "max_connections=200", "-c", "shared_buffers=128MB"])
            .args(["-c", "wal_level=replica", "-c", "max_wal_size=2GB"])
            .args([
                "-c",
                &format!("fsync={durable}"),
                "-c",
                &format!("full_page_writes={durable}"),
            ])
            .args(["-c", "log_min_messages=warning"]);
        let mut child = as_server_user(server).start(&self.folder.path().join("postgres.log"))?;
        let options = self.admin("postgres");
        wait_until(&mut child, Duration::from_mins(1), || async {
            PgConnection::connect_with(&options).await.is_ok()
        })
        .await?;
        self.server = Some(child);
        Ok(())
    }

    /// Ends the server as an administrator would (fast shutdown).
    ///
    /// # Errors
    /// When it had to be killed.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        if let Some(mut server) = self.server.take() {
            server.signal("INT").await?;
            server.stop(Duration::from_secs(30)).await?;
        }
        Ok(())
    }

    /// Ends the server at once; its children notice and leave.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill();
        }
    }

    /// Port of the cluster.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn admin(&self, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .database(database)
            .username("postgres")
            .password(&self.password)
    }

    /// Makes a database `cloister_<service>_<random>` and the one role that may connect to it.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub async fn create_database(&self, service: &str) -> anyhow::Result<Database> {
        let suffix = Alphanumeric
            .sample_string(&mut rand::rng(), 8)
            .to_lowercase();
        self.create_named(&format!("cloister_{service}_{suffix}"))
            .await
    }

    /// Makes the database and role `name` (lower-case letters, digits and `_`).
    ///
    /// # Errors
    /// When the name is taken or malformed.
    pub async fn create_named(&self, name: &str) -> anyhow::Result<Database> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        anyhow::ensure!(name.bytes().all(plain), "`{name}` is no database name");
        let password = password();
        let mut admin = PgConnection::connect_with(&self.admin("postgres")).await?;
        for statement in [
            format!("create role {name} login password '{password}'"),
            format!("create database {name} owner {name} template template0 strategy file_copy"),
            format!("revoke all on database {name} from public"),
        ] {
            admin.execute(AssertSqlSafe(statement)).await?;
        }
        Ok(Database {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            name: name.to_owned(),
            user: name.to_owned(),
            password,
        })
    }
}
