//! `cloister prover jobs`: what operators do with the jobs of proving; `cloister proof fetch`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::error::CliError;
use crate::http::Api;
use crate::terminal;

/// `cloister prover …`
#[derive(Debug, Subcommand)]
pub(crate) enum ProverCommand {
    /// Look at the jobs of proving and help those that are stuck
    Jobs {
        /// What to do
        #[command(subcommand)]
        command: JobsCommand,
    },
}

/// `cloister prover jobs …`
#[derive(Debug, Subcommand)]
pub(crate) enum JobsCommand {
    /// List jobs, one a line
    List(ListArguments),
    /// Show one job
    Show {
        /// Its number
        id: u64,
    },
    /// Take a dead, rejected or discarded job up again; an execution that is done begins its batch
    /// anew
    Retry {
        /// Its number
        id: u64,
    },
    /// Give up proving the job's batch, or wrapping its proof
    Discard {
        /// Its number
        id: u64,
    },
}

/// Which jobs to list.
#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Only of this batch
    #[arg(long, value_name = "NUMBER")]
    batch: Option<u64>,
    /// Only in this state
    #[arg(long)]
    state: Option<JobState>,
    /// Only jobs with a larger number
    #[arg(long, value_name = "ID", default_value_t = 0)]
    after: u64,
    /// Most jobs to list
    #[arg(long, value_name = "COUNT", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=200))]
    limit: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum JobState {
    /// For jobs before it
    Waiting,
    /// For a worker
    Ready,
    /// A worker is at it
    Leased,
    /// Finished
    Done,
    /// Failed too often
    Dead,
    /// The program and the sequencer disagree about the batch
    Rejected,
    /// Given up
    Discarded,
}

/// `cloister proof fetch`.
#[derive(Debug, Args)]
pub(crate) struct FetchArguments {
    /// The batch
    number: u64,
    /// Where to write its final proof
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

/// Runs a command about jobs.
///
/// # Errors
/// When the gateway refuses.
pub(crate) async fn run(api: &Api, command: JobsCommand) -> Result<(), CliError> {
    match command {
        JobsCommand::List(arguments) => list(api, &arguments).await,
        JobsCommand::Show { id } => show(api, id).await,
        JobsCommand::Retry { id } => {
            let id_hex = format!("{id:#x}");
            api.rpc("cloister_retryProofJob", json!([id_hex])).await?;
            terminal::note(&format!("job {id} is taken up again"));
            Ok(())
        }
        JobsCommand::Discard { id } => {
            let id_hex = format!("{id:#x}");
            api.rpc("cloister_discardProofJob", json!([id_hex])).await?;
            terminal::note(&format!(
                "what is left to prove of the batch of job {id} is given up"
            ));
            Ok(())
        }
    }
}

async fn list(api: &Api, arguments: &ListArguments) -> Result<(), CliError> {
    let state = arguments
        .state
        .and_then(|state| state.to_possible_value())
        .map(|value| value.get_name().to_owned());
    let filter = json!({
        "batch": arguments.batch.map(|batch| format!("{batch:#x}")),
        "state": state,
        "after": format!("{:#x}", arguments.after),
        "limit": format!("{:#x}", arguments.limit),
    });
    let jobs = api.rpc("cloister_listProofJobs", json!([filter])).await?;
    if arguments.json {
        terminal::line(&serde_json::to_string_pretty(&jobs).unwrap_or_default());
        return Ok(());
    }
    terminal::line("     id  batch  stage      layer  node  state      tries  last failure");
    for job in jobs.as_array().into_iter().flatten() {
        terminal::line(&row(job));
    }
    Ok(())
}

fn row(job: &Value) -> String {
    let text = |name: &str| terminal::clean(job[name].as_str().unwrap_or_default());
    let number = |name: &str| job[name].as_u64().unwrap_or_default();
    let line = format!(
        "{:>7}  {:>5}  {:<9}  {:>5}  {:>4}  {:<9}  {:>5}  {}",
        number("id"),
        number("batch"),
        text("stage"),
        number("layer"),
        number("node"),
        text("state"),
        number("attempts").saturating_add(number("faults")),
        text("error"),
    );
    line.trim_end().to_owned()
}

async fn show(api: &Api, id: u64) -> Result<(), CliError> {
    let id_hex = format!("{id:#x}");
    let job = api.rpc("cloister_getProofJob", json!([id_hex])).await?;
    if job.is_null() {
        return Err(CliError::Argument(format!("there is no job {id}")));
    }
    terminal::line(&serde_json::to_string_pretty(&job).unwrap_or_default());
    Ok(())
}

/// Writes the final proof of a batch to a file.
///
/// # Errors
/// When the gateway refuses, there is no proof, or the file cannot be written.
pub(crate) async fn fetch(api: &Api, arguments: &FetchArguments) -> Result<(), CliError> {
    let number_hex = format!("{:#x}", arguments.number);
    let answer = api.rpc("cloister_getProof", json!([number_hex])).await?;
    let proof = answer["proof"]
        .as_str()
        .and_then(|text| hex::decode(text.strip_prefix("0x")?).ok());
    let Some(proof) = proof else {
        return Err(CliError::BadAnswer {
            url: api.gateway().to_string(),
            reason: "the proof is not hexadecimal".to_owned(),
        });
    };
    std::fs::write(&arguments.output, &proof).map_err(|source| CliError::File {
        path: arguments.output.clone(),
        source,
    })?;
    terminal::note(&format!(
        "{} bytes; check them with `cloister proof verify`",
        proof.len()
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_one_line_whatever_it_says() {
        let job = json!({
            "id": 12, "batch": 3, "stage": "segment", "layer": 1, "node": 4, "state": "dead",
            "attempts": 5, "faults": 0, "error": "it\nended",
        });
        assert_eq!(
            row(&job),
            "     12      3  segment        1     4  dead           5  it\u{fffd}ended"
        );
    }
}
