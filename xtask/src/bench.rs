//! `cargo xtask bench`: builds with optimisation and measures.

use std::path::Path;

use anyhow::Result;

use crate::{shell, tools};

/// Services that benchmarks start. The others are left out: optimised builds are slow.
const PROGRAMS: [&str; 3] = ["cloister-gateway", "cloister-sequencer", "cloister-prover"];

/// Installs, builds, runs.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<()> {
    tools::install(root)?;
    shell::step("building the benchmarks (release)", || {
        let mut command = shell::cargo(
            root,
            &[
                "build",
                "--locked",
                "--release",
                "--bins",
                "--package",
                "cloister-bench",
            ],
        )?;
        command.args(PROGRAMS.iter().flat_map(|name| ["--package", name]));
        shell::run(command)
    })?;
    let mut bench = shell::command(root, shell::target()?.join("release/cloister-bench"))?;
    bench.args(arguments);
    shell::run(bench)
}
