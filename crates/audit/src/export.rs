//! Ledgers as JSON lines, version 1: one entry a line, readable without Cloister.

use alloy_primitives::B256;
use cloister_types::UnixMillis;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::chain::Entry;
use crate::row::{Outcome, Row};

/// Longest line that is read, in bytes.
pub const MAX_LINE_BYTES: usize = 64 * 1024;
const VERSION: u8 = 1;

/// Why a line is not an entry.
#[derive(Debug, Error)]
pub enum ExportError {
    /// Longer than the limit.
    #[error("the line has {got} bytes, at most {MAX_LINE_BYTES} are read")]
    TooLong {
        /// Bytes received.
        got: usize,
    },
    /// Not JSON of the expected shape.
    #[error("the line is not an audit entry: {0}")]
    Syntax(#[from] serde_json::Error),
    /// Of a version that this program does not know.
    #[error("audit entries of version {got} are not known, only {VERSION}; use a newer `cloister`")]
    Version {
        /// The version.
        got: u8,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    v: u8,
    sequence: u64,
    time_ms: u64,
    principal: String,
    session: String,
    method: String,
    resource: String,
    rule: String,
    policy_version: B256,
    request_hash: B256,
    outcome: Outcome,
    hash: B256,
}

/// One entry as a line of JSON, without the line's end.
///
/// # Errors
/// Never for entries of this crate; the JSON writer's error otherwise.
pub fn write_line(entry: &Entry) -> Result<String, ExportError> {
    let Entry {
        sequence,
        row,
        hash,
    } = entry.clone();
    let Row {
        time,
        principal,
        session,
        method,
        resource,
        rule,
        policy_version,
        request_hash,
        outcome,
    } = row;
    Ok(serde_json::to_string(&Line {
        v: VERSION,
        sequence,
        time_ms: time.0,
        principal,
        session,
        method,
        resource,
        rule,
        policy_version,
        request_hash,
        outcome,
        hash,
    })?)
}

/// Reads one line.
///
/// # Errors
/// When it is too long, of another shape or of another version.
pub fn read_line(line: &str) -> Result<Entry, ExportError> {
    if line.len() > MAX_LINE_BYTES {
        return Err(ExportError::TooLong { got: line.len() });
    }
    let Line {
        v,
        sequence,
        time_ms,
        principal,
        session,
        method,
        resource,
        rule,
        policy_version,
        request_hash,
        outcome,
        hash,
    } = serde_json::from_str(line)?;
    if v != VERSION {
        return Err(ExportError::Version { got: v });
    }
    let row = Row {
        time: UnixMillis(time_ms),
        principal,
        session,
        method,
        resource,
        rule,
        policy_version,
        request_hash,
        outcome,
    };
    Ok(Entry {
        sequence,
        row,
        hash,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::{Chain, Head, tests::row};

    #[test]
    fn a_line_reads_back_as_the_entry_it_was() {
        let mut odd = row(1);
        odd.method = "quote \" and \u{1F512}".into();
        let entry = Chain::resume(Head::default()).append(odd);
        let line = write_line(&entry).unwrap();
        assert!(!line.contains('\n'));
        assert_eq!(read_line(&line).unwrap(), entry);
    }

    #[test]
    fn refuses_lines_of_another_version_or_shape() {
        let entry = Chain::resume(Head::default()).append(row(1));
        let line = write_line(&entry).unwrap();
        let newer = line.replacen("\"v\":1", "\"v\":2", 1);
        assert!(matches!(
            read_line(&newer),
            Err(ExportError::Version { got: 2 })
        ));
        let extra = line.replacen('{', "{\"more\":1,", 1);
        assert!(matches!(read_line(&extra), Err(ExportError::Syntax(_))));
        let long = " ".repeat(MAX_LINE_BYTES + 1);
        assert!(matches!(read_line(&long), Err(ExportError::TooLong { .. })));
    }
}
