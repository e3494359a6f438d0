//! The prover's configuration file.

mod proving;

use std::path::PathBuf;
use std::time::Duration;

use cloister_l1::Address;
use cloister_service_kit::ServiceConfig;
use cloister_settings::{
    AdminSection, DatabaseSection, GrpcClientSection, GrpcServerSection, SecretFile, SettingsError,
    TelemetrySection, Url, Validate,
    schemars::{self, JsonSchema},
};
use cloister_signer::KeySource;
use serde::{Deserialize, Serialize};

pub(crate) use self::proving::ProverSection;

/// All of `prover.toml`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Health and metrics.
    pub admin: AdminSection,
    /// The prover's own database.
    pub database: DatabaseSection,
    /// Logs and traces.
    #[serde(default)]
    pub telemetry: TelemetrySection,
    /// Where the other services reach it.
    pub grpc: GrpcServerSection,
    /// Where the sealed batches come from.
    pub sequencer: GrpcClientSection,
    /// Ethereum.
    pub l1: L1Section,
    /// Proving. Without it batches are committed and not proved, and commits do not wait for the
    /// program's word.
    pub prover: Option<ProverSection>,
}

/// All of a worker's file: a machine that only proves, beside others on the same database.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WorkerConfig {
    /// Health and metrics.
    pub admin: AdminSection,
    /// The prover's database.
    pub database: DatabaseSection,
    /// Logs and traces.
    #[serde(default)]
    pub telemetry: TelemetrySection,
    /// Proving.
    pub prover: ProverSection,
}

/// `[l1]`: the contract, the key that commits, and what it may spend.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct L1Section {
    /// JSON-RPC address of an Ethereum node, `http` or `https`.
    pub rpc_url: Url,
    /// Its chain id; a node of another chain is not used.
    pub chain_id: u64,
    /// Address of the Rollup contract.
    #[schemars(with = "String")]
    pub rollup_contract: Address,
    /// The committer's private key: 64 hexadecimal digits, or an encrypted keystore when
    /// `committer_passphrase_file` is given.
    pub committer_key_file: SecretFile,
    /// Passphrase of the keystore.
    pub committer_passphrase_file: Option<SecretFile>,
    /// Depth in blocks from which on a commit counts as committed, and a proof as proved; both are
    /// followed until final.
    #[serde(default = "one")]
    pub confirmations: u64,
    /// Most that one unit of gas may cost, in wei; dearer commits wait.
    pub max_fee_per_gas_wei: u64,
    /// Least tip for one unit of gas, in wei.
    #[serde(default = "default_tip")]
    pub min_priority_fee_per_gas_wei: u64,
    /// How often Ethereum is looked at, in milliseconds.
    #[serde(default = "default_poll")]
    pub poll_ms: u64,
    /// How long one question to the node may take, in milliseconds.
    #[serde(default = "default_timeout")]
    pub request_timeout_ms: u64,
    /// Blocks without inclusion after which the fees of a transaction are raised.
    #[serde(default = "default_bump")]
    pub bump_after_blocks: u64,
    /// Most batches in one transaction.
    #[serde(default = "default_batches")]
    pub max_batches_per_transaction: u64,
    /// Longest transaction in bytes; a proof is brought in as many as that takes. Nodes hand on no
    /// more than 131,072 as a rule; who sends to a builder may allow more.
    #[serde(default = "default_transaction_bytes")]
    pub max_transaction_bytes: u32,
    /// Release of the wraps, as `cloister-wrapper key --write` makes it, of a guest program that is
    /// not a released one.
    pub wrap_release: Option<PathBuf>,
    /// An operator's word that batches from this number on, which the guardian took back, are to be
    /// committed again.
    pub recommit_from: Option<u64>,
}

const fn one() -> u64 {
    1
}
const fn default_tip() -> u64 {
    1_000_000
}
const fn default_poll() -> u64 {
    2_000
}
const fn default_timeout() -> u64 {
    10_000
}
const fn default_bump() -> u64 {
    5
}
const fn default_batches() -> u64 {
    16
}
const fn default_transaction_bytes() -> u32 {
    131_072
}

impl L1Section {
    /// Where the committer's key comes from.
    pub(crate) fn key_source(&self) -> KeySource {
        match &self.committer_passphrase_file {
            None => KeySource::HexFile(self.committer_key_file.clone()),
            Some(passphrase_file) => KeySource::Keystore {
                file: self.committer_key_file.clone(),
                passphrase_file: passphrase_file.clone(),
            },
        }
    }

    /// How often Ethereum is looked at.
    pub(crate) const fn poll(&self) -> Duration {
        Duration::from_millis(self.poll_ms)
    }

    /// How long one question to the node may take.
    pub(crate) const fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }
}

/// Fees are kept as 63-bit numbers; a million gwei is far beyond any sane cap.
const MOST_WEI: u64 = 1_000_000_000_000_000;

impl Validate for L1Section {
    fn validate(&self) -> Result<(), SettingsError> {
        let within = |setting: &str, value: u64, least: u64, most: u64| {
            if (least..=most).contains(&value) {
                return Ok(());
            }
            Err(SettingsError::invalid(
                format!("l1.{setting}"),
                format!("must be between {least} and {most}, not `{value}`"),
            ))
        };
        if !matches!(self.rpc_url.scheme(), "http" | "https") {
            return Err(SettingsError::invalid(
                "l1.rpc_url",
                "must be of the form http://host:port or https://host",
            ));
        }
        if self.rollup_contract.is_zero() {
            return Err(SettingsError::invalid(
                "l1.rollup_contract",
                "is the zero address; take the address that `cloister l1 deploy` printed",
            ));
        }
        within("chain_id", self.chain_id, 1, i64::MAX as u64)?;
        within("confirmations", self.confirmations, 1, 1_000)?;
        within("max_fee_per_gas_wei", self.max_fee_per_gas_wei, 1, MOST_WEI)?;
        within(
            "min_priority_fee_per_gas_wei",
            self.min_priority_fee_per_gas_wei,
            0,
            self.max_fee_per_gas_wei,
        )?;
        within("poll_ms", self.poll_ms, 10, 600_000)?;
        within("request_timeout_ms", self.request_timeout_ms, 100, 120_000)?;
        within("bump_after_blocks", self.bump_after_blocks, 1, 1_000)?;
        within(
            "max_batches_per_transaction",
            self.max_batches_per_transaction,
            1,
            cloister_l1::MAX_BATCHES_PER_COMMIT as u64,
        )?;
        // Longer ones cannot be paid for: 40 gas a byte (EIP-7623), 16,777,216 in all (EIP-7825).
        within(
            "max_transaction_bytes",
            u64::from(self.max_transaction_bytes),
            8_192,
            400_000,
        )?;
        within(
            "recommit_from",
            self.recommit_from.unwrap_or(1),
            1,
            u64::MAX,
        )
    }
}

impl Validate for Config {
    fn validate(&self) -> Result<(), SettingsError> {
        self.database.validate()?;
        self.telemetry.validate()?;
        self.sequencer.validate()?;
        self.l1.validate()?;
        self.prover.as_ref().map_or(Ok(()), Validate::validate)
    }
}

impl Validate for WorkerConfig {
    fn validate(&self) -> Result<(), SettingsError> {
        self.database.validate()?;
        self.telemetry.validate()?;
        self.prover.validate()?;
        if self.prover.workers == 0 {
            return Err(SettingsError::invalid(
                "prover.workers",
                "must be between 1 and 64 on a machine that only proves",
            ));
        }
        Ok(())
    }
}

impl ServiceConfig for WorkerConfig {
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
