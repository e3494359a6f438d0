//! The typed configuration; unknown keys are refused, secrets are named as files.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use cloister_service_kit::ServiceConfig;
use cloister_settings::schemars::{self, JsonSchema};
use cloister_settings::{
    AdminSection, DatabaseSection, GrpcClientSection, SecretFile, SettingsError, TelemetrySection,
    TlsIdentity, Url, Validate,
};
use serde::{Deserialize, Serialize};

/// The whole file.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Ed25519 key that signs packages: PKCS#8 PEM.
    pub signing_key_file: SecretFile,
    /// Folder with the Cedar schema and policies.
    pub policies_dir: PathBuf,
    /// Probes and metrics.
    pub admin: AdminSection,
    /// The service's own database.
    pub database: DatabaseSection,
    /// Logs and traces.
    #[serde(default)]
    pub telemetry: TelemetrySection,
    /// Where compliance and auditors connect.
    pub https: HttpsSection,
    /// Who says who somebody is.
    pub oidc: OidcSection,
    /// The sequencer.
    pub sequencer: GrpcClientSection,
    /// The prover.
    pub prover: GrpcClientSection,
    /// Where on Ethereum the chain is anchored.
    pub l1: L1Section,
    /// What one caller may use up.
    #[serde(default)]
    pub limits: LimitsSection,
}

/// `[https]`: the public listener.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpsSection {
    /// Address and port; port 0 takes a free one, which is logged.
    pub listen: SocketAddr,
    /// Certificate chain, PEM, leaf first.
    pub certificate_file: PathBuf,
    /// Private key, PEM.
    pub private_key_file: SecretFile,
}

impl HttpsSection {
    /// Certificate and key for the listener.
    #[must_use]
    pub fn identity(&self) -> TlsIdentity {
        TlsIdentity {
            certificate_file: self.certificate_file.clone(),
            private_key_file: self.private_key_file.clone(),
        }
    }
}

/// `[oidc]`: the identity provider.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OidcSection {
    /// Issuer identifier; discovery is at `<issuer>/.well-known/openid-configuration`.
    pub issuer: String,
    /// What access tokens must name as audience.
    pub audience: String,
    /// Certificates (PEM) that the provider's certificate must lead to, instead of the public ones.
    pub ca_file: Option<PathBuf>,
    /// The claim that lists groups, from which roles and desks are mapped.
    #[serde(default = "groups")]
    pub roles_claim: String,
    /// Which group gives which role.
    #[serde(default)]
    pub role: Vec<RoleMapping>,
    /// Which group gives which desk.
    #[serde(default)]
    pub desk: Vec<DeskMapping>,
}

/// `[[oidc.role]]`: one group gives one role.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleMapping {
    /// Value in the claim.
    pub claim: String,
    /// Role: trader, operator, compliance, auditor or developer.
    pub role: String,
}

/// `[[oidc.desk]]`: one group gives one desk.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeskMapping {
    /// Value in the claim.
    pub claim: String,
    /// Desk, as policies name it.
    pub desk: String,
}

/// `[l1]`: the contract that packages name as their anchor.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct L1Section {
    /// EIP-155 id of the Ethereum chain.
    pub chain_id: u64,
    /// Address of the `Rollup` contract.
    pub rollup_contract: String,
}

/// `[limits]`: what one caller may use up.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsSection {
    /// Longest HTTP body, in bytes.
    pub max_body_bytes: usize,
    /// Requests that are served at once; more are answered 503.
    pub max_concurrent_requests: usize,
    /// Longest time that one request may take, in milliseconds.
    pub request_timeout_ms: u64,
    /// Most accounts, slots, tokens and transactions in one grant, together.
    pub max_scope_entries: usize,
    /// Most grants in one answer.
    pub max_grants_listed: u32,
    /// How often the head of the audit ledger is handed to the sequencer, in milliseconds.
    pub anchor_interval_ms: u64,
}

impl Default for LimitsSection {
    fn default() -> Self {
        Self {
            max_body_bytes: 256 * 1024,
            max_concurrent_requests: 64,
            request_timeout_ms: 30_000,
            max_scope_entries: 1_000,
            max_grants_listed: 500,
            anchor_interval_ms: 1_000,
        }
    }
}

impl LimitsSection {
    /// Longest time that one request may take.
    #[must_use]
    pub fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }
}

impl ServiceConfig for Config {
    fn admin(&self) -> &AdminSection {
        &self.admin
    }

    fn database(&self) -> &DatabaseSection {
        &self.database
    }

    fn telemetry(&self) -> &TelemetrySection {
        &self.telemetry
    }
}

