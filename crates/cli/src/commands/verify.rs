//! `cloister verify`: checks a package against Ethereum, without Cloister.

use std::path::{Path, PathBuf};
use std::time::Duration;

use alloy::primitives::Address;
use cloister_disclosure::{
    AnchorRecord, AnchorState, CheckedProof, Expectations, IssuerKey, MAX_PACKAGE_BYTES, Package,
    Report, Statement, VerifyError,
};
use cloister_l1::{Endpoint, EthClient, L1Error};
use cloister_settings::Url;
use cloister_types::BatchNumber;

use crate::error::CliError;
use crate::terminal;

/// How long one question to the Ethereum node may take.
const L1_TIMEOUT: Duration = Duration::from_secs(30);

/// What to check against what.
#[derive(Debug, clap::Args)]
pub(crate) struct VerifyArguments {
    /// The package
    file: PathBuf,
    /// An Ethereum node that you trust
    #[arg(long, value_name = "URL")]
    l1_rpc: Url,
    /// The institution's Rollup contract, if you know it
    #[arg(long, value_name = "ADDRESS")]
    rollup: Option<Address>,
    /// The institution's public signing key (PEM), if you know it
    #[arg(long, value_name = "FILE")]
    issuer_key: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What came of it.
enum Verdict {
    Verified(Box<Report>),
    Rejected(VerifyError),
    /// Ethereum does not know the batch.
    NotAnchored(u64),
}

fn read(path: &Path, limit: usize) -> Result<Vec<u8>, CliError> {
    let file = |source| CliError::File {
        path: path.to_path_buf(),
        source,
    };
    let size = std::fs::metadata(path).map_err(file)?.len();
    if size > limit as u64 {
        return Err(CliError::Argument(format!(
            "`{}` has {size} bytes, more than the {limit} that are read",
            path.display()
        )));
    }
    std::fs::read(path).map_err(file)
}

/// Checks a package and prints the verdict. `true` when it holds.
///
/// # Errors
/// When the check itself could not be made: a file or the node cannot be read.
pub(crate) async fn run(arguments: &VerifyArguments) -> Result<bool, CliError> {
    let verdict = verdict(arguments).await?;
    if arguments.json {
        terminal::line(&as_json(&verdict));
    } else {
        in_words(&verdict);
    }
    Ok(matches!(verdict, Verdict::Verified(_)))
}

async fn verdict(arguments: &VerifyArguments) -> Result<Verdict, CliError> {
    let issuer = match &arguments.issuer_key {
        None => None,
        Some(path) => {
            let pem = String::from_utf8_lossy(&read(path, 16 * 1024)?).into_owned();
            Some(IssuerKey::from_pem(&pem)?)
        }
    };
    let package = match Package::open(&read(&arguments.file, MAX_PACKAGE_BYTES)?) {
        Ok(package) => package,
        Err(error) => return Ok(Verdict::Rejected(error)),
    };
    let address = arguments.rollup.unwrap_or(package.manifest().anchor.rollup);
    let batch = BatchNumber(package.manifest().batch.number);
    let Some(anchor) = anchor(&arguments.l1_rpc, address, batch).await? else {
        return Ok(Verdict::NotAnchored(batch.0));
    };
    let expected = Expectations {
        issuer: issuer.as_ref(),
        rollup: arguments.rollup,
    };
    Ok(match package.verify(&anchor, &expected) {
        Ok(report) => Verdict::Verified(Box::new(report)),
        Err(error) => Verdict::Rejected(error),
    })
}

/// What Ethereum holds about the batch.
async fn anchor(
    url: &Url,
    rollup: Address,
    batch: BatchNumber,
) -> Result<Option<AnchorRecord>, CliError> {
    let client = EthClient::connect(&Endpoint::new(url.clone(), L1_TIMEOUT))?;
    let l1_chain_id = client.chain_id().await?;
    if !client.has_code(rollup).await? {
        return Err(CliError::Argument(format!(
            "there is no contract at `{rollup}` on chain {l1_chain_id}: is it the right node?"
        )));
    }
    let Some(found) = client.rollup(rollup).anchor(batch).await? else {
        return Ok(None);
    };
    let state = match found.state {
        _ if batch == BatchNumber::GENESIS => AnchorState::Genesis,
        cloister_l1::AnchorState::Committed => AnchorState::Committed,
        cloister_l1::AnchorState::Proved => {
            AnchorState::Proved(proof(&client, &found, rollup).await?)
        }
        cloister_l1::AnchorState::Finalized => {
            AnchorState::Finalized(proof(&client, &found, rollup).await?)
        }
    };
    Ok(Some(AnchorRecord {
        l1_chain_id,
        rollup,
        batch,
        state_root: found.state_root,
        batch_hash: found.batch_hash,
        state,
    }))
}

/// When and by which verifier Ethereum checked a proof of the batch, and whether the verifier's code
/// is one that this program knows: who governs a contract could add any.
async fn proof(
    client: &EthClient,
    found: &cloister_l1::AnchorRecord,
    rollup: Address,
) -> Result<CheckedProof, CliError> {
    let (Some(proof_block), Some(verifier_version)) = (found.prove_block, found.verifier_version)
    else {
        return Err(CliError::L1(L1Error::BadAnswer {
            method: "eth_call",
            reason: "a proved batch without block and verifier of its proof".to_owned(),
        }));
    };
    let router = client.verifier_router(rollup).await?;
    let known = super::l1::known_images()?;
    let verifier = router.verifier(verifier_version, &known).await?;
    Ok(CheckedProof {
        proof_block,
        verifier_version,
        known_guest: verifier.and_then(|verifier| verifier.known),
        verifier_frozen: verifier.is_some_and(|verifier| verifier.frozen),
    })
}

fn as_json(verdict: &Verdict) -> String {
    let value = match verdict {
        Verdict::Verified(report) => serde_json::json!({"verified": true, "report": report}),
        Verdict::Rejected(error) => {
            let (code, reason) = (error.code(), error.to_string());
            serde_json::json!({"verified": false, "code": code, "reason": reason})
        }
        Verdict::NotAnchored(batch) => {
            let reason = format!("Ethereum does not know batch {batch}");
            serde_json::json!({"verified": false, "code": "not_anchored", "reason": reason})
        }
    };
    value.to_string()
}

fn in_words(verdict: &Verdict) {
    match verdict {
        Verdict::Verified(report) => {
            let state = match report.state {
                AnchorState::Committed => "committed to Ethereum, not proved yet",
                AnchorState::Proved(_) => "proved on Ethereum, not final yet",
                AnchorState::Finalized(_) => "proved and final on Ethereum",
                AnchorState::Genesis => "what the contract on Ethereum began with",
            };
            terminal::line(&format!(
                "VERIFIED: {} at batch {} of chain {}, which is {state}",
                report.claim.kind().replace('_', " "),
                report.batch,
                report.chain_id
            ));
            list("Proved:", &report.proved);
            list("Stated by the issuer, not proved:", &report.asserted);
            list("Not covered:", &report.not_covered);
        }
        Verdict::Rejected(error) => {
            let reason = terminal::clean(&error.to_string());
            terminal::line(&format!("NOT VERIFIED: {reason}"));
        }
        Verdict::NotAnchored(batch) => terminal::line(&format!(
            "NOT VERIFIED: Ethereum does not know batch {batch}; ask again when it is committed"
        )),
    }
}

fn list(title: &str, statements: &[Statement]) {
    if statements.is_empty() {
        return;
    }
    terminal::line(&format!("\n{title}"));
    for statement in statements {
        terminal::line(&format!("  - {}", terminal::clean(&statement.text)));
    }
}
