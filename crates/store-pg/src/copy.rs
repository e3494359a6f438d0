//! Many rows in one message: Postgres' binary COPY.
//!
//! ```
//! use cloister_store_pg::copy::CopyRows;
//!
//! let mut rows = CopyRows::new(2);
//! rows.row().i64(7).bytes(&[1, 2, 3]);
//! rows.row().i64(8).null();
//! assert_eq!(rows.len(), 2);
//! ```

use sqlx::PgConnection;

/// The file header: signature, flags, length of the extension.
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// How much is sent at once.
const CHUNK_BYTES: usize = 1024 * 1024;

/// Rows waiting to be written, in Postgres' binary COPY format.
#[derive(Clone, Debug)]
pub struct CopyRows {
    columns: i16,
    rows: u64,
    buffer: Vec<u8>,
}

impl CopyRows {
    /// No rows yet, each to have `columns` columns.
    #[must_use]
    pub fn new(columns: u8) -> Self {
        Self {
            columns: i16::from(columns),
            rows: 0,
            buffer: HEADER.to_vec(),
        }
    }

    /// Begins a row; its columns must follow in order, exactly as many as promised.
    pub fn row(&mut self) -> CopyRow<'_> {
        self.buffer.extend_from_slice(&self.columns.to_be_bytes());
        self.rows += 1;
        CopyRow {
            left: self.columns,
            buffer: &mut self.buffer,
        }
    }

    /// How many rows there are.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.rows
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// How many bytes the rows take.
    #[must_use]
    pub const fn size_bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Writes all rows to `target`, a table with its columns such as `logs (block, data)`, which must
    /// be a literal of the program. Nothing is sent when there are no rows.
    ///
    /// # Errors
    /// Postgres' own, e.g. a violated constraint; also when it counted other than [`len`](Self::len)
    /// rows.
    pub async fn write(
        mut self,
        connection: &mut PgConnection,
        target: &'static str,
    ) -> Result<(), sqlx::Error> {
        if self.rows == 0 {
            return Ok(());
        }
        self.buffer.extend_from_slice(&(-1_i16).to_be_bytes());
        let statement = format!("COPY {target} FROM STDIN WITH (FORMAT binary)");
        let mut copy = connection.copy_in_raw(&statement).await?;
        for chunk in self.buffer.chunks(CHUNK_BYTES) {
            copy.send(chunk).await?;
        }
        let written = copy.finish().await?;
        if written != self.rows {
            let problem = format!("wrote {} rows, postgres counted {written}", self.rows);
            return Err(sqlx::Error::Protocol(problem));
        }
        Ok(())
    }
}

/// One row being filled.
#[derive(Debug)]
pub struct CopyRow<'a> {
    left: i16,
    buffer: &'a mut Vec<u8>,
}

impl CopyRow<'_> {
    /// A `bytea`, `text` or `jsonb`-as-text column. Values above 2 GiB are our own mistake.
    pub fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.left -= 1;
        debug_assert!(self.left >= 0, "more columns than promised");
        let length = i32::try_from(value.len()).unwrap_or(i32::MAX);
        self.buffer.extend_from_slice(&length.to_be_bytes());
        self.buffer.extend_from_slice(value);
        self
    }

    /// A `text` column.
    pub fn text(&mut self, value: &str) -> &mut Self {
        self.bytes(value.as_bytes())
    }

    /// A `bigint` column.
    pub fn i64(&mut self, value: i64) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    /// An `integer` column.
    pub fn i32(&mut self, value: i32) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    /// A `smallint` column.
    pub fn i16(&mut self, value: i16) -> &mut Self {
        self.bytes(&value.to_be_bytes())
    }

    /// A `boolean` column.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.bytes(&[u8::from(value)])
    }

    /// NULL in any column.
    pub fn null(&mut self) -> &mut Self {
        self.left -= 1;
        debug_assert!(self.left >= 0, "more columns than promised");
        self.buffer.extend_from_slice(&(-1_i32).to_be_bytes());
        self
    }

    /// A `bytea` column that may be NULL.
    pub fn optional_bytes(&mut self, value: Option<&[u8]>) -> &mut Self {
        match value {
            Some(value) => self.bytes(value),
            None => self.null(),
        }
    }
}

impl Drop for CopyRow<'_> {
    fn drop(&mut self) {
        debug_assert!(
            self.left == 0 || std::thread::panicking(),
            "fewer columns than promised"
        );
    }
}
