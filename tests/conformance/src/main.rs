//! `cloister-conformance`: runs state tests and attacks, and makes the shipped fixtures.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand};
use cloister_conformance::{
    attacks, generate,
    guest::{self, Guest},
    report::Report,
    runner,
};

#[derive(Debug, Parser)]
#[command(name = "cloister-conformance", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run hostile batches
    Attacks {
        #[command(flatten)]
        with: With,
    },
    /// Make the shipped fixtures anew with Ethereum's executable specification
    Generate {
        /// Where they stand
        #[arg(long, value_name = "DIR", default_value = "tests/conformance/fixtures")]
        out: PathBuf,
        /// Only this file, named without its ending
        #[arg(long, value_name = "NAME")]
        only: Option<String>,
        /// A Python with `ethereum-execution` 2.20.0 installed
        #[arg(long, value_name = "PATH", default_value = "python3")]
        python: PathBuf,
    },
    /// Run state tests in execution-spec-tests' format
    Run {
        /// Folder with fixtures
        #[arg(long, value_name = "DIR")]
        state_tests: PathBuf,
        #[command(flatten)]
        with: With,
    },
}

/// In which guest, and where to report.
#[derive(Debug, Args)]
struct With {
    /// The proof engine, which runs the guest
    #[arg(long, value_name = "PATH", required_unless_present = "native_only")]
    engine: Option<PathBuf>,
    /// The guest's program; the newest image of the checkout if not given
    #[arg(long, value_name = "FILE")]
    elf: Option<PathBuf>,
    /// Do not run the guest
    #[arg(long, conflicts_with = "engine")]
    native_only: bool,
    /// Write every case's result to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl With {
    fn guest(&self) -> Result<Option<Guest>> {
        let Some(engine) = self.engine.clone() else {
            return Ok(None);
        };
        let elf = match &self.elf {
            Some(elf) => elf.clone(),
            None => guest::newest_image(Path::new("."))?,
        };
        Ok(Some(Guest { engine, elf }))
    }

    fn tell(&self, report: &Report) -> Result<ExitCode> {
        if let Some(path) = &self.json {
            let text = serde_json::to_vec_pretty(report)?;
            std::fs::write(path, text)
                .with_context(|| format!("`{}` cannot be written", path.display()))?;
        }
        writeln!(std::io::stdout(), "{report}")?;
        Ok(if report.is_clean() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Attacks { with } => {
            let report = runner::attacks(attacks::judged()?, with.guest()?.as_ref())?;
            with.tell(&report)
        }
        Command::Generate { out, only, python } => {
            let script = Path::new("tests/conformance/reference/fill.py");
            let count = generate::write(&out, only.as_deref(), &python, script)?;
            writeln!(
                std::io::stdout(),
                "{count} tests written to `{}`",
                out.display()
            )?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Run { state_tests, with } => {
            let report = runner::state_tests(&state_tests, with.guest()?.as_ref())?;
            with.tell(&report)
        }
    }
}
