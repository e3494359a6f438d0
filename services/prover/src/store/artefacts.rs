//! What is known of artefacts, and their bytes where Postgres keeps them.

use cloister_l1::B256;
use sqlx::Row as _;

use super::convert::{b256_of, bigint, damaged, u64_of};
use super::{Store, StoreError};
use crate::app::proving::model::ArtefactId;
use crate::artefacts::ShelfName;

/// What a stored artefact must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ArtefactRow {
    /// Where its bytes are.
    pub shelf: ShelfName,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its bytes.
    pub sha256: B256,
}

impl Store {
    /// Announces an artefact whose bytes are written next. Nothing refers to it yet: when its
    /// writer dies, it goes with the next pruning.
    pub(crate) async fn new_artefact(&self, row: &ArtefactRow) -> Result<ArtefactId, StoreError> {
        let id = sqlx::query_scalar(
            "insert into artefact (shelf, bytes, sha256) values ($1, $2, $3) returning id",
        )
        .bind(row.shelf.word())
        .bind(bigint(row.bytes)?)
        .bind(row.sha256.as_slice())
        .fetch_one(self.database.pool())
        .await?;
        Ok(ArtefactId(id))
    }

    /// What an artefact must be; `None` when it is gone.
    pub(crate) async fn artefact(&self, id: ArtefactId) -> Result<Option<ArtefactRow>, StoreError> {
        let row = sqlx::query("select shelf, bytes, sha256 from artefact where id = $1")
            .bind(id.0)
            .fetch_optional(self.database.pool())
            .await?;
        row.map(|row| {
            Ok(ArtefactRow {
                shelf: ShelfName::of_word(row.try_get("shelf")?)
                    .ok_or_else(|| damaged("artefact shelf"))?,
                bytes: u64_of(row.try_get("bytes")?, "artefact bytes")?,
                sha256: b256_of(row.try_get("sha256")?, "artefact hash")?,
            })
        })
        .transpose()
    }

    /// Writes one chunk.
    pub(crate) async fn put_chunk(
        &self,
        id: ArtefactId,
        number: i32,
        data: &[u8],
    ) -> Result<(), StoreError> {
        sqlx::query("insert into artefact_chunk (artefact, number, data) values ($1, $2, $3)")
            .bind(id.0)
            .bind(number)
            .bind(data)
            .execute(self.database.pool())
            .await?;
        Ok(())
    }

    /// Reads one chunk; `None` after the last.
    pub(crate) async fn chunk(
        &self,
        id: ArtefactId,
        number: i32,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let data = sqlx::query_scalar(
            "select data from artefact_chunk where artefact = $1 and number = $2",
        )
        .bind(id.0)
        .bind(number)
        .fetch_optional(self.database.pool())
        .await?;
        Ok(data)
    }

    /// Forgets artefacts, with their chunks; those that something refers to again are kept.
    pub(crate) async fn forget_artefact(&self, id: ArtefactId) -> Result<(), StoreError> {
        sqlx::query("delete from artefact where id = $1")
            .bind(id.0)
            .execute(self.database.pool())
            .await?;
        Ok(())
    }
}
