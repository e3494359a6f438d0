//! Artefacts: bytes that jobs hand to each other, each stored once and read only if it is what was
//! written (SPV-20).
//!
//! ```text
//!  job ──put──► row (length, SHA-256, shelf) ──► bytes on a shelf: Postgres chunks, or a folder
//!  job ◄─get──  bytes, if length and SHA-256 agree
//! ```
//!
//! A row says on which shelf its bytes are, so that an installation can change shelves at any time:
//! new artefacts go to the new one, old ones are read where they are.

mod folder;
mod postgres;

use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use cloister_l1::B256;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;

use self::folder::Folder;
use self::postgres::Postgres;
use crate::app::proving::model::ArtefactId;
use crate::store::{ArtefactRow, Store, StoreError};

/// Bytes that are read or written at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Where bytes can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShelfName {
    /// In the prover's database, in chunks.
    Postgres,
    /// In a folder that all workers share.
    Folder,
}

impl ShelfName {
    /// The word in the database.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Folder => "folder",
        }
    }

    /// What a word in the database means.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        match word {
            "postgres" => Some(Self::Postgres),
            "folder" => Some(Self::Folder),
            _ => None,
        }
    }
}

/// Why an artefact could not be written or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArtefactError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file here could not be read or written.
    #[error("cannot {what} `{}`: {source}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// What is stored is not what was written.
    #[error("artefact {id} is damaged: {reason}")]
    Damaged {
        /// Its key.
        id: i64,
        /// In what way.
        reason: &'static str,
    },
    /// It is on a shelf that this process was not given.
    #[error("artefact {id} is in the folder `prover.artefacts`, which is not configured here")]
    NoFolder {
        /// Its key.
        id: i64,
    },
}

/// A place for bytes, named by the artefact's key.
#[async_trait]
pub(super) trait Shelf: std::fmt::Debug + Send + Sync {
    /// Stores the whole file, durably.
    async fn write(&self, id: ArtefactId, from: &Path) -> Result<(), ArtefactError>;
    /// Opens what is stored; a missing one reads as empty.
    async fn open(&self, id: ArtefactId) -> Result<Box<dyn Chunks>, ArtefactError>;
    /// Removes the bytes; removing them twice is the same as once.
    async fn remove(&self, id: ArtefactId) -> Result<(), ArtefactError>;
}

/// Bytes that come in parts.
#[async_trait]
pub(super) trait Chunks: Send {
    /// The next part; `None` at the end.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, ArtefactError>;
}

/// All shelves of an installation.
#[derive(Debug)]
pub(crate) struct Artefacts {
    store: Store,
    postgres: Postgres,
    folder: Option<Folder>,
}

impl Artefacts {
    /// Keeps new artefacts in `folder` if there is one, else in the database.
    pub(crate) fn new(store: Store, folder: Option<PathBuf>) -> Self {
        Self {
            postgres: Postgres::new(store.clone()),
            folder: folder.map(Folder::new),
            store,
        }
    }

    fn shelf(&self, id: ArtefactId, name: ShelfName) -> Result<&dyn Shelf, ArtefactError> {
        match (name, &self.folder) {
            (ShelfName::Postgres, _) => Ok(&self.postgres),
            (ShelfName::Folder, Some(folder)) => Ok(folder),
            (ShelfName::Folder, None) => Err(ArtefactError::NoFolder { id: id.0 }),
        }
    }

    /// Stores a file. When this returns, its bytes are durable.
    pub(crate) async fn put(&self, from: &Path) -> Result<ArtefactId, ArtefactError> {
        let (bytes, sha256) = measure(from).await?;
        let row = ArtefactRow {
            shelf: if self.folder.is_some() {
                ShelfName::Folder
            } else {
                ShelfName::Postgres
            },
            bytes,
            sha256,
        };
        let id = self.store.new_artefact(&row).await?;
        self.shelf(id, row.shelf)?.write(id, from).await?;
        Ok(id)
    }

    /// Writes an artefact to a file. Only an artefact that is what was once stored comes out whole.
    pub(crate) async fn get(&self, id: ArtefactId, to: &Path) -> Result<(), ArtefactError> {
        let mut sink = FileSink::create(to).await?;
        self.read(id, &mut sink).await?;
        sink.finish().await
    }

    /// An artefact of at most `most` bytes.
    pub(crate) async fn bytes(&self, id: ArtefactId, most: u64) -> Result<Vec<u8>, ArtefactError> {
        let mut sink = MemorySink {
            bytes: Vec::new(),
            most,
            id,
        };
        self.read(id, &mut sink).await?;
        Ok(sink.bytes)
    }

