//! The sequencer's configuration file.

use std::path::PathBuf;

use cloister_settings::{
    AdminSection, DatabaseSection, GrpcServerSection, SecretFile, SettingsError, TelemetrySection,
    Validate,
    schemars::{self, JsonSchema},
};
use cloister_stf::cost::{COST_TABLES, cost_table};
use serde::{Deserialize, Serialize};

use crate::app::{
    batch_policy::{BatchLimits, CostModel},
    mempool::MempoolLimits,
    proving_load::{StretchRule, UNSTRETCHED},
};

/// All of `sequencer.toml`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Health and metrics.
    pub admin: AdminSection,
    /// The sequencer's own database.
    pub database: DatabaseSection,
    /// Logs and traces.
    #[serde(default)]
    pub telemetry: TelemetrySection,
    /// Where the other services reach it.
    pub grpc: GrpcServerSection,
    /// Which chain it is.
    pub chain: ChainSection,
    /// When blocks are made.
    #[serde(default)]
    pub block: BlockSection,
    /// When batches are sealed.
    #[serde(default)]
    pub batch: BatchSection,
    /// When batches are sealed less often because proving is behind.
    #[serde(default)]
    pub backpressure: BackpressureSection,
    /// What may wait for a block.
    #[serde(default)]
    pub mempool: MempoolSection,
    /// What one call may ask for.
    #[serde(default)]
    pub limits: LimitsSection,
}

/// `[chain]`: fixed for the life of a chain, but for `policies_dir`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChainSection {
    /// EIP-155 chain id.
    pub id: u64,
    /// Gas that one block may use.
    #[serde(default = "default_gas_limit")]
    pub gas_limit: u64,
    /// Base fee of every block, in wei per gas.
    #[serde(default)]
    pub base_fee_wei: u64,
    /// Rules of the EVM: `prague` or `osaka`.
    #[serde(default = "default_fork")]
    pub fork: String,
    /// Accounts at block 0, JSON: `{"timestamp": N, "alloc": {"0x…": {"balance": "0x…"}}}`.
    pub genesis_file: PathBuf,
    /// The state secret: 64 hexadecimal digits. Who knows it can open every leaf of the state.
    pub state_secret_file: SecretFile,
    /// Folder of the policies in force; their root goes into every batch header.
    pub policies_dir: PathBuf,
}

/// `[block]`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BlockSection {
    /// Least time between two blocks while there is work, in milliseconds. After a longer pause the
    /// next block is made at once; without work there is none.
    pub interval_ms: u64,
    /// Most transactions in one block.
    pub max_transactions: u32,
}

impl Default for BlockSection {
    fn default() -> Self {
        Self {
            interval_ms: 250,
            max_transactions: 5_000,
        }
    }
}

/// `[batch]`: a batch closes when it reaches one of these.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BatchSection {
    /// Blocks.
    pub max_blocks: u32,
    /// Transactions.
    pub max_transactions: u32,
    /// Transaction envelopes, in bytes.
    pub max_bytes: u64,
    /// Age of its first block, in milliseconds.
    pub max_age_ms: u64,
    /// Estimated instructions of the guest, the program that is proved.
    pub max_instructions: u64,
    /// Estimated instructions of the guest for a batch of one transaction: what would take more is
    /// refused. At most `max_instructions`.
    pub max_transaction_instructions: u64,
    /// Version of the guest image by whose costs instructions are estimated.
    pub guest_image: String,
    /// Closed batches that may wait to be sealed before no more blocks are made.
    pub max_unsealed: usize,
}

impl Default for BatchSection {
    fn default() -> Self {
        Self {
            max_blocks: 1_000,
            max_transactions: 10_000,
            max_bytes: 8 * 1024 * 1024,
            max_age_ms: 60_000,
            max_instructions: 2_000_000_000,
            max_transaction_instructions: 1_000_000_000,
            guest_image: "v1".to_owned(),
            max_unsealed: 64,
        }
    }
}

