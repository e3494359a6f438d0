//! The table of costs against the image: what the sequencer estimates must not be less than what
//! the guest takes.

use std::path::Path;

use anyhow::Result;

use super::IMAGE;
use crate::shell;

/// Executes a probe for each feature in the guest by `engine`, and checks the newest table with them.
pub(crate) fn run(root: &Path, engine: &Path) -> Result<()> {
    let example = [
        "run",
        "--locked",
        "--quiet",
        "--package",
        "cloister-stf",
        "--example",
        "cost_model",
        "--",
        "run",
    ];
    let mut command = shell::cargo(root, &example)?;
    command.arg(engine).arg(root.join(IMAGE).join("batch.elf"));
    command.arg(shell::target()?.join("probes"));
    shell::run(command)
}
