//! `cloister audit`: verifies an audit ledger's hash chain, and exports it.
//!
//! The rows come from an exported file (JSON lines), or on an operator's machine from the database
//! that a service's own configuration names.

use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use alloy::primitives::B256;
use cloister_audit::{Entry, Head, MAX_LINE_BYTES, Tampered, Verifier};
use cloister_settings::{DatabaseSection, SettingsError, Validate};
use cloister_store_pg::Database;
use cloister_store_pg::ledger::read_page;
use serde::Deserialize;

use crate::error::CliError;
use crate::terminal;

/// Where the rows are.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct SourceArguments {
    /// Exported ledger, one JSON object a line
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// A service's configuration file; reads the ledger in its database
    #[arg(long, value_name = "FILE")]
    service_config: Option<PathBuf>,
}

/// A head known from elsewhere, e.g. from a batch header: `COUNT:HASH`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Anchor(Head);

impl FromStr for Anchor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || format!("`{text}` is not of the form COUNT:HASH");
        let (count, hash) = text.split_once(':').ok_or_else(malformed)?;
        let count = count.parse().map_err(|_| malformed())?;
        let hash: B256 = hash.parse().map_err(|_| malformed())?;
        Ok(Self(Head { count, hash }))
    }
}

/// The part of a service's configuration that is needed here.
#[derive(Debug, Deserialize)]
struct ServiceConfig {
    database: DatabaseSection,
}

impl Validate for ServiceConfig {
    fn validate(&self) -> Result<(), SettingsError> {
        self.database.validate()
    }
}

/// Calls `each` for every entry in order.
async fn read(
    source: &SourceArguments,
    mut each: impl FnMut(Entry) -> Result<(), CliError>,
) -> Result<(), CliError> {
    match (&source.file, &source.service_config) {
        (Some(file), _) => read_file(file, each),
        (None, Some(config)) => {
            let config: ServiceConfig = cloister_settings::load(config)?;
            let database = Database::connect(&config.database).await?;
            let mut next = 1;
            loop {
                let page = read_page(database.pool(), next).await?;
                let Some(last) = page.last() else {
                    return Ok(());
                };
                next = last.sequence.saturating_add(1);
                page.into_iter().try_for_each(&mut each)?;
            }
        }
        (None, None) => Err(CliError::Argument(
            "name --file or --service-config".to_owned(),
        )),
    }
}

fn read_file(
    path: &Path,
    mut each: impl FnMut(Entry) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let failed = |source| CliError::File {
        path: path.to_path_buf(),
        source,
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut reader = std::io::BufReader::new(file);
    let mut line = String::new();
    loop {
        line.clear();
        // One byte more than a line may have shows that it is longer.
        let limit = u64::try_from(MAX_LINE_BYTES)
            .unwrap_or(u64::MAX)
            .saturating_add(1);
        let mut bounded = std::io::Read::take(&mut reader, limit);
        if bounded.read_line(&mut line).map_err(failed)? == 0 {
            return Ok(());
        }
        each(cloister_audit::read_line(line.trim_end_matches('\n'))?)?;
    }
}

/// Verifies a ledger; `true` when it is whole.
///
/// # Errors
/// When the rows cannot be read.
pub(crate) async fn verify(source: &SourceArguments, anchors: &[Anchor]) -> Result<bool, CliError> {
    let anchors: Vec<Head> = anchors.iter().map(|anchor| anchor.0).collect();
    let mut verifier = Verifier::new(&anchors);
    let outcome = read(source, |entry| {
        if let Ok(running) = &mut verifier
            && let Err(tampered) = running.push(&entry)
        {
            verifier = Err(tampered);
        }
        Ok(())
    });
    outcome.await?;
    Ok(report(verifier.and_then(Verifier::finish), anchors.len()))
}

fn report(outcome: Result<Head, Tampered>, anchors: usize) -> bool {
    match outcome {
        Ok(head) => {
            terminal::line(&format!("WHOLE: {} rows, head {}", head.count, head.hash));
            if anchors == 0 {
                terminal::note(
                    "no --anchor was given: rows cut off at the end, or a ledger rewritten as a \
                     whole, would not be noticed",
                );
            }
            true
        }
        Err(tampered) => {
            terminal::line(&format!("TAMPERED: {tampered}"));
            false
        }
    }
}

/// Prints the ledger as JSON lines.
///
/// # Errors
/// When the rows cannot be read.
pub(crate) async fn export(source: &SourceArguments) -> Result<(), CliError> {
    read(source, |entry| {
        terminal::line(cloister_audit::write_line(&entry)?.trim_end_matches('\n'));
        Ok(())
    })
    .await
}
