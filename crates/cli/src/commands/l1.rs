//! `cloister l1 deploy`: puts the contracts of a new installation on Ethereum.

use std::time::Duration;

use alloy::primitives::{Address, B256};
use cloister_l1::{DeployPlan, Endpoint, EthClient};
use cloister_settings::Url;
use cloister_signer::LocalKey;

use crate::arguments::KeyArguments;
use crate::error::CliError;
use crate::terminal;

/// How long one question to the Ethereum node may take.
const L1_TIMEOUT: Duration = Duration::from_secs(30);

/// What to deploy and who gets which role.
#[derive(Debug, clap::Args)]
pub(crate) struct DeployArguments {
    /// Ethereum node
    #[arg(long, value_name = "URL")]
    l1_rpc: Url,
    /// The deploying account's key
    #[command(flatten)]
    key: KeyArguments,
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
    /// May pause, and take back batches that are not proved
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
    /// Most that one unit of gas may cost, in wei
    #[arg(long, default_value_t = 100_000_000_000, value_name = "WEI")]
    max_fee_per_gas: u128,
    /// How long to wait for each transaction, in seconds
    #[arg(long, default_value_t = 600, value_name = "SECONDS")]
    timeout: u64,
}

/// Deploys and prints the addresses as JSON.
///
/// # Errors
/// When the key cannot be read or the deployment fails.
pub(crate) async fn deploy(arguments: DeployArguments) -> Result<(), CliError> {
    let key = LocalKey::open(&arguments.key.source()?)?;
    let client = EthClient::connect(&Endpoint::new(arguments.l1_rpc, L1_TIMEOUT))?;
    let plan = DeployPlan {
        chain_id: arguments.chain_id,
        genesis_state_root: arguments.genesis_state_root,
        genesis_batch_hash: arguments.genesis_batch_hash,
        committer: arguments.committer,
        guardian: arguments.guardian,
        governors: arguments.governors,
        timelock_delay_s: arguments.timelock_delay,
        finality_blocks: arguments.finality_blocks,
        max_fee_per_gas_wei: arguments.max_fee_per_gas,
        inclusion_timeout: Duration::from_secs(arguments.timeout),
    };
    terminal::note("deploying timelock, verifier router and Rollup; this takes four transactions");
    let done = cloister_l1::deploy(&client, &key, &plan).await?;
    let gas: u64 = done
        .transactions
        .iter()
        .map(|inclusion| inclusion.gas_used)
        .sum();
    let printed = serde_json::json!({
        "rollup": done.rollup.to_checksum(None),
        "rollupImplementation": done.rollup_implementation.to_checksum(None),
        "verifierRouter": done.router.to_checksum(None),
        "timelock": done.timelock.to_checksum(None),
        "gasUsed": gas,
    });
    terminal::line(&serde_json::to_string_pretty(&printed).unwrap_or_default());
    Ok(())
}
