//! The typed configuration; unknown keys are refused, secrets are named as files.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use cloister_settings::schemars::{self, JsonSchema};
use cloister_settings::{
    AdminSection, DatabaseSection, GrpcClientSection, SecretFile, SettingsError, TelemetrySection,
    TlsIdentity, Url, Validate,
};
use serde::{Deserialize, Serialize};

use crate::rpc::FrameLimits;

/// The whole file.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Probes and metrics.
    pub admin: AdminSection,
    /// The gateway's own database.
    pub database: DatabaseSection,
    /// Logs and traces.
    #[serde(default)]
    pub telemetry: TelemetrySection,
    /// Where people and programs connect.
    pub https: HttpsSection,
    /// Which chain this door belongs to.
    pub chain: ChainSection,
    /// Who says who somebody is.
    pub oidc: OidcSection,
    /// The sequencer.
    pub sequencer: GrpcClientSection,
    /// The prover.
    pub prover: GrpcClientSection,
    /// Folder with the Cedar schema and policies.
    pub policies_dir: PathBuf,
    /// What one caller may use up.
    #[serde(default)]
    pub limits: LimitsSection,
    /// Browser sessions and wallet challenges.
    #[serde(default)]
    pub session: SessionSection,
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
    /// The URL by which browsers and wallets know this service; its host is the domain that wallet
    /// messages (EIP-4361) must name.
    pub public_url: Url,
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

/// `[chain]`: identity of the private chain.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChainSection {
    /// EIP-155 chain id; the gateway is not ready while the sequencer names another.
    pub id: u64,
}

/// `[oidc]`: the identity provider.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OidcSection {
    /// Issuer identifier; discovery is at `<issuer>/.well-known/openid-configuration`.
    pub issuer: String,
    /// What access tokens must name as audience.
    pub audience: String,
    /// Client id for the browser login.
    pub client_id: String,
    /// Client secret for the browser login.
    pub client_secret_file: SecretFile,
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
    /// Scopes asked for at the browser login.
    #[serde(default = "scopes")]
    pub scopes: Vec<String>,
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

/// `[limits]`: what one caller may use up.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsSection {
    /// Longest HTTP body, in bytes.
    pub max_body_bytes: usize,
    /// Most requests in one JSON-RPC batch.
    pub max_batch: usize,
    /// Deepest nesting of a JSON body.
    pub max_depth: usize,
    /// Requests of one JSON-RPC batch that run at once.
    pub batch_concurrency: usize,
    /// HTTP requests that are served at once; more are answered 503.
    pub max_concurrent_requests: usize,
    /// JSON-RPC requests that one principal may make in a second, on average.
    pub requests_per_second: u32,
    /// JSON-RPC requests that one principal may make at once after a pause.
    pub burst: u32,
    /// The same for callers without a valid token, by network address.
    pub anonymous_requests_per_second: u32,
    /// Longest time that one request may take, in milliseconds.
    pub request_timeout_ms: u64,
    /// Longest transaction, in bytes.
    pub max_transaction_bytes: usize,
    /// Most blocks that one `eth_getLogs` may span.
    pub max_log_blocks: u64,
    /// Most logs in one answer.
    pub max_logs: usize,
    /// Most wallets of one principal.
    pub max_wallets: u32,
    /// Longest ABI that is registered, in bytes of JSON.
    pub max_abi_bytes: usize,
}

impl Default for LimitsSection {
    fn default() -> Self {
        Self {
            max_body_bytes: 1024 * 1024,
            max_batch: 100,
            max_depth: 32,
            batch_concurrency: 32,
            max_concurrent_requests: 4096,
            requests_per_second: 5_000,
            burst: 10_000,
            anonymous_requests_per_second: 100,
            request_timeout_ms: 30_000,
            max_transaction_bytes: 128 * 1024,
            max_log_blocks: 10_000,
            max_logs: 10_000,
            max_wallets: 32,
            max_abi_bytes: 256 * 1024,
        }
    }
}

impl LimitsSection {
    /// Limits of one HTTP body.
    #[must_use]
    pub fn frame(&self) -> FrameLimits {
        FrameLimits {
            max_depth: self.max_depth,
            max_batch: self.max_batch,
        }
    }

    /// Longest time that one request may take.
    #[must_use]
    pub fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }
}

/// `[session]`: browser sessions and wallet challenges, in seconds.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SessionSection {
    /// A session ends this long after its last use.
    pub idle_s: u64,
    /// A session ends this long after the login, whatever happens. Until then it keeps the groups
    /// that the provider named at the login.
    pub absolute_s: u64,
    /// A login must come back from the provider within this time.
    pub login_s: u64,
    /// A wallet challenge must be answered within this time.
    pub challenge_s: u64,
}

impl Default for SessionSection {
    fn default() -> Self {
        Self {
            idle_s: 30 * 60,
            absolute_s: 8 * 60 * 60,
            login_s: 600,
            challenge_s: 600,
        }
    }
}

impl Validate for Config {
    fn validate(&self) -> Result<(), SettingsError> {
        self.database.validate()?;
        self.sequencer.validate()?;
        self.prover.validate()?;
        if self.chain.id == 0 {
            return Err(SettingsError::invalid("chain.id", "must not be 0"));
        }
        self.validate_urls()?;
        self.validate_mappings()?;
        self.limits.validate()?;
        self.session.validate()
    }
}

