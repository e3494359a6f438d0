//! `cloister l1 verifiers`, `add-verifier`, `execute`, `freeze-verifier`.

use alloy::primitives::Address;
use cloister_l1::{Governance, VerifierEntry};
use cloister_settings::Url;
use serde_json::{Value, json};

use super::{SendArguments, client, current_image, known_images, print, tell};
use crate::error::CliError;
use crate::terminal;

/// Whose verifiers to list.
#[derive(Debug, clap::Args)]
pub(crate) struct ListArguments {
    /// Ethereum node
    #[arg(long, value_name = "URL")]
    l1_rpc: Url,
    /// The installation's Rollup contract
    #[arg(long, value_name = "ADDRESS")]
    rollup: Address,
}

/// Where to add the verifier of the current guest.
#[derive(Debug, clap::Args)]
pub(crate) struct AddArguments {
    /// Who sends the transactions
    #[command(flatten)]
    send: SendArguments,
    /// The installation's Rollup contract
    #[arg(long, value_name = "ADDRESS")]
    rollup: Address,
    /// The installation's timelock
    #[arg(long, value_name = "ADDRESS")]
    timelock: Address,
}

/// Which scheduled verifier to add.
#[derive(Debug, clap::Args)]
pub(crate) struct ExecuteArguments {
    /// Who sends the transaction: a governor
    #[command(flatten)]
    send: SendArguments,
    /// The installation's Rollup contract
    #[arg(long, value_name = "ADDRESS")]
    rollup: Address,
    /// The installation's timelock
    #[arg(long, value_name = "ADDRESS")]
    timelock: Address,
    /// The verifier that `add-verifier` deployed
    #[arg(long, value_name = "ADDRESS")]
    verifier: Address,
}

/// Which verifier to freeze.
#[derive(Debug, clap::Args)]
pub(crate) struct FreezeArguments {
    /// Who sends the transaction: the guardian
    #[command(flatten)]
    send: SendArguments,
    /// The installation's Rollup contract
    #[arg(long, value_name = "ADDRESS")]
    rollup: Address,
    /// The verifier's version
    #[arg(long)]
    version: u32,
}

/// Lists the verifiers as JSON.
///
/// # Errors
/// When the node or the contracts give no usable answer.
pub(crate) async fn list(arguments: ListArguments) -> Result<(), CliError> {
    let client = client(arguments.l1_rpc)?;
    let router = client.verifier_router(arguments.rollup).await?;
    let entries = router.verifiers(&known_images()?).await?;
    print(&json!({
        "verifierRouter": router.address().to_checksum(None),
        "verifiers": entries.iter().map(shown).collect::<Vec<_>>(),
    }));
    Ok(())
}

fn shown(entry: &VerifierEntry) -> Value {
    json!({
        "version": entry.version,
        "address": entry.address.to_checksum(None),
        "frozen": entry.frozen,
        "codeHash": entry.code_hash,
        "codeIntact": entry.intact,
        // Null: what follows is what the contract says of itself.
        "knownGuest": entry.known,
        "program": entry.program,
        "machine": entry.machine,
        "imageHash": entry.image_hash,
    })
}

/// Deploys the current guest's verifier and schedules its addition; prints JSON.
///
/// # Errors
/// When the key cannot be read, the verifier is there already, or a transaction fails.
pub(crate) async fn add(arguments: AddArguments) -> Result<(), CliError> {
    let (client, key, limits) = arguments.send.open()?;
    let governance = Governance::open(&client, arguments.rollup, arguments.timelock).await?;
    let image = current_image()?;
    let done = governance.propose(&key, &image, limits, &mut tell).await?;
    let scheduled = done.ready_at.is_some();
    if scheduled {
        terminal::note("when the time `readyAt` has come: `cloister l1 execute --verifier …`");
    } else {
        terminal::note(
            "this key is no governor's: the verifier is deployed, but a governor must send `schedule` to the timelock",
        );
    }
    let schedule = (!scheduled).then(|| done.schedule.clone());
    print(&json!({
        "version": done.verifier.version,
        "verifier": done.verifier.address.to_checksum(None),
        "imageHash": done.verifier.image_hash,
        "codeHash": done.verifier.code_hash,
        "timelock": arguments.timelock.to_checksum(None),
        "operation": done.operation,
        "readyAt": done.ready_at,
        "schedule": schedule,
    }));
    Ok(())
}

/// Carries out a scheduled addition; prints JSON.
///
/// # Errors
/// When the key cannot be read, the change cannot be carried out now, or the transaction fails.
pub(crate) async fn execute(arguments: ExecuteArguments) -> Result<(), CliError> {
    let (client, key, limits) = arguments.send.open()?;
    let governance = Governance::open(&client, arguments.rollup, arguments.timelock).await?;
    let known = known_images()?;
    let done = governance
        .execute(&key, arguments.verifier, &known, limits, &mut tell)
        .await?;
    print(&json!({
        "version": done.version,
        "verifier": done.address.to_checksum(None),
        "imageHash": done.image_hash,
        "codeHash": done.code_hash,
    }));
    Ok(())
}

/// Freezes a version for ever; prints JSON.
///
/// # Errors
/// When the key cannot be read or the transaction fails.
pub(crate) async fn freeze(arguments: FreezeArguments) -> Result<(), CliError> {
    let (client, key, limits) = arguments.send.open()?;
    let router = client.verifier_router(arguments.rollup).await?;
    let version = arguments.version;
    let done = router.freeze(&key, version, limits, &mut tell).await?;
    print(&json!({"version": version, "frozen": true, "transaction": done.transaction}));
    Ok(())
}
