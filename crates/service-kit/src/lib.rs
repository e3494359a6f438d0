//! The skeleton that all services share, so that who knows one knows four: command line,
//! configuration, logs, the database with its schema gate, the admin port, TLS servers with limits,
//! and the two-step shutdown.
//!
//! It refuses to know what any service does.
//!
//! ```text
//!  main::<S>() ─┬─ serve ──▶ load config ▶ logs ▶ admin port ▶ database + schema gate ▶ S::run(config, Context)
//!               ├─ migrate                                                              │
//!               ├─ check-config            SIGTERM ─▶ Shutdown: 1 stop taking ──────────┤
//!               └─ print-config-schema                          2 after the grace period: leave
//! ```
//!
//! ```no_run
//! use cloister_service_kit::{Context, Result, Service, ServiceConfig};
//! use cloister_settings::{
//!     AdminSection, DatabaseSection, SettingsError, TelemetrySection, Validate, schemars,
//! };
//!
//! #[derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! struct Config {
//!     admin: AdminSection,
//!     database: DatabaseSection,
//!     #[serde(default)]
//!     telemetry: TelemetrySection,
//! }
//!
//! impl Validate for Config {
//!     fn validate(&self) -> std::result::Result<(), SettingsError> {
//!         Ok(())
//!     }
//! }
//!
//! impl ServiceConfig for Config {
//!     fn admin(&self) -> &AdminSection {
//!         &self.admin
//!     }
//!     fn database(&self) -> &DatabaseSection {
//!         &self.database
//!     }
//!     fn telemetry(&self) -> &TelemetrySection {
//!         &self.telemetry
//!     }
//! }
//!
//! static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate::Migrator::DEFAULT;
//!
//! struct Example;
//!
//! impl Service for Example {
//!     const NAME: &'static str = "example";
//!     type Config = Config;
//!
//!     fn migrator() -> &'static sqlx::migrate::Migrator {
//!         &MIGRATOR
//!     }
//!
//!     async fn run(_config: Config, context: Context) -> Result<()> {
//!         context.shutdown.stopping().await;
//!         Ok(())
//!     }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     cloister_service_kit::main::<Example>()
//! }
//! ```

mod accept;
mod admin;
mod cli;
mod context;
pub mod grpc;
pub mod https;
mod preface;
mod readiness;
mod service;
mod shutdown;

pub use anyhow::{Error, Result};
pub use cli::{Second, main, main_with};
pub use context::Context;
pub use readiness::{Check, Readiness};
pub use service::{Print, Service, ServiceConfig};
pub use shutdown::{Shutdown, Tasks};

use std::net::SocketAddr;

use tokio::net::TcpListener;

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address could not be taken.
    #[error("cannot listen on `{address}`: {source}")]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// TLS could not be set up.
    #[error(transparent)]
    Tls(#[from] cloister_proto::tls::TlsError),
    /// The gRPC server failed.
    #[error("the gRPC server failed: {0}")]
    Grpc(#[from] tonic::transport::Error),
}

/// Takes `address` and logs what was taken: `message="listening" kind=… address=…`.
///
/// # Errors
/// [`ServeError::Listen`].
pub async fn listen(
    kind: &'static str,
    address: SocketAddr,
) -> std::result::Result<TcpListener, ServeError> {
    let refused = |source| ServeError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let taken = listener.local_addr().map_err(refused)?;
    tracing::info!(kind, address = %taken, "listening");
    Ok(listener)
}