impl Config {
    fn validate_urls(&self) -> Result<(), SettingsError> {
        let url = &self.https.public_url;
        if url.scheme() != "https" || url.host().is_none() || url.path() != "/" {
            return Err(SettingsError::invalid(
                "https.public_url",
                format!("`{url}` must be of the form https://host[:port]/"),
            ));
        }
        let issuer = &self.oidc.issuer;
        if !Url::parse(issuer).is_ok_and(|url| url.scheme() == "https") {
            return Err(SettingsError::invalid(
                "oidc.issuer",
                format!("`{issuer}` must be an https URL"),
            ));
        }
        Ok(())
    }

    fn validate_mappings(&self) -> Result<(), SettingsError> {
        for mapping in &self.oidc.role {
            if mapping.role.parse::<cloister_authz::Role>().is_err() {
                return Err(SettingsError::invalid(
                    "oidc.role",
                    format!(
                        "`{}` is not a role: use trader, operator, compliance, auditor or developer",
                        mapping.role
                    ),
                ));
            }
        }
        if let Some(empty) = self
            .oidc
            .desk
            .iter()
            .find(|mapping| mapping.desk.is_empty())
        {
            return Err(SettingsError::invalid(
                "oidc.desk",
                format!("the desk for `{}` is empty", empty.claim),
            ));
        }
        Ok(())
    }
}

impl Validate for LimitsSection {
    fn validate(&self) -> Result<(), SettingsError> {
        let all = [
            (
                "max_body_bytes",
                self.max_body_bytes as u64,
                64 * 1024 * 1024,
            ),
            ("max_batch", self.max_batch as u64, 10_000),
            ("max_depth", self.max_depth as u64, 100),
            ("batch_concurrency", self.batch_concurrency as u64, 1_000),
            (
                "max_concurrent_requests",
                self.max_concurrent_requests as u64,
                1_000_000,
            ),
            (
                "requests_per_second",
                self.requests_per_second.into(),
                1_000_000,
            ),
            ("burst", self.burst.into(), 1_000_000),
            (
                "anonymous_requests_per_second",
                self.anonymous_requests_per_second.into(),
                1_000_000,
            ),
            ("request_timeout_ms", self.request_timeout_ms, 600_000),
            (
                "max_transaction_bytes",
                self.max_transaction_bytes as u64,
                1024 * 1024,
            ),
            ("max_log_blocks", self.max_log_blocks, 10_000_000),
            ("max_logs", self.max_logs as u64, 1_000_000),
            ("max_wallets", self.max_wallets.into(), 1_000),
            ("max_abi_bytes", self.max_abi_bytes as u64, 1024 * 1024),
        ];
        within("limits", &all)
    }
}

impl Validate for SessionSection {
    fn validate(&self) -> Result<(), SettingsError> {
        let all = [
            ("idle_s", self.idle_s, 24 * 60 * 60),
            ("absolute_s", self.absolute_s, 7 * 24 * 60 * 60),
            ("login_s", self.login_s, 60 * 60),
            ("challenge_s", self.challenge_s, 60 * 60),
        ];
        within("session", &all)?;
        if self.idle_s > self.absolute_s {
            return Err(SettingsError::invalid(
                "session.idle_s",
                "must not be more than session.absolute_s",
            ));
        }
        Ok(())
    }
}

fn within(section: &str, settings: &[(&str, u64, u64)]) -> Result<(), SettingsError> {
    match settings
        .iter()
        .find(|(_, value, most)| *value == 0 || value > most)
    {
        None => Ok(()),
        Some((name, _, most)) => Err(SettingsError::invalid(
            format!("{section}.{name}"),
            format!("must be between 1 and {most}"),
        )),
    }
}

fn groups() -> String {
    "groups".to_owned()
}

fn scopes() -> Vec<String> {
    ["openid", "profile", "groups"].map(str::to_owned).to_vec()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn parse(text: &str) -> Result<Config, SettingsError> {
        cloister_settings::parse(text, Path::new("/etc/cloister"))
    }

    fn example() -> String {
        include_str!("../gateway.example.toml").to_owned()
    }

    fn refusal(from: &str, to: &str) -> String {
        let changed = example().replace(from, to);
        assert_ne!(changed, example(), "`{from}` is not in the example");
        parse(&changed).unwrap_err().to_string()
    }

    #[test]
    fn the_example_is_valid() {
        let config = parse(&example()).unwrap();
        assert_eq!(config.chain.id, 1_331);
        assert_eq!(config.policies_dir, Path::new("/etc/cloister/policies"));
    }

    #[test]
    fn refuses_unknown_keys_in_every_section() {
        for section in [
            "[https]",
            "[chain]",
            "[oidc]",
            "[limits]",
            "[session]",
            "[database]",
        ] {
            let error = refusal(section, &format!("{section}\nsurprise = 1"));
            assert!(error.contains("surprise"), "{section}: {error}");
        }
    }

    #[test]
    fn refuses_values_that_cannot_work() {
        assert!(refusal("id = 1331", "id = 0").contains("chain.id"));
        assert!(refusal("max_batch = 100", "max_batch = 0").contains("limits.max_batch"));
        assert!(refusal("idle_s = 1800", "idle_s = 0").contains("session.idle_s"));
        assert!(refusal("idle_s = 1800", "idle_s = 28801").contains("session.idle_s"));
        assert!(refusal("role = \"trader\"", "role = \"king\"").contains("`king` is not a role"));
        let plain = refusal(
            "https://gateway.bank.example/",
            "http://gateway.bank.example/",
        );
        assert!(plain.contains("https.public_url"), "{plain}");
        let issuer = refusal("https://login.bank.example", "http://login.bank.example");
        assert!(issuer.contains("oidc.issuer"), "{issuer}");
    }
}
