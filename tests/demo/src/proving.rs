//! The batch becomes one STARK, and its wrap is checked on Ethereum. That takes minutes, so it goes on
//! behind the story; only here it is waited for.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use cloister_test_kit::cli::Cli;
use cloister_test_kit::client::Client;
use cloister_test_kit::stack::{Engine, Stack};
use serde_json::{Value, json};

use crate::ethereum;
use crate::report::Report;
use crate::story::text;

/// Longest wait for what proves to be built: it is compiled with optimisation.
const BUILD_LIMIT: Duration = Duration::from_hours(1);
/// Longest wait for the proof, on two processors.
const PROOF_LIMIT: Duration = Duration::from_hours(2);
/// How often the gateway is asked how far the proof is.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Where the programs that prove will be, and where they keep their keys.
#[derive(Debug)]
pub(crate) struct Proving {
    /// Holds the engine's path and the wrapper's, a line each, once they are built, or `error: …`.
    marker: PathBuf,
    key_cache: PathBuf,
}

impl Proving {
    /// Nothing is looked at yet.
    pub(crate) fn new(marker: PathBuf, key_cache: PathBuf) -> Self {
        Self { marker, key_cache }
    }

    /// The engine, if it is built.
    ///
    /// # Errors
    /// When it could not be built.
    pub(crate) fn engine(&self) -> anyhow::Result<Option<Engine>> {
        let Ok(text) = std::fs::read_to_string(&self.marker) else {
            return Ok(None);
        };
        // Written last; without its line end it is half written.
        let Some(text) = text.strip_suffix('\n') else {
            return Ok(None);
        };
        if let Some(reason) = text.strip_prefix("error: ") {
            bail!("what proves could not be built: {reason}");
        }
        let Some((program, wrapper)) = text.split_once('\n') else {
            return Ok(None);
        };
        Ok(Some(Engine {
            program: PathBuf::from(program),
            wrapper: Some(PathBuf::from(wrapper)),
            key_cache: self.key_cache.clone(),
        }))
    }

    /// Waits for the proof of `batch`, takes it out and verifies it; then for Ethereum to check it.
    pub(crate) async fn play(
        &self,
        stack: &mut Stack,
        report: &mut Report,
        batch: u64,
    ) -> anyhow::Result<()> {
        if stack.options.engine.is_none() {
            let engine = report
                .step("what proves is built", self.wait_built())
                .await?;
            report
                .step("the prover takes it", stack.start_proving(engine))
                .await?;
        }
        let operator = Client::login(stack, &stack.people.operator).await?;
        report
            .step(
                "the program, run without proof, agrees with the sequencer",
                wait_for(&operator, batch, |proof| proof["checked"] == true),
            )
            .await?;
        let proof = report
            .step(
                "the batch is proved: one verified STARK",
                wait_for(&operator, batch, |proof| proof["state"] == "verified"),
            )
            .await?;
        report.set_proof(proof);
        let officer = Cli::new(stack, "carol")?;
        let (file, hash) = report
            .step(
                "the officer takes the proof",
                take(&operator, &officer, batch),
            )
            .await?;
        report
            .step(
                "anybody verifies it, without Cloister",
                verify(&officer, &file, &hash),
            )
            .await?;
        report
            .step(
                "the same proof for another header is refused",
                refuse(&officer, &file, &hash),
            )
            .await?;
        let proof = report
            .step(
                "the proof is wrapped: it tells nothing but the batch's hash",
                wait_for(&operator, batch, |proof| proof["wrap"] == "done"),
            )
            .await?;
        report.set_proof(proof);
        ethereum::play(stack, report, &operator, batch).await
    }

    async fn wait_built(&self) -> anyhow::Result<Engine> {
        let begun = Instant::now();
        loop {
            if let Some(engine) = self.engine()? {
                return Ok(engine);
            }
            ensure!(
                begun.elapsed() < BUILD_LIMIT,
                "what proves is not built yet"
            );
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

/// How far the proof of a batch is, shown whenever it goes on, until `enough`.
async fn wait_for(
    operator: &Client,
    batch: u64,
    enough: impl Fn(&Value) -> bool,
) -> anyhow::Result<Value> {
    let (begun, mut shown) = (Instant::now(), String::new());
    loop {
        let finality = operator
            .rpc("cloister_getFinality", json!([format!("{batch:#x}")]))
            .await?;
        let proof = finality.get("proof").cloned().unwrap_or_default();
        if enough(&proof) {
            return Ok(proof);
        }
        let state = proof["state"].as_str().unwrap_or("unknown");
        ensure!(
            !["stuck", "rejected", "discarded"].contains(&state)
                && !["stuck", "discarded"].contains(&proof["wrap"].as_str().unwrap_or_default()),
            "proving ended as {state}: {proof}"
        );
        let now = progress(&proof);
        if now != shown {
            let _ = write!(std::io::stdout(), "\n      {now} … ");
            let _ = std::io::stdout().flush();
            shown = now;
        }
        ensure!(begun.elapsed() < PROOF_LIMIT, "no proof yet: {proof}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// How far the proof is, in words that change when it goes on.
fn progress(proof: &Value) -> String {
    let count = |field: &str| proof[field].as_u64().unwrap_or_default();
    format!(
        "{}: segments {}/{}, tree {}/{}",
        proof["stage"].as_str().unwrap_or("waiting"),
        count("segmentsDone"),
        count("segmentsTotal"),
        count("nodesDone"),
        count("nodesTotal"),
    )
}

/// The final proof as a file, and the hash of its batch.
async fn take(operator: &Client, officer: &Cli, batch: u64) -> anyhow::Result<(PathBuf, String)> {
    let header = operator
        .rpc("cloister_getBatch", json!([format!("{batch:#x}")]))
        .await?;
    let file = officer.file("batch.proof");
    let (number, output) = (batch.to_string(), file.display().to_string());
    officer
        .run(["proof", "fetch", &number, "--output", &output])
        .await?;
    Ok((file, text(&header, "hash")?))
}

async fn verify(officer: &Cli, file: &Path, hash: &str) -> anyhow::Result<()> {
    let file = file.display().to_string();
    let answer = officer
        .run(["proof", "verify", &file, "--batch-hash", hash, "--json"])
        .await?;
    let answer: Value = serde_json::from_str(&answer)?;
    ensure!(answer["verified"] == true, "not verified: {answer}");
    Ok(())
}

async fn refuse(officer: &Cli, file: &Path, hash: &str) -> anyhow::Result<()> {
    let digits = hash.strip_prefix("0x").context("a hash begins with 0x")?;
    let other = if digits.starts_with('0') { '1' } else { '0' };
    let other = format!("0x{other}{}", digits.get(1..).unwrap_or_default());
    let file = file.display().to_string();
    let answer = officer
        .run(["proof", "verify", &file, "--batch-hash", &other])
        .await;
    ensure!(answer.is_err(), "a proof holds for a batch it is not about");
    Ok(())
}
