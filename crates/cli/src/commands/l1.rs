//! `cloister l1 …`: puts the contracts of an installation on Ethereum, and governs its verifiers.

mod verifiers;

use std::time::Duration;

use alloy::primitives::{Address, B256};
use cloister_l1::{DeployPlan, Endpoint, EthClient, SendLimits, Step, VerifierImage};
use cloister_prove::image;
use cloister_settings::Url;
use cloister_signer::LocalKey;
use serde_json::{Value, json};

use crate::arguments::KeyArguments;
use crate::error::CliError;
use crate::terminal;

pub(crate) use verifiers::{
    AddArguments, ExecuteArguments, FreezeArguments, ListArguments, add, execute, freeze, list,
};

/// How long one question to the Ethereum node may take.
const L1_TIMEOUT: Duration = Duration::from_secs(30);

/// Who sends transactions, and within which limits.
#[derive(Debug, clap::Args)]
pub(crate) struct SendArguments {
    /// Ethereum node
    #[arg(long, value_name = "URL")]
    l1_rpc: Url,
    /// The sending account's key
    #[command(flatten)]
    key: KeyArguments,
    /// Most that one unit of gas may cost, in wei
    #[arg(long, default_value_t = 100_000_000_000, value_name = "WEI")]
    max_fee_per_gas: u128,
    /// How long to wait for each transaction, in seconds
    #[arg(long, default_value_t = 600, value_name = "SECONDS")]
    timeout: u64,
}

impl SendArguments {
    fn open(self) -> Result<(EthClient, LocalKey, SendLimits), CliError> {
        let limits = SendLimits {
            max_fee_per_gas_wei: self.max_fee_per_gas,
            inclusion_timeout: Duration::from_secs(self.timeout),
        };
        let key = LocalKey::open(&self.key.source()?)?;
        Ok((client(self.l1_rpc)?, key, limits))
    }
}

/// What to deploy and who gets which role.
#[derive(Debug, clap::Args)]
pub(crate) struct DeployArguments {
    /// Who sends the transactions
    #[command(flatten)]
    send: SendArguments,
    /// Id of the private chain
    #[arg(long)]
    chain_id: u64,
    /// State root of genesis, from the sequencer
    #[arg(long, value_name = "HASH")]
    genesis_state_root: B256,
    /// Hash of batch 0, from the sequencer
    #[arg(long, value_name = "HASH")]
    genesis_batch_hash: B256,
    /// May commit batches
    #[arg(long, value_name = "ADDRESS")]
    committer: Address,
    /// May pause, take back batches that are not proved, and freeze verifiers
    #[arg(long, value_name = "ADDRESS")]
    guardian: Address,
    /// May change roles, code and verifiers through the timelock; may be given several times
    #[arg(long = "governor", value_name = "ADDRESS", required = true)]
    governors: Vec<Address>,
    /// Seconds between a change's proposal and its effect
    #[arg(long, default_value_t = 172_800, value_name = "SECONDS")]
    timelock_delay: u64,
    /// Ethereum blocks between a proof and finality
    #[arg(long, default_value_t = 64, value_name = "BLOCKS")]
    finality_blocks: u32,
    /// Deploy no verifier: batches are committed only, until one was added through the timelock
    #[arg(long)]
    without_verifier: bool,
}

/// Deploys and prints the addresses as JSON.
///
/// # Errors
/// When the key cannot be read or the deployment fails.
pub(crate) async fn deploy(arguments: DeployArguments) -> Result<(), CliError> {
    let (client, key, limits) = arguments.send.open()?;
    let verifiers = if arguments.without_verifier {
        Vec::new()
    } else {
        vec![current_image()?]
    };
    let plan = DeployPlan {
        chain_id: arguments.chain_id,
        genesis_state_root: arguments.genesis_state_root,
        genesis_batch_hash: arguments.genesis_batch_hash,
        committer: arguments.committer,
        guardian: arguments.guardian,
        governors: arguments.governors,
        timelock_delay_s: arguments.timelock_delay,
        finality_blocks: arguments.finality_blocks,
        verifiers,
        max_fee_per_gas_wei: limits.max_fee_per_gas_wei,
        inclusion_timeout: limits.inclusion_timeout,
    };
    let count = plan.transactions();
    terminal::note(&format!("this takes {count} transactions"));
    let done = cloister_l1::deploy(&client, &key, &plan, &mut tell).await?;
    let gas: u64 = done
        .transactions
        .iter()
        .map(|inclusion| inclusion.gas_used)
        .sum();
    let verifiers = done.verifiers.iter().map(|verifier| {
        json!({
            "version": verifier.version,
            "address": verifier.address.to_checksum(None),
            "imageHash": verifier.image_hash,
            "codeHash": verifier.code_hash,
        })
    });
    print(&json!({
        "rollup": done.rollup.to_checksum(None),
        "rollupImplementation": done.rollup_implementation.to_checksum(None),
        "verifierRouter": done.router.to_checksum(None),
        "timelock": done.timelock.to_checksum(None),
        "verifiers": verifiers.collect::<Vec<_>>(),
        "gasUsed": gas,
    }));
    Ok(())
}

/// The images of all guest versions that this program knows: what a verifier is compared with.
///
/// # Errors
/// When this program was built from a malformed image.
pub(crate) fn known_images() -> Result<Vec<VerifierImage>, CliError> {
    let versions = 1..=image::CURRENT;
    versions
        .filter_map(|version| Some((version, image::verifier_image(version)?)))
        .map(|(version, bytes)| Ok(VerifierImage::new(version, bytes)?))
        .collect()
}

/// The image of the guest version that batches are proved with.
fn current_image() -> Result<VerifierImage, CliError> {
    let images = known_images()?;
    let mut current = images.into_iter();
    let current = current.find(|image| image.version() == image::CURRENT);
    current.ok_or_else(|| CliError::Argument("this program knows no verifier".to_owned()))
}

fn client(url: Url) -> Result<EthClient, CliError> {
    Ok(EthClient::connect(&Endpoint::new(url, L1_TIMEOUT))?)
}

fn tell(step: &Step) {
    terminal::note(&format!(
        "{}: {} gas, transaction {}",
        step.what, step.inclusion.gas_used, step.inclusion.transaction
    ));
}

fn print(value: &Value) {
    terminal::line(&serde_json::to_string_pretty(value).unwrap_or_default());
}
