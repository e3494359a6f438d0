//! Where the installed programs are.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// The root of the checkout this crate was built from.
#[must_use]
pub fn checkout() -> PathBuf {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    crates
        .and_then(Path::parent)
        .map(Path::to_path_buf)
        .unwrap_or_default()
}

/// A program from the pinned node packages (`anvil`, `cast`, `forge`, `node`).
///
/// # Errors
/// When it is not installed.
pub fn node_program(name: &str) -> anyhow::Result<PathBuf> {
    let path = checkout().join("tests/node_modules/.bin").join(name);
    if !path.exists() {
        bail!("`{name}` is not installed; run `cargo xtask tools`");
    }
    Ok(path)
}

/// A program of the newest installed PostgreSQL server.
///
/// # Errors
/// When no server is installed.
pub fn postgres_program(name: &str) -> anyhow::Result<PathBuf> {
    let root = Path::new("/usr/lib/postgresql");
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir(root)
        .context("PostgreSQL is not installed; run `cargo xtask tools`")?
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            let path = entry.path().join("bin").join(name);
            path.exists().then_some((version, path))
        })
        .collect();
    versions.sort();
    let newest = versions.pop();
    Ok(newest
        .context("PostgreSQL's server is not installed; run `cargo xtask tools`")?
        .1)
}

/// A binary of this workspace, beside the running one.
///
/// # Errors
/// When it was not built.
pub fn own_binary(name: &str) -> anyhow::Result<PathBuf> {
    let current = std::env::current_exe().context("cannot find the running program")?;
    let beside = current
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name));
    for path in beside {
        if path.is_file() {
            return Ok(path);
        }
    }
    bail!("`{name}` is not built; run `cargo build --workspace --bins`")
}
