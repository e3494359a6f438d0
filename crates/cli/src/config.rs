//! The tool's settings: where the services are and who the OpenID provider is.

use std::path::{Path, PathBuf};

use cloister_settings::{SettingsError, Url, Validate};
use serde::{Deserialize, Serialize};

/// `config.toml`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The gateway, `https://host[:port]`.
    pub(crate) gateway: Url,
    /// The disclosure service, for auditors and compliance officers.
    pub(crate) disclosure: Option<Url>,
    /// Certificates (PEM) of a private authority that the services' certificates lead to.
    pub(crate) ca_file: Option<PathBuf>,
    /// How to log in.
    pub(crate) oidc: OidcSection,
}

/// `[oidc]`
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OidcSection {
    /// Issuer identifier of the provider.
    pub(crate) issuer: String,
    /// The public client that is registered for this tool.
    pub(crate) client_id: String,
    /// The audience (resource) of the access tokens.
    pub(crate) audience: String,
}

impl Validate for Config {
    fn validate(&self) -> Result<(), SettingsError> {
        for (name, url) in [
            ("gateway", Some(&self.gateway)),
            ("disclosure", self.disclosure.as_ref()),
        ] {
            if url.is_some_and(|url| url.scheme() != "https") {
                return Err(SettingsError::invalid(name, "must begin with https://"));
            }
        }
        Ok(())
    }
}

/// Where the settings are when the command line does not say.
pub(crate) fn default_path() -> PathBuf {
    let home = std::env::home_dir().unwrap_or_default();
    home.join(".config/cloister/config.toml")
}

/// Reads the settings.
///
/// # Errors
/// When the file is missing, malformed or has unknown keys.
pub(crate) fn load(path: &Path) -> Result<Config, SettingsError> {
    cloister_settings::load(path)
}