impl BatchSection {
    /// The limits as the application knows them.
    pub(crate) fn limits(&self) -> BatchLimits {
        BatchLimits {
            max_blocks: self.max_blocks,
            max_transactions: self.max_transactions,
            max_bytes: self.max_bytes,
            max_age_ms: self.max_age_ms,
            max_instructions: self.max_instructions,
        }
    }

    /// How instructions are estimated.
    ///
    /// # Errors
    /// When the guest image is not known.
    pub(crate) fn costs(&self) -> Result<CostModel, SettingsError> {
        let table = cost_table(&self.guest_image).ok_or_else(|| {
            let known: Vec<&str> = COST_TABLES.iter().map(|table| table.image).collect();
            let reason = format!(
                "`{}` is not known: write one of `{}`",
                self.guest_image,
                known.join("`, `")
            );
            SettingsError::invalid("batch.guest_image", reason)
        })?;
        Ok(CostModel {
            table,
            max_transaction_instructions: self.max_transaction_instructions,
        })
    }
}

/// `[backpressure]`: while the prover reports more than this, `batch.max_age_ms` is stretched in
/// proportion. The other limits of a batch stay, and acknowledgements never wait.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BackpressureSection {
    /// Sealed batches without a proof up to which nothing changes.
    pub waiting_batches: u64,
    /// Age of the oldest of them up to which nothing changes, in milliseconds.
    pub oldest_age_ms: u64,
    /// Most that the age limit is multiplied by: 1 switches this off.
    pub max_age_factor: u32,
}

impl Default for BackpressureSection {
    fn default() -> Self {
        Self {
            waiting_batches: 8,
            oldest_age_ms: 1_800_000,
            max_age_factor: 10,
        }
    }
}

impl BackpressureSection {
    /// The rule as the application knows it.
    pub(crate) fn rule(&self) -> StretchRule {
        StretchRule {
            waiting_batches: self.waiting_batches,
            oldest_age_ms: self.oldest_age_ms,
            max_stretch_permille: self.max_age_factor.saturating_mul(UNSTRETCHED),
        }
    }
}

/// `[mempool]`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MempoolSection {
    /// Transactions of all senders, waiting or in a block that is not durable yet.
    pub max_transactions: usize,
    /// Transactions of one sender, and how far ahead of its account a nonce may be.
    pub max_per_sender: usize,
    /// Size of one envelope in bytes.
    pub max_transaction_bytes: usize,
    /// Sum of all waiting envelopes in bytes.
    pub max_bytes: usize,
    /// How long a transaction waits behind a missing nonce, in milliseconds.
    pub gap_timeout_ms: u64,
    /// How long a caller waits for its transaction to be durable, in milliseconds.
    pub submit_timeout_ms: u64,
}

impl Default for MempoolSection {
    fn default() -> Self {
        Self {
            max_transactions: 20_000,
            max_per_sender: 1_000,
            max_transaction_bytes: 131_072,
            max_bytes: 64 * 1024 * 1024,
            gap_timeout_ms: 10_000,
            submit_timeout_ms: 30_000,
        }
    }
}

impl MempoolSection {
    /// The limits as the application knows them.
    pub(crate) fn limits(&self) -> MempoolLimits {
        MempoolLimits {
            max_transactions: self.max_transactions,
            max_per_sender: self.max_per_sender,
            max_transaction_bytes: self.max_transaction_bytes,
            max_bytes: self.max_bytes,
            gap_timeout_ms: self.gap_timeout_ms,
        }
    }
}

