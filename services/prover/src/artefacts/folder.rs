//! The shelf in a folder: one file for each artefact, named by its key. With several machines the
//! folder must be on a file system that all of them mount.

use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::{ArtefactError, Chunks, FileChunks, Shelf, file_error};
use crate::app::proving::model::ArtefactId;

/// The shelf.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// In a folder that exists.
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    fn file(&self, id: ArtefactId) -> PathBuf {
        self.path.join(format!("{}.artefact", id.0))
    }
}

#[async_trait]
impl Shelf for Folder {
    /// Under another name first, so that a file under its own name is whole.
    async fn write(&self, id: ArtefactId, from: &Path) -> Result<(), ArtefactError> {
        let to = self.file(id);
        let part = to.with_extension("part");
        let (from, folder) = (from.to_owned(), self.path.clone());
        let path = part.clone();
        let copied = tokio::task::spawn_blocking(move || {
            std::fs::copy(&from, &part)?;
            std::fs::File::open(&part)?.sync_all()?;
            std::fs::rename(&part, &to)?;
            std::fs::File::open(&folder)?.sync_all()
        })
        .await;
        copied
            .unwrap_or_else(|panic| Err(io::Error::other(panic)))
            .map_err(|source| file_error("write", &path, source))
    }

    async fn open(&self, id: ArtefactId) -> Result<Box<dyn Chunks>, ArtefactError> {
        match FileChunks::open(&self.file(id)).await {
            Ok(file) => Ok(Box::new(file)),
            Err(ArtefactError::File { source, .. })
                if source.kind() == io::ErrorKind::NotFound && self.path.is_dir() =>
            {
                Ok(Box::new(Nothing))
            }
            Err(error) => Err(error),
        }
    }

    async fn remove(&self, id: ArtefactId) -> Result<(), ArtefactError> {
        let path = self.file(id);
        // A writer that was killed leaves the other name behind.
        for path in [path.with_extension("part"), path] {
            match tokio::fs::remove_file(&path).await {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(file_error("remove", &path, source));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

struct Nothing;

#[async_trait]
impl Chunks for Nothing {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, ArtefactError> {
        Ok(None)
    }
}
