//! Typed configuration, read from one TOML file per service.
//!
//! What it does: parses the file into the service's own type, refuses keys it does not know,
//! resolves relative paths against the file's folder, and validates everything before anything
//! opens. Secrets never stand in the file: a setting that ends in `_file` names the file that
//! holds the secret, and [`SecretFile::read`] refuses one that everybody may read.
//!
//! What it refuses to know: the environment, defaults that differ by environment, and what any
//! service does with its settings.
//!
//! ```text
//!  service.toml ──parse──▶ T (unknown keys refused) ──▶ paths made absolute ──▶ T::validate
//!                                                                 │
//!                                        SecretFile::read ◀───────┘ (opened only when needed)
//! ```
//!
//! ```
//! use cloister_settings::{AdminSection, SettingsError, Validate};
//!
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Config {
//!     admin: AdminSection,
//! }
//!
//! impl Validate for Config {
//!     fn validate(&self) -> Result<(), SettingsError> {
//!         Ok(())
//!     }
//! }
//!
//! let config: Config =
//!     cloister_settings::parse("[admin]\nlisten = \"127.0.0.1:0\"", std::path::Path::new("/etc"))?;
//! assert_eq!(config.admin.listen.port(), 0);
//! # Ok::<(), SettingsError>(())
//! ```

mod load;
mod redact;
mod secret;
mod sections;

pub use load::{MAX_CONFIG_BYTES, SettingsError, Validate, load, parse};
pub use redact::redacted;
pub use schemars;
pub use secret::{MAX_SECRET_BYTES, SecretError, SecretFile};
pub use sections::{
    AdminSection, DatabaseSection, GrpcClientSection, GrpcServerSection, LogFormat,
    TelemetrySection, TlsIdentity,
};
pub use url::Url;
