//! Starts the whole stack on one machine and plays the demo story, showing its progress.
//!
//! ```text
//! main ──► start (Postgres, Ethereum, provider, services, contracts)
//!     └──► story (log in, transact, be refused, oversee, anchor, disclose, verify)
//!     └──► proving (the batch becomes one STARK, behind the story; verify it)
//!     └──► ethereum (its wrap is checked on Ethereum: proved, final)
//!     └──► report (progress on the terminal, summary.json)
//! ```

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use cloister_test_kit::stack::{Options, Stack};
use cloister_test_kit::tools;

mod ethereum;
mod proving;
mod report;
mod start;
mod story;
mod terminal;

use proving::Proving;
use report::Report;

/// Starts Cloister on this machine with demo people and plays its story.
#[derive(Debug, Parser)]
struct Arguments {
    /// Stop everything at the end; exit with 0 only if every step held
    #[arg(long)]
    exit: bool,
    /// Where to write the summary
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// End the story where the auditor has verified against Ethereum: the batch stays `committed`,
    /// nothing is proved, and no proof engine is needed
    #[arg(long)]
    without_proofs: bool,
    /// A file that will hold the paths of the proof engine and the wrapper, a line each, once they
    /// are built, or why they could not be
    #[arg(
        long,
        value_name = "FILE",
        requires = "engine_keys",
        required_unless_present = "without_proofs"
    )]
    engine: Option<PathBuf>,
    /// Where the engine keeps its keys
    #[arg(long, value_name = "FOLDER")]
    engine_keys: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let summary = arguments
        .summary
        .unwrap_or_else(|| tools::checkout().join("target/demo/summary.json"));
    let proving = arguments
        .engine
        .zip(arguments.engine_keys)
        .filter(|_| !arguments.without_proofs)
        .map(|(engine, keys)| Proving::new(engine, keys));
    match run(arguments.exit, &summary, proving.as_ref()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(
    exit: bool,
    summary: &std::path::Path,
    proving: Option<&Proving>,
) -> anyhow::Result<bool> {
    let mut stack = Stack::prepare(Options {
        durable: true,
        // At once when it is built; otherwise as soon as it is.
        engine: proving.map(Proving::engine).transpose()?.flatten(),
        ..Options::default()
    })?;
    let mut report = Report::default();
    let mut played = start::start(&mut stack, &mut report).await;
    if played.is_ok() {
        if !exit {
            terminal::welcome(&stack)?;
        }
        played = story::play(&mut stack, &mut report, proving).await;
    }
    if played.is_ok() && !exit {
        report.write(summary)?;
        report.print(summary);
        terminal::wait_for_end(&mut stack).await?;
    }
    let stopped = report.step("stop everything", stack.stop()).await;
    report.write(summary)?;
    if exit || played.is_err() {
        report.print(summary);
    }
    Ok(played.is_ok() && stopped.is_ok() && report.all_held())
}
