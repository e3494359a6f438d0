//! Sections that several services share. Each refuses unknown keys.

use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{SecretFile, SettingsError, Validate};

/// `[admin]`: where `/livez`, `/readyz` and `/metrics` are served, in clear text; for the
/// installation's own network only.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdminSection {
    /// Address and port; port 0 takes a free one, which is logged.
    pub listen: SocketAddr,
}

/// `[database]`: the service's own Postgres database.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSection {
    /// Host name or address, or the folder of a Unix socket.
    pub host: String,
    /// TCP port.
    #[serde(default = "postgres_port")]
    pub port: u16,
    /// Database name.
    pub name: String,
    /// Role.
    pub user: String,
    /// File that holds the role's password.
    pub password_file: SecretFile,
    /// Most connections held at once.
    #[serde(default = "ten")]
    pub max_connections: u32,
    /// Certificates (PEM) that the server's certificate must lead to. Needed unless the server is on
    /// this machine.
    pub ca_file: Option<PathBuf>,
}

impl DatabaseSection {
    /// Whether the server is on this machine: a Unix socket or a loopback address.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.host.starts_with('/')
            || self.host == "localhost"
            || self
                .host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }
}

impl Validate for DatabaseSection {
    fn validate(&self) -> Result<(), SettingsError> {
        if self.max_connections == 0 || self.max_connections > 1000 {
            return Err(SettingsError::invalid(
                "database.max_connections",
                "must be between 1 and 1000",
            ));
        }
        if self.ca_file.is_none() && !self.is_local() {
            return Err(SettingsError::invalid(
                "database.ca_file",
                "is needed because the database is on another machine; name the certificates that \
                 its certificate must lead to",
            ));
        }
        Ok(())
    }
}

/// A certificate with its key.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsIdentity {
    /// Certificate chain, PEM, leaf first.
    pub certificate_file: PathBuf,
    /// Private key, PEM (PKCS#8, SEC1 or PKCS#1).
    pub private_key_file: SecretFile,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// `[telemetry]`: logs and traces.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetrySection {
    /// Filter, e.g. `info` or `info,cloister_sequencer=debug`.
    pub log: String,
    /// How log lines look.
    pub format: LogFormat,
    /// OTLP/gRPC collector to which traces are sent; none are sent without it.
    pub otlp_endpoint: Option<Url>,
    /// How many of a thousand traces that begin in this service are sent.
    pub traces_per_thousand: u16,
}

impl Default for TelemetrySection {
    fn default() -> Self {
        Self {
            log: "info".to_owned(),
            format: LogFormat::Json,
            otlp_endpoint: None,
            traces_per_thousand: 1000,
        }
    }
}

impl Validate for TelemetrySection {
    fn validate(&self) -> Result<(), SettingsError> {
        if self.traces_per_thousand > 1000 {
            return Err(SettingsError::invalid(
                "telemetry.traces_per_thousand",
                "must be at most 1000",
            ));
        }
        if self
            .otlp_endpoint
            .as_ref()
            .is_some_and(|url| url.scheme() != "http")
        {
            return Err(SettingsError::invalid(
                "telemetry.otlp_endpoint",
                "must be of the form http://host:port; run a collector beside the service and let \
                 it forward over TLS",
            ));
        }
        Ok(())
    }
}

/// How to reach another service over gRPC with mutual TLS.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GrpcClientSection {
    /// `https://host:port`.
    pub url: Url,
    /// Name that the server's certificate must carry, e.g. `sequencer`.
    pub server_name: String,
    /// Certificates (PEM) that the server's certificate must lead to.
    pub ca_file: PathBuf,
    /// This service's client certificate, PEM.
    pub certificate_file: PathBuf,
    /// Its private key.
    pub private_key_file: SecretFile,
}

impl Validate for GrpcClientSection {
    fn validate(&self) -> Result<(), SettingsError> {
        if self.url.scheme() != "https" || self.url.host().is_none() {
            return Err(SettingsError::invalid(
                "url",
                format!("`{}` must be of the form https://host:port", self.url),
            ));
        }
        Ok(())
    }
}

/// Where a service offers gRPC; clients must show a certificate.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GrpcServerSection {
    /// Address and port; port 0 takes a free one, which is logged.
    pub listen: SocketAddr,
    /// This service's certificate, PEM.
    pub certificate_file: PathBuf,
    /// Its private key.
    pub private_key_file: SecretFile,
    /// Certificates (PEM) that a client's certificate must lead to.
    pub client_ca_file: PathBuf,
}

const fn postgres_port() -> u16 {
    5432
}

const fn ten() -> u32 {
    10
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(host: &str) -> DatabaseSection {
        DatabaseSection {
            host: host.to_owned(),
            port: 5432,
            name: "n".to_owned(),
            user: "u".to_owned(),
            password_file: SecretFile("/p".into()),
            max_connections: 10,
            ca_file: None,
        }
    }

    #[test]
    fn a_database_on_another_machine_needs_tls() {
        // Defends SPF-3.
        for local in ["/run/postgresql", "localhost", "127.0.0.1", "::1"] {
            database(local).validate().unwrap();
        }
        for remote in ["db.example", "10.0.0.1"] {
            let error = database(remote).validate().unwrap_err().to_string();
            assert!(
                error.starts_with("the setting `database.ca_file` cannot be used"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_grpc_url_must_be_https() {
        let mut section: GrpcClientSection = toml::from_str(
            "url = \"https://127.0.0.1:1\"\nserver_name = \"sequencer\"\nca_file = \"a\"\n\
             certificate_file = \"b\"\nprivate_key_file = \"c\"",
        )
        .unwrap();
        section.validate().unwrap();
        section.url = "http://127.0.0.1:1".parse().unwrap();
        assert!(section.validate().is_err());
    }
}
