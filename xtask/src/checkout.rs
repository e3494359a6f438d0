//! One folder of built things for all checkouts.
//!
//! Dependencies are the same in all of them. Our own crates are not: cargo tells by times alone
//! whether a crate must be built again, and the sources of another checkout may well be older than
//! what was built of this one. So what cargo knows of our crates is forgotten when the checkout is
//! another one than the last time.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::shell;

/// Holds the path of the checkout that was built last.
const MARKER: &str = "checkout";

/// Locked by whoever builds.
const LOCK: &str = "checkout.lock";

/// How deep below the target folder a profile's folder lies at most: `riscv/PLATFORM/release`.
const DEPTH: usize = 3;

/// Beginnings of our packages' names.
const OURS: [&str; 2] = ["cloister-", "xtask-"];

/// The folder of built things, taken for this checkout as long as this lives.
#[derive(Debug)]
pub(crate) struct Claim {
    _lock: File,
}

/// Takes the folder of built things for this checkout. Waits for commands of other checkouts.
pub(crate) fn claim(root: &Path) -> Result<Claim> {
    let target = shell::target()?;
    std::fs::create_dir_all(&target)
        .with_context(|| format!("cannot create `{}`", target.display()))?;
    let path = target.join(LOCK);
    let lock = File::create(&path).with_context(|| format!("cannot open `{}`", path.display()))?;
    let name = root.display().to_string();
    loop {
        // Many commands of one checkout share it.
        lock.lock_shared()?;
        let last = std::fs::read_to_string(target.join(MARKER)).unwrap_or_default();
        if last == name {
            return Ok(Claim { _lock: lock });
        }
        lock.unlock()?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                eprintln!("waiting for a command in the checkout `{last}`");
                lock.lock()?;
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        change(&target, &name)?;
        lock.unlock()?;
    }
}

/// Makes the folder another checkout's.
fn change(target: &Path, name: &str) -> Result<()> {
    for folder in fingerprints(target)? {
        forget(&folder)?;
    }
    let marker = target.join(MARKER);
    std::fs::write(&marker, name).with_context(|| format!("cannot write `{}`", marker.display()))
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