impl Validate for Config {
    fn validate(&self) -> Result<(), SettingsError> {
        self.database.validate()?;
        self.sequencer.validate()?;
        self.prover.validate()?;
        self.oidc.validate()?;
        self.l1.validate()?;
        self.limits.validate()
    }
}

impl Validate for OidcSection {
    fn validate(&self) -> Result<(), SettingsError> {
        if !Url::parse(&self.issuer).is_ok_and(|url| url.scheme() == "https") {
            let problem = format!("`{}` must be an https URL", self.issuer);
            return Err(SettingsError::invalid("oidc.issuer", problem));
        }
        if self.audience.is_empty() {
            return Err(SettingsError::invalid("oidc.audience", "must not be empty"));
        }
        for mapping in &self.role {
            if let Err(error) = mapping.role.parse::<cloister_authz::Role>() {
                return Err(SettingsError::invalid("oidc.role", error.to_string()));
            }
        }
        for mapping in &self.desk {
            if let Err(error) = cloister_authz::Desk::new(mapping.desk.clone()) {
                return Err(SettingsError::invalid("oidc.desk", error.to_string()));
            }
        }
        Ok(())
    }
}

impl Validate for L1Section {
    fn validate(&self) -> Result<(), SettingsError> {
        if self
            .rollup_contract
            .parse::<cloister_types::Address>()
            .is_err()
        {
            let problem = format!("`{}` is not an address", self.rollup_contract);
            return Err(SettingsError::invalid("l1.rollup_contract", problem));
        }
        if self.chain_id == 0 || self.chain_id > cloister_disclosure::text::MAX_INTEGER {
            let problem = "must be between 1 and 2^53 - 1";
            return Err(SettingsError::invalid("l1.chain_id", problem));
        }
        Ok(())
    }
}

impl Validate for LimitsSection {
    fn validate(&self) -> Result<(), SettingsError> {
        let positive = [
            ("limits.max_body_bytes", self.max_body_bytes as u64),
            (
                "limits.max_concurrent_requests",
                self.max_concurrent_requests as u64,
            ),
            ("limits.request_timeout_ms", self.request_timeout_ms),
            ("limits.max_scope_entries", self.max_scope_entries as u64),
            (
                "limits.max_grants_listed",
                u64::from(self.max_grants_listed),
            ),
            ("limits.anchor_interval_ms", self.anchor_interval_ms),
        ];
        match positive.into_iter().find(|(_, value)| *value == 0) {
            Some((name, _)) => Err(SettingsError::invalid(name, "must not be 0")),
            None => Ok(()),
        }
    }
}

fn groups() -> String {
    "groups".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = r#"
        signing_key_file = "k"
        policies_dir = "p"
        [admin]
        listen = "127.0.0.1:0"
        [database]
        host = "127.0.0.1"
        name = "n"
        user = "u"
        password_file = "p"
        [https]
        listen = "127.0.0.1:0"
        certificate_file = "c"
        private_key_file = "k"
        [oidc]
        issuer = "https://id.example"
        audience = "cloister"
        [[oidc.role]]
        claim = "auditors"
        role = "auditor"
        [sequencer]
        url = "https://127.0.0.1:1"
        server_name = "sequencer"
        ca_file = "ca"
        certificate_file = "c"
        private_key_file = "k"
        [prover]
        url = "https://127.0.0.1:2"
        server_name = "prover"
        ca_file = "ca"
        certificate_file = "c"
        private_key_file = "k"
        [l1]
        chain_id = 31337
        rollup_contract = "0x5fbdb2315678afecb367f032d93f642f64180aa3"
    "#;

    fn parsed(text: &str) -> Result<Config, String> {
        cloister_settings::parse::<Config>(text, std::path::Path::new("/etc/cloister"))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn takes_paths_from_the_folder_of_the_file() {
        let config = parsed(EXAMPLE).expect("valid");
        assert_eq!(
            config.signing_key_file.path(),
            std::path::Path::new("/etc/cloister/k")
        );
    }

    #[test]
    fn refuses_what_it_cannot_use() {
        let refused = |from: &str, to: &str| parsed(&EXAMPLE.replace(from, to)).expect_err("bad");
        assert!(refused("https://id.example", "http://id.example").contains("oidc.issuer"));
        assert!(refused("role = \"auditor\"", "role = \"king\"").contains("oidc.role"));
        assert!(refused("0x5fbdb2", "0x5f").contains("l1.rollup_contract"));
        assert!(refused("[admin]", "surprise = 1\n[admin]").contains("surprise"));
        assert!(refused("[l1]", "[limits]\nmax_body_bytes = 0\n[l1]").contains("max_body_bytes"));
    }
}
