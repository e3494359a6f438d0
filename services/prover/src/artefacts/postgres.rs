//! The shelf in the prover's database: rows of one mebibyte.

use std::path::Path;

use async_trait::async_trait;

use super::{ArtefactError, Chunks, FileChunks, Shelf};
use crate::app::proving::model::ArtefactId;
use crate::store::Store;

/// The shelf.
#[derive(Debug)]
pub(super) struct Postgres {
    store: Store,
}

impl Postgres {
    /// In a database.
    pub(super) const fn new(store: Store) -> Self {
        Self { store }
    }
}

#[async_trait]
impl Shelf for Postgres {
    async fn write(&self, id: ArtefactId, from: &Path) -> Result<(), ArtefactError> {
        let mut file = FileChunks::open(from).await?;
        let mut number = 0;
        while let Some(chunk) = file.next().await? {
            self.store.put_chunk(id, number, &chunk).await?;
            number += 1;
        }
        Ok(())
    }

    async fn open(&self, id: ArtefactId) -> Result<Box<dyn Chunks>, ArtefactError> {
        Ok(Box::new(Rows {
            store: self.store.clone(),
            id,
            number: 0,
        }))
    }

    /// The chunks go with the artefact's row.
    async fn remove(&self, _: ArtefactId) -> Result<(), ArtefactError> {
        Ok(())
    }
}

struct Rows {
    store: Store,
    id: ArtefactId,
    number: i32,
}

#[async_trait]
impl Chunks for Rows {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, ArtefactError> {
        let chunk = self.store.chunk(self.id, self.number).await?;
        self.number = self.number.saturating_add(1);
        Ok(chunk)
    }
}
