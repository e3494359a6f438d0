//! What a service tells the skeleton about itself.

use std::future::Future;

use cloister_settings::{AdminSection, DatabaseSection, TelemetrySection, Validate};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::migrate::Migrator;

use crate::{Context, Result};

/// A service's configuration: a type with the sections that all services have.
pub trait ServiceConfig:
    DeserializeOwned + Serialize + JsonSchema + Validate + Send + Sync + 'static
{
    /// `[admin]`.
    fn admin(&self) -> &AdminSection;
    /// `[database]`.
    fn database(&self) -> &DatabaseSection;
    /// `[telemetry]`.
    fn telemetry(&self) -> &TelemetrySection;
}

/// A further `print-…` command of a service: a document made from its code, such as its method
/// table.
#[derive(Clone, Copy, Debug)]
pub struct Print {
    /// The command, e.g. `print-method-table`.
    pub command: &'static str,
    /// One line of help.
    pub about: &'static str,
    /// Makes the document.
    pub make: fn() -> String,
}

/// A service. Its `main.rs` calls [`crate::main`] and nothing else.
pub trait Service: 'static {
    /// Short name, e.g. `gateway`; the binary is `cloister-<name>`.
    const NAME: &'static str;
    /// The command that runs it. A second way of running a program has another ([`main_with`]).
    ///
    /// [`main_with`]: crate::main_with
    const COMMAND: &'static str = "serve";
    /// One line of help for that command.
    const ABOUT: &'static str = "Run the service";
    /// Documents it can print.
    const PRINTS: &'static [Print] = &[];
    /// Its configuration.
    type Config: ServiceConfig;

    /// Its migrations: a `static MIGRATOR: Migrator = sqlx::migrate!("../../migrations/<name>")`.
    fn migrator() -> &'static Migrator;

    /// Wires the parts, serves, and returns once `context.shutdown` says to stop and what was begun
    /// is finished. The database is connected and its schema is the right one.
    ///
    /// # Errors
    /// Whatever makes the service unable to go on; it is logged and the process ends with code 1.
    fn run(config: Self::Config, context: Context) -> impl Future<Output = Result<()>> + Send;
}