/// `[limits]`: what one call over gRPC may ask for.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[expect(
    clippy::struct_field_names,
    reason = "every one is a limit, and named so"
)]
pub(crate) struct LimitsSection {
    /// Largest message taken, in bytes.
    pub max_request_bytes: usize,
    /// Largest message sent, in bytes.
    pub max_response_bytes: usize,
    /// Gas of one call or estimate.
    pub max_call_gas: u64,
    /// Calls and estimates executed at once.
    pub max_parallel_executions: usize,
    /// Blocks that one log filter may span.
    pub max_log_blocks: u64,
    /// Logs in one answer.
    pub max_logs: u32,
    /// Addresses in a log filter, and topics at each position.
    pub max_log_alternatives: usize,
    /// Keys in one state proof.
    pub max_proof_keys: usize,
    /// Streams of blocks or batches open at once, of all callers.
    pub max_streams: usize,
}

impl Default for LimitsSection {
    fn default() -> Self {
        Self {
            max_request_bytes: 1024 * 1024,
            max_response_bytes: 32 * 1024 * 1024,
            max_call_gas: 50_000_000,
            max_parallel_executions: 8,
            max_log_blocks: 10_000,
            max_logs: 10_000,
            max_log_alternatives: 64,
            max_proof_keys: 256,
            max_streams: 64,
        }
    }
}

const fn default_gas_limit() -> u64 {
    100_000_000
}

fn default_fork() -> String {
    "osaka".to_owned()
}

/// Largest file of genesis accounts, in bytes.
pub(crate) const MAX_GENESIS_BYTES: u64 = 256 * 1024 * 1024;

impl Config {
    /// Settings that must be at least 1, by their names.
    fn positive(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("chain.id", self.chain.id),
            ("batch.max_blocks", u64::from(self.batch.max_blocks)),
            (
                "batch.max_transactions",
                u64::from(self.batch.max_transactions),
            ),
            ("batch.max_bytes", self.batch.max_bytes),
            ("batch.max_age_ms", self.batch.max_age_ms),
            ("batch.max_instructions", self.batch.max_instructions),
            (
                "batch.max_transaction_instructions",
                self.batch.max_transaction_instructions,
            ),
            ("batch.max_unsealed", self.batch.max_unsealed as u64),
            (
                "backpressure.waiting_batches",
                self.backpressure.waiting_batches,
            ),
            (
                "backpressure.oldest_age_ms",
                self.backpressure.oldest_age_ms,
            ),
            (
                "backpressure.max_age_factor",
                u64::from(self.backpressure.max_age_factor),
            ),
            (
                "block.max_transactions",
                u64::from(self.block.max_transactions),
            ),
            (
                "mempool.max_transactions",
                self.mempool.max_transactions as u64,
            ),
            ("mempool.max_per_sender", self.mempool.max_per_sender as u64),
            (
                "mempool.max_transaction_bytes",
                self.mempool.max_transaction_bytes as u64,
            ),
            ("mempool.gap_timeout_ms", self.mempool.gap_timeout_ms),
            ("mempool.submit_timeout_ms", self.mempool.submit_timeout_ms),
            (
                "limits.max_request_bytes",
                self.limits.max_request_bytes as u64,
            ),
            (
                "limits.max_response_bytes",
                self.limits.max_response_bytes as u64,
            ),
            ("limits.max_call_gas", self.limits.max_call_gas),
            (
                "limits.max_parallel_executions",
                self.limits.max_parallel_executions as u64,
            ),
            ("limits.max_log_blocks", self.limits.max_log_blocks),
            ("limits.max_logs", u64::from(self.limits.max_logs)),
            (
                "limits.max_log_alternatives",
                self.limits.max_log_alternatives as u64,
            ),
            ("limits.max_proof_keys", self.limits.max_proof_keys as u64),
            ("limits.max_streams", self.limits.max_streams as u64),
        ]
    }
}

