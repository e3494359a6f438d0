//! `cargo xtask demo`: builds the programs and plays the story.

use std::path::Path;

use anyhow::Result;

use crate::{shell, tools};

/// Programs that the demo runs.
pub(crate) const PROGRAMS: [&str; 5] = [
    "cloister-gateway",
    "cloister-sequencer",
    "cloister-disclosure-service",
    "cloister-prover",
    "cloister-cli",
];

/// Installs, builds, runs.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<()> {
    tools::install(root)?;
    shell::step("building the services and the demo", || build(root))?;
    let mut demo = shell::command(root, shell::target()?.join("debug/cloister-demo"))?;
    demo.args(arguments);
    shell::run(demo)
}

fn build(root: &Path) -> Result<()> {
    let mut command = shell::cargo(
        root,
        &["build", "--locked", "--bins", "--package", "cloister-demo"],
    )?;
    command.args(PROGRAMS.iter().flat_map(|name| ["--package", name]));
    shell::run(command)
}
