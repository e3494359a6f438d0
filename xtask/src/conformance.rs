//! `cargo xtask conformance`: Ethereum state tests and hostile batches, natively and, where the
//! proof engine is given, through the guest image that it proves with.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::shell;

/// The shipped fixtures.
const FIXTURES: &str = "tests/conformance/fixtures";

/// What to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Folder with state tests in execution-spec-tests' format; the shipped ones, and the hostile
    /// batches, if not given
    #[arg(long, value_name = "DIR")]
    state_tests: Option<PathBuf>,
    /// The proof engine, which runs the guest
    #[arg(long, value_name = "PATH")]
    engine: Option<PathBuf>,
    /// Write every case's result to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Do not run the guest
    #[arg(long, conflicts_with = "engine")]
    native_only: bool,
}

/// Runs what the command line says.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> Result<()> {
    if arguments.engine.is_none() && !arguments.native_only {
        bail!("name the proof engine with `--engine PATH`, or run with `--native-only`");
    }
    let engine = absolute(arguments.engine.as_deref())?;
    let json = absolute(arguments.json.as_deref())?;
    if let Some(folder) = absolute(arguments.state_tests.as_deref())? {
        return state_tests(root, &folder, engine.as_deref(), json.as_deref());
    }
    let shipped = root.join(FIXTURES);
    state_tests(root, &shipped, engine.as_deref(), json.as_deref())?;
    attacks(root, engine.as_deref())
}

/// What `cargo xtask test` runs once the engine is built: the shipped fixtures and the hostile
/// batches through the guest.
pub(crate) fn check(root: &Path, engine: &Path) -> Result<()> {
    state_tests(root, &root.join(FIXTURES), Some(engine), None)?;
    attacks(root, Some(engine))
}

fn state_tests(
    root: &Path,
    folder: &Path,
    engine: Option<&Path>,
    json: Option<&Path>,
) -> Result<()> {
    program(root, engine, |command| {
        command.arg("run").arg("--state-tests").arg(folder);
        if let Some(json) = json {
            command.arg("--json").arg(json);
        }
    })
}

fn attacks(root: &Path, engine: Option<&Path>) -> Result<()> {
    program(root, engine, |command| {
        command.arg("attacks");
    })
}

/// Runs the package's program, built as for tests.
fn program(
    root: &Path,
    engine: Option<&Path>,
    arguments: impl FnOnce(&mut std::process::Command),
) -> Result<()> {
    let run = [
        "run",
        "--locked",
        "--quiet",
        "--package",
        "cloister-conformance",
        "--",
    ];
    let mut command = shell::cargo(root, &run)?;
    arguments(&mut command);
    match engine {
        Some(engine) => command.arg("--engine").arg(engine),
        None => command.arg("--native-only"),
    };
    shell::run(command)
}

fn absolute(path: Option<&Path>) -> Result<Option<PathBuf>> {
    Ok(path.map(std::path::absolute).transpose()?)
}
