//! The files of the checkout, and problems found in them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::shell;

/// The root of the checkout that xtask was built from.
pub(crate) fn root() -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    folder
        .parent()
        .map(Path::to_owned)
        .context("xtask has no folder above it")
}

/// Files that git knows or would take up, relative to `root`, sorted.
pub(crate) fn list(root: &Path) -> Result<Vec<String>> {
    let mut command = Command::new("git");
    command.current_dir(root).args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "--deduplicate",
    ]);
    let mut files: Vec<String> = shell::output(command)?
        .lines()
        .filter(|file| root.join(file).is_file())
        .map(str::to_owned)
        .collect();
    files.sort();
    Ok(files)
}

/// Prints the problems that a check found; an error when there are any.
pub(crate) fn report(check: &str, problems: &[String]) -> Result<()> {
    for problem in problems {
        eprintln!("{problem}");
    }
    if problems.is_empty() {
        return Ok(());
    }
    let count = problems.len();
    bail!(
        "{check}: {count} problem{}",
        if count == 1 { "" } else { "s" }
    )
}