impl Validate for Config {
    fn validate(&self) -> Result<(), SettingsError> {
        self.database.validate()?;
        for (setting, value) in self.positive() {
            if value == 0 {
                return Err(SettingsError::invalid(setting, "must be at least 1"));
            }
        }
        if self.chain.id > i64::MAX as u64 {
            return Err(SettingsError::invalid("chain.id", "must be below 2^63"));
        }
        if self.chain.gas_limit < 21_000 {
            return Err(SettingsError::invalid(
                "chain.gas_limit",
                "must let at least one transfer pass: 21000 or more",
            ));
        }
        if self.chain.fork.parse::<cloister_types::Fork>().is_err() {
            return Err(SettingsError::invalid(
                "chain.fork",
                format!(
                    "`{}` is not known: write `osaka` or `prague`",
                    self.chain.fork
                ),
            ));
        }
        self.batch.costs()?;
        if self.batch.max_transaction_instructions > self.batch.max_instructions {
            return Err(SettingsError::invalid(
                "batch.max_transaction_instructions",
                "must not exceed `batch.max_instructions`",
            ));
        }
        if self.mempool.max_bytes < self.mempool.max_transaction_bytes {
            return Err(SettingsError::invalid(
                "mempool.max_bytes",
                "must hold at least one transaction of `mempool.max_transaction_bytes`",
            ));
        }
        if self.limits.max_request_bytes < self.mempool.max_transaction_bytes + 1_024 {
            return Err(SettingsError::invalid(
                "limits.max_request_bytes",
                "must hold one transaction of `mempool.max_transaction_bytes` and 1024 bytes more",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const MINIMAL: &str = r#"
[admin]
listen = "127.0.0.1:0"
[database]
host = "127.0.0.1"
name = "sequencer"
user = "sequencer"
password_file = "db-password"
[grpc]
listen = "127.0.0.1:0"
certificate_file = "sequencer.crt"
private_key_file = "sequencer.key"
client_ca_file = "ca.crt"
[chain]
id = 2718
genesis_file = "genesis.json"
state_secret_file = "state-secret"
policies_dir = "policies"
"#;

    fn parse(text: &str) -> Result<Config, String> {
        cloister_settings::parse(text, Path::new("/etc/cloister")).map_err(|e| e.to_string())
    }

    #[test]
    fn the_defaults_are_those_of_the_documents() {
        let config = parse(MINIMAL).unwrap();
        assert_eq!(config.chain.gas_limit, 100_000_000);
        assert_eq!(config.chain.base_fee_wei, 0);
        assert_eq!(config.chain.fork, "osaka");
        assert_eq!(config.block.interval_ms, 250);
        assert_eq!(
            config.chain.genesis_file,
            Path::new("/etc/cloister/genesis.json")
        );
    }

    #[test]
    fn refuses_an_unknown_key_in_every_section() {
        for section in ["block", "batch", "backpressure", "mempool", "limits"] {
            let refused = parse(&format!("{MINIMAL}[{section}]\nmax_bloks = 1\n")).unwrap_err();
            assert!(refused.contains("unknown field `max_bloks`"), "{refused}");
        }
    }

    #[test]
    fn refuses_limits_that_let_nothing_pass() {
        let refused = parse(&format!("{MINIMAL}[batch]\nmax_blocks = 0\n")).unwrap_err();
        assert_eq!(
            refused,
            "the setting `batch.max_blocks` cannot be used: must be at least 1"
        );
        let refused = parse(&format!("{MINIMAL}[batch]\nmax_instructions = 5\n")).unwrap_err();
        assert_eq!(
            refused,
            "the setting `batch.max_transaction_instructions` cannot be used: must not exceed \
             `batch.max_instructions`"
        );
        let refused = parse(&format!("{MINIMAL}[batch]\nguest_image = \"v0\"\n")).unwrap_err();
        assert_eq!(
            refused,
            "the setting `batch.guest_image` cannot be used: `v0` is not known: write one of `v1`"
        );
        let refused =
            parse(&MINIMAL.replace("id = 2718", "id = 2718\nfork = \"london\"")).unwrap_err();
        assert_eq!(
            refused,
            "the setting `chain.fork` cannot be used: `london` is not known: write `osaka` or `prague`"
        );
    }
}
