//! A worker's own folder for files that the engine reads and writes.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Folder of one worker. It is removed in the end; after a crash, by the next process that starts.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: PathBuf,
    /// Held as long as the folder is in use.
    _lock: File,
}

/// Name of the file whose lock says that the folder is in use.
const LOCK: &str = "in-use";
/// What the folders' names begin with.
const PREFIX: &str = "worker-";

impl Scratch {
    /// Makes a folder for a worker.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub(crate) fn open(parent: &Path, name: &str) -> io::Result<Self> {
        let folder = parent.join(format!("{PREFIX}{name}"));
        fs::create_dir_all(folder.join("job"))?;
        let lock = File::create(folder.join(LOCK))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::Error(error) => error,
            TryLockError::WouldBlock => io::Error::other("another worker has the same name"),
        })?;
        Ok(Self {
            folder,
            _lock: lock,
        })
    }

    /// An empty folder for a job.
    ///
    /// # Errors
    /// When it cannot be emptied.
    pub(crate) fn fresh(&self) -> io::Result<PathBuf> {
        let job = self.folder.join("job");
        match fs::remove_dir_all(&job) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::create_dir(&job)?;
        Ok(job)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::warn!(%error, folder = %self.folder.display(), "cannot remove a scratch folder");
        }
    }
}

/// Removes the folders of workers that were killed: nobody holds their lock.
///
/// # Errors
/// When `parent` cannot be made or read.
pub(crate) fn sweep(parent: &Path) -> io::Result<()> {
    fs::create_dir_all(parent)?;
    for entry in fs::read_dir(parent)? {
        let path = entry?.path();
        let ours = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
        if !ours {
            continue;
        }
        let Ok(lock) = File::open(path.join(LOCK)) else {
            continue;
        };
        if lock.try_lock().is_ok() {
            fs::remove_dir_all(&path)?;
            tracing::info!(folder = %path.display(), "removed the files of a worker that was killed");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sweeps_what_the_dead_left_and_nothing_else() {
        let parent = tempfile::tempdir().expect("a folder");
        let alive = Scratch::open(parent.path(), "alive").expect("a scratch folder");
        let dead = parent.path().join("worker-dead");
        fs::create_dir_all(dead.join("job")).expect("a folder");
        fs::write(dead.join(LOCK), "").expect("a file");
        fs::create_dir(parent.path().join("other")).expect("a folder");
        sweep(parent.path()).expect("swept");
        assert!(!dead.exists());
        assert!(parent.path().join("other").exists());
        assert!(alive.fresh().expect("a job folder").exists());
        drop(alive);
        assert!(!parent.path().join("worker-alive").exists());
    }
}