    /// SPV-20: length and hash, before anything is made of it.
    async fn read(&self, id: ArtefactId, sink: &mut dyn Sink) -> Result<(), ArtefactError> {
        let damaged = |reason| ArtefactError::Damaged { id: id.0, reason };
        let row = self
            .store
            .artefact(id)
            .await?
            .ok_or_else(|| damaged("it is gone"))?;
        let mut chunks = self.shelf(id, row.shelf)?.open(id).await?;
        let mut hasher = Sha256::new();
        let mut length = 0_u64;
        while let Some(chunk) = chunks.next().await? {
            length = length.saturating_add(chunk.len() as u64);
            if length > row.bytes {
                return Err(damaged("it is longer than it was"));
            }
            hasher.update(&chunk);
            sink.take(&chunk).await?;
        }
        if length < row.bytes {
            return Err(damaged("it is shorter than it was"));
        }
        if hasher.finalize()[..] != row.sha256[..] {
            return Err(damaged("its bytes have changed"));
        }
        Ok(())
    }

    /// Removes an artefact that nothing refers to.
    pub(crate) async fn remove(&self, id: ArtefactId) -> Result<(), ArtefactError> {
        let Some(row) = self.store.artefact(id).await? else {
            return Ok(());
        };
        self.shelf(id, row.shelf)?.remove(id).await?;
        self.store.forget_artefact(id).await?;
        Ok(())
    }
}

/// Where bytes go.
#[async_trait]
trait Sink: Send {
    async fn take(&mut self, bytes: &[u8]) -> Result<(), ArtefactError>;
}

struct FileSink {
    path: PathBuf,
    file: tokio::fs::File,
}

impl FileSink {
    async fn create(path: &Path) -> Result<Self, ArtefactError> {
        let file = tokio::fs::File::create(path).await;
        Ok(Self {
            file: file.map_err(|source| file_error("write", path, source))?,
            path: path.to_owned(),
        })
    }

    async fn finish(mut self) -> Result<(), ArtefactError> {
        use tokio::io::AsyncWriteExt as _;
        let done = self.file.flush().await;
        done.map_err(|source| file_error("write", &self.path, source))
    }
}

#[async_trait]
impl Sink for FileSink {
    async fn take(&mut self, bytes: &[u8]) -> Result<(), ArtefactError> {
        use tokio::io::AsyncWriteExt as _;
        let done = self.file.write_all(bytes).await;
        done.map_err(|source| file_error("write", &self.path, source))
    }
}

struct MemorySink {
    bytes: Vec<u8>,
    most: u64,
    id: ArtefactId,
}

#[async_trait]
impl Sink for MemorySink {
    async fn take(&mut self, bytes: &[u8]) -> Result<(), ArtefactError> {
        if (self.bytes.len() as u64).saturating_add(bytes.len() as u64) > self.most {
            return Err(ArtefactError::Damaged {
                id: self.id.0,
                reason: "it is larger than any proof",
            });
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

fn file_error(what: &'static str, path: &Path, source: io::Error) -> ArtefactError {
    ArtefactError::File {
        what,
        path: path.to_owned(),
        source,
    }
}

/// Length and SHA-256 of a file.
async fn measure(path: &Path) -> Result<(u64, B256), ArtefactError> {
    let mut reader = FileChunks::open(path).await?;
    let mut hasher = Sha256::new();
    let mut length = 0_u64;
    while let Some(chunk) = reader.next().await? {
        length = length.saturating_add(chunk.len() as u64);
        hasher.update(&chunk);
    }
    Ok((length, B256::from_slice(&hasher.finalize())))
}

/// A file in parts.
pub(super) struct FileChunks {
    path: PathBuf,
    file: tokio::fs::File,
}

impl FileChunks {
    pub(super) async fn open(path: &Path) -> Result<Self, ArtefactError> {
        let file = tokio::fs::File::open(path).await;
        Ok(Self {
            file: file.map_err(|source| file_error("read", path, source))?,
            path: path.to_owned(),
        })
    }
}

#[async_trait]
impl Chunks for FileChunks {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, ArtefactError> {
        let mut chunk = Vec::with_capacity(CHUNK_BYTES);
        let limit = CHUNK_BYTES as u64;
        let read = (&mut self.file).take(limit).read_to_end(&mut chunk).await;
        read.map_err(|source| file_error("read", &self.path, source))?;
        Ok((!chunk.is_empty()).then_some(chunk))
    }
}
