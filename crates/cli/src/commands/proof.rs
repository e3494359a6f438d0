//! `cloister proof verify`: checks a final proof, without Cloister and without Ethereum.

use std::path::{Path, PathBuf};

use cloister_prove::protocol::Hash;
use cloister_prove::verify::{MAX_FILE_BYTES, Verified, VerifyError};
use cloister_types::{BatchHeader, PublicHeader};

use crate::error::CliError;
use crate::terminal;

/// Largest header that is read, in bytes: its encoding is far shorter, as digits too.
const MAX_HEADER_BYTES: u64 = 16 * 1024;

/// What to check against what.
#[derive(Debug, clap::Args)]
pub(crate) struct ProofVerifyArguments {
    /// The final proof
    file: PathBuf,
    /// The batch's header that the proof must be about: its encoding, whole or the public layer, as
    /// bytes or hexadecimal digits
    #[arg(long, value_name = "FILE", required_unless_present = "batch_hash")]
    header: Option<PathBuf>,
    /// The batch hash that the proof must be about, as Ethereum stores it
    #[arg(long, value_name = "HASH", conflicts_with = "header")]
    batch_hash: Option<Hash>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Checks a proof and prints the verdict. `true` when it holds.
///
/// # Errors
/// When the check itself could not be made: a file cannot be read or is no header.
pub(crate) fn verify(arguments: &ProofVerifyArguments) -> Result<bool, CliError> {
    let batch_hash = match (arguments.batch_hash, &arguments.header) {
        (Some(hash), _) => hash,
        (None, Some(path)) => hash_of(path)?,
        (None, None) => {
            return Err(CliError::Argument(
                "name the batch by --header or --batch-hash".to_owned(),
            ));
        }
    };
    let proof = read(&arguments.file, MAX_FILE_BYTES)?;
    let verdict = cloister_prove::verify::verify(&proof, batch_hash);
    if arguments.json {
        terminal::line(&as_json(&verdict));
    } else {
        in_words(&verdict);
    }
    Ok(verdict.is_ok())
}

/// The batch hash of a header in a file.
fn hash_of(path: &Path) -> Result<Hash, CliError> {
    let bytes = read(path, MAX_HEADER_BYTES)?;
    let digits = std::str::from_utf8(&bytes).ok().map(|text| {
        let text = text.trim();
        text.strip_prefix("0x").unwrap_or(text)
    });
    let bytes = match digits.map(hex::decode) {
        Some(Ok(decoded)) => decoded,
        Some(Err(_)) | None => bytes,
    };
    let hash = BatchHeader::decode(&bytes)
        .map(|header| header.hash())
        .or_else(|_| PublicHeader::decode(&bytes).map(|header| header.hash()))
        .map_err(|error| {
            CliError::Argument(format!("`{}` is no batch header: {error}", path.display()))
        })?;
    Ok(Hash(hash.0))
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, CliError> {
    let file = |source| CliError::File {
        path: path.to_path_buf(),
        source,
    };
    let size = std::fs::metadata(path).map_err(file)?.len();
    if size > limit {
        return Err(CliError::Argument(format!(
            "`{}` has {size} bytes, more than the {limit} that are read",
            path.display()
        )));
    }
    std::fs::read(path).map_err(file)
}

fn as_json(verdict: &Result<Verified, VerifyError>) -> String {
    match verdict {
        Ok(verified) => serde_json::json!({
            "verified": true,
            "batch_hash": verified.batch_hash,
            "guest_version": verified.image,
            "program": verified.program,
        }),
        Err(error) => {
            let (code, reason) = (error.code(), error.to_string());
            serde_json::json!({"verified": false, "code": code, "reason": reason})
        }
    }
    .to_string()
}

fn in_words(verdict: &Result<Verified, VerifyError>) {
    match verdict {
        Ok(Verified {
            image,
            program,
            batch_hash,
        }) => {
            terminal::line("VERIFIED: the batch was executed as its header says");
            terminal::line(&format!("  batch hash     {batch_hash}"));
            terminal::line(&format!("  guest version  {image}"));
            terminal::line(&format!("  program        {program}"));
        }
        Err(error) => {
            let reason = terminal::clean(&error.to_string());
            terminal::line(&format!("NOT VERIFIED: {reason}"));
        }
    }
}
