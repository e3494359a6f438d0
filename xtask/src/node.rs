//! npm packages, exactly those of the lock file, kept in a folder that checkouts share.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::shell;

/// Written last, so that an installation that was cut off is not taken for whole.
const COMPLETE: &str = ".complete";

/// Installs what `tests/package-lock.json` names, if it is not there, and links
/// `tests/node_modules` to it.
pub(crate) fn install(root: &Path) -> Result<()> {
    let tests = root.join("tests");
    let read = |name: &str| {
        let path = tests.join(name);
        std::fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))
    };
    let (manifest, lock) = (read("package.json")?, read("package-lock.json")?);
    let node = shell::cache()?.join("node");
    let folder = node.join(format!("{:016x}", fingerprint(&[&manifest, &lock])));
    if !folder.join(COMPLETE).exists() {
        fetch(&node, &folder, &manifest, &lock)?;
    }
    link(&tests.join("node_modules"), &folder.join("node_modules"))
}

fn fetch(node: &Path, folder: &Path, manifest: &[u8], lock: &[u8]) -> Result<()> {
    shell::step(
        "installing the npm packages of tests/package-lock.json",
        || {
            let draft = node.join(format!("draft-{}", std::process::id()));
            std::fs::create_dir_all(&draft)
                .with_context(|| format!("cannot create `{}`", draft.display()))?;
            std::fs::write(draft.join("package.json"), manifest)?;
            std::fs::write(draft.join("package-lock.json"), lock)?;
            let mut npm = Command::new("npm");
            npm.current_dir(&draft).args([
                "ci",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                "--loglevel=error",
            ]);
            shell::run(npm)?;
            std::fs::write(draft.join(COMPLETE), "")?;
            if folder.exists() {
                // An earlier installation that was cut off, or one that another run just finished.
                std::fs::remove_dir_all(folder)?;
            }
            std::fs::rename(&draft, folder)
                .with_context(|| format!("cannot move the packages to `{}`", folder.display()))
        },
    )
}

/// Makes `from` a link to `to`.
fn link(from: &Path, to: &Path) -> Result<()> {
    match std::fs::symlink_metadata(from) {
        Ok(found) if found.is_symlink() => {
            if std::fs::read_link(from)? == to {
                return Ok(());
            }
            std::fs::remove_file(from)?;
        }
        Ok(_) => bail!(
            "`{}` is in the way of a link; remove it and try again",
            from.display()
        ),
        Err(_) => {}
    }
    std::os::unix::fs::symlink(to, from)
        .with_context(|| format!("cannot link `{}`", from.display()))
}

/// The program `node` to run scripts with: the pinned one.
pub(crate) fn program(root: &Path) -> PathBuf {
    root.join("tests/node_modules/.bin/node")
}

/// FNV-1a, 64 bits: names a folder, protects nothing.
fn fingerprint(parts: &[&[u8]]) -> u64 {
    parts
        .iter()
        .flat_map(|part| part.iter())
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_by_the_published_vectors() {
        // http://www.isthe.com/chongo/tech/comp/fnv: FNV-1a 64 of "" and "foobar".
        assert_eq!(fingerprint(&[b""]), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fingerprint(&[b"foo", b"bar"]), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn replaces_a_link_that_leads_elsewhere_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (from, old, new) = (
            folder.path().join("link"),
            folder.path().join("old"),
            folder.path().join("new"),
        );
        link(&from, &old).unwrap();
        link(&from, &new).unwrap();
        link(&from, &new).unwrap();
        assert_eq!(std::fs::read_link(&from).unwrap(), new);
        std::fs::create_dir(&old).unwrap();
        let error = link(&old, &new).unwrap_err().to_string();
        assert!(error.contains("is in the way of a link"), "{error}");
    }
}
