//! One folder of built things for all checkouts.
//!
//! Dependencies are the same in all of them. Our own crates are not: cargo tells by times alone
//! whether a crate must be built again, and the sources of another checkout may well be older than
//! what was built of this one. So what cargo knows of our crates is forgotten when the checkout is
//! another one than the last time.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::shell;

/// Holds the path of the checkout that was built last.
const MARKER: &str = "checkout";

/// How deep below the target folder a profile's folder lies at most: `riscv/PLATFORM/release`.
const DEPTH: usize = 3;

/// Beginnings of our packages' names.
const OURS: [&str; 2] = ["cloister-", "xtask-"];

/// Takes the folder of built things for this checkout.
pub(crate) fn claim(root: &Path) -> Result<()> {
    let target = shell::target()?;
    let marker = target.join(MARKER);
    let name = root.display().to_string();
    if std::fs::read_to_string(&marker).is_ok_and(|last| last == name) {
        return Ok(());
    }
    for folder in fingerprints(&target)? {
        forget(&folder)?;
    }
    std::fs::create_dir_all(&target)
        .and_then(|()| std::fs::write(&marker, name))
        .with_context(|| format!("cannot write `{}`", marker.display()))
}

/// Where cargo notes what is built: in the folder of a profile, which may be in that of a platform.
fn fingerprints(target: &Path) -> Result<Vec<PathBuf>> {
    let (mut found, mut level) = (Vec::new(), vec![target.to_owned()]);
    for _ in 0..=DEPTH {
        let mut below = Vec::new();
        for folder in level {
            let notes = folder.join(".fingerprint");
            if notes.is_dir() {
                found.push(notes);
            } else {
                below.extend(folders(&folder)?);
            }
        }
        level = below;
    }
    Ok(found)
}

/// Removes the notes about our packages.
fn forget(fingerprints: &Path) -> Result<()> {
    for note in folders(fingerprints)? {
        let name = note.file_name().unwrap_or_default().to_string_lossy();
        if OURS.iter().any(|ours| name.starts_with(ours)) {
            std::fs::remove_dir_all(&note)
                .with_context(|| format!("cannot remove `{}`", note.display()))?;
        }
    }
    Ok(())
}

/// The folders in a folder; none when there is no such folder.
fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read `{}`", folder.display()));
        }
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_about_our_packages_are_forgotten_and_others_kept() {
        let target = std::env::temp_dir().join(format!("cloister-claim-{}", std::process::id()));
        let notes = [
            "debug/.fingerprint/cloister-stf-0a",
            "debug/.fingerprint/serde-0b",
            "engine-v4/engine/.fingerprint/cloister-prove-0c",
            "engine-v4/engine/.fingerprint/openvm-0d",
            "riscv/machine/release/.fingerprint/cloister-stf-0e",
        ];
        for note in notes {
            std::fs::create_dir_all(target.join(note)).unwrap();
        }
        for folder in fingerprints(&target).unwrap() {
            forget(&folder).unwrap();
        }
        let kept: Vec<bool> = notes
            .iter()
            .map(|note| target.join(note).exists())
            .collect();
        std::fs::remove_dir_all(&target).unwrap();
        assert_eq!(kept, [false, true, false, true, false]);
    }
}
