//! Ethereum checks the proof: the batch is proved, then final, and a package that was taken before
//! says so.

use std::io::Write as _;
use std::time::{Duration, Instant};

use anyhow::ensure;
use cloister_test_kit::cli::Cli;
use cloister_test_kit::client::Client;
use cloister_test_kit::stack::Stack;
use serde_json::{Value, json};

use crate::report::Report;
use crate::story::{self, text};

/// Longest wait for Ethereum: blocks come every second, and a proof takes a few of them.
const ETHEREUM_LIMIT: Duration = Duration::from_mins(10);
/// How often the gateway is asked how far the batch is.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Waits until Ethereum has checked the proof of `batch` and until that is final.
pub(crate) async fn play(
    stack: &Stack,
    report: &mut Report,
    operator: &Client,
    batch: u64,
) -> anyhow::Result<()> {
    let proved = report
        .step(
            "Ethereum checks the proof: the batch is proved",
            wait_for(operator, batch, &["proved", "finalized"]),
        )
        .await?;
    report.set_state(&text(&proved, "state")?);
    let transactions = story::transactions(stack, &proved["proveTransactions"]).await?;
    report.set_prove_transactions(transactions);
    let auditor = Cli::new(stack, "dave")?;
    report
        .step(
            "the auditor's package of before now says proved",
            story::verify(stack, &auditor, "balance.json", &["proved", "finalized"]),
        )
        .await?;
    let finalized = report
        .step(
            "Ethereum will not take it back: the batch is final",
            wait_for(operator, batch, &["finalized"]),
        )
        .await?;
    report.set_state(&text(&finalized, "state")?);
    Ok(())
}

/// How far the batch is, shown whenever Ethereum took another transaction, until it is in one of
/// these states.
async fn wait_for(operator: &Client, batch: u64, states: &[&str]) -> anyhow::Result<Value> {
    let (begun, mut shown) = (Instant::now(), 0);
    loop {
        let finality = operator
            .rpc("cloister_getFinality", json!([format!("{batch:#x}")]))
            .await?;
        if states.contains(&text(&finality, "state")?.as_str()) {
            return Ok(finality);
        }
        let taken = finality["proveTransactions"].as_array().map_or(0, Vec::len);
        if taken != shown {
            let _ = write!(
                std::io::stdout(),
                "\n      {taken} transactions of the proof … "
            );
            let _ = std::io::stdout().flush();
            shown = taken;
        }
        ensure!(
            begun.elapsed() < ETHEREUM_LIMIT,
            "Ethereum has not got so far: {finality}"
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
