//! What the guest is built from.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::files;

/// The crates of the workspace that the guest consists of.
const CRATES: [&str; 4] = ["types", "crypto", "state-tree", "stf"];

fn is_document(file: &str) -> bool {
    Path::new(file)
        .extension()
        .is_some_and(|extension| extension == "md")
}

/// Files that the program's bytes can depend on, relative to `root`, sorted.
fn list(root: &Path) -> Result<Vec<String>> {
    let ours = |file: &str| {
        let guest = file
            .strip_prefix("guest/")
            .is_some_and(|file| !file.starts_with("image/") && !is_document(file));
        let library = CRATES.iter().any(|name| {
            file.strip_prefix("crates/")
                .and_then(|file| file.strip_prefix(name))
                .and_then(|file| file.strip_prefix('/'))
                .is_some_and(|file| file == "Cargo.toml" || file.starts_with("src/"))
        });
        guest || library
    };
    let mut files = files::list(root)?;
    files.retain(|file| ours(file));
    Ok(files)
}

/// Digest of the sources: SHA-256 over each file's path and contents and, of the workspace's
/// manifest, what these crates inherit.
pub(crate) fn digest(root: &Path) -> Result<String> {
    let mut text = Vec::new();
    let mut inherited = BTreeSet::new();
    for file in list(root)? {
        let contents = read(root, &file)?;
        writeln!(text, "{file} {}", contents.len())?;
        if file.ends_with("Cargo.toml") {
            inherited.extend(workspace_dependencies(&String::from_utf8(
                contents.clone(),
            )?));
        }
        text.extend(contents);
    }
    let manifest = String::from_utf8(read(root, "Cargo.toml")?)?;
    for line in manifest.lines() {
        let name = line.split(['=', ' ']).next().unwrap_or_default();
        if inherited.contains(name) {
            writeln!(text, "{line}")?;
        }
    }
    sha256(&text)
}

/// Names of the dependencies that a manifest takes from the workspace's.
fn workspace_dependencies(manifest: &str) -> impl Iterator<Item = String> + '_ {
    manifest
        .lines()
        .filter(|line| line.contains("workspace = true"))
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .map(str::to_owned)
}

/// SHA-256 in hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> Result<String> {
    let mut child = Command::new("sha256sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start `sha256sum`")?;
    child
        .stdin
        .take()
        .context("`sha256sum` has no standard input")?
        .write_all(bytes)?;
    let output = child.wait_with_output()?;
    let text = String::from_utf8(output.stdout)?;
    let digest = text.split(' ').next().unwrap_or_default();
    if digest.len() != 64 {
        bail!("`sha256sum` said `{}`", text.trim());
    }
    Ok(digest.to_owned())
}

/// Copies the sources, with the workspace's manifest, to another folder.
pub(crate) fn copy(root: &Path, to: &Path) -> Result<()> {
    let mut files = list(root)?;
    files.push("Cargo.toml".to_owned());
    for file in files {
        let target = to.join(&file);
        if let Some(folder) = target.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot create `{}`", folder.display()))?;
        }
        // With its permissions: one of them is a program.
        std::fs::copy(root.join(&file), &target)
            .with_context(|| format!("cannot write `{}`", target.display()))?;
    }
    Ok(())
}

fn read(root: &Path, file: &str) -> Result<Vec<u8>> {
    let path = root.join(file);
    std::fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_is_inherited() {
        let manifest = "[dependencies]\nruint = \"1\"\nsha2.workspace = true\n\
                        zeroize = { workspace = true }\n";
        let names: Vec<String> = workspace_dependencies(manifest).collect();
        assert_eq!(names, ["sha2", "zeroize"]);
    }

    #[test]
    fn the_digest_is_that_of_fips_180() {
        assert_eq!(
            sha256(b"abc").unwrap(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
