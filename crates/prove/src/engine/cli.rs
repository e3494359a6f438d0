//! Command line of the engine.

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use serde::Serialize;

use super::{
    execution::{Ended, Execution, Runner, Table},
    internal, program, sampling,
};
use crate::protocol::Failure;

/// Proves batches.
#[derive(Debug, Parser)]
#[command(name = "cloister-prover-engine", version)]
struct Cli {
    /// What to do.
    #[command(subcommand)]
    command: Command,
}

/// What the engine can do from the command line.
#[derive(Debug, Subcommand)]
enum Command {
    /// Run a program over an input without proving.
    Execute(Execute),
}

/// Arguments of `execute`.
#[derive(Debug, Args)]
struct Execute {
    /// The program.
    #[arg(long, value_name = "FILE")]
    elf: PathBuf,
    /// Its input: the encoded batch input. May be given several times.
    #[arg(long, value_name = "FILE", required = true)]
    input: Vec<PathBuf>,
    /// Print one JSON object an input.
    #[arg(long)]
    json: bool,
    /// Print rows by table: instructions by kind, and accelerator calls.
    #[arg(long)]
    profile: bool,
    /// Print instructions by function; the program must have symbols.
    #[arg(long)]
    functions: bool,
}

/// Runs the engine as its command line says.
#[must_use]
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Execute(args) => execute(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "{failure}");
            ExitCode::FAILURE
        }
    }
}

/// Prints a line on standard output.
fn say(line: impl std::fmt::Display) -> Result<(), Failure> {
    writeln!(std::io::stdout(), "{line}").map_err(internal)
}

/// `execute`.
fn execute(args: &Execute) -> Result<(), Failure> {
    let elf = program::read_elf(&args.elf)?;
    let exe = program::load(&elf)?;
    let runner = Runner::new(exe.clone())?;
    let mut outcome = Ok(());
    for path in &args.input {
        let input = program::read_input(path)?;
        let result = runner.run(&input);
        if args.json {
            say(serde_json::to_string(&Line::from(&result)).map_err(internal)?)?;
        }
        match result {
            Err(ended) => outcome = Err(ended.into()),
            Ok(execution) => {
                if !args.json {
                    print(&execution, args.profile)?;
                }
                if args.functions {
                    let total = execution.instructions;
                    for (name, count) in sampling::by_function(&elf, &exe, &input, total)? {
                        say(format_args!("{count:>10}  {name}"))?;
                    }
                }
            }
        }
    }
    outcome
}

/// What `execute --json` prints for one input.
#[derive(Debug, Serialize)]
struct Line<'a> {
    /// Exit code of the program; null when it broke off.
    exit_code: Option<u32>,
    /// Why it did not end well.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// What it came to.
    #[serde(flatten)]
    execution: Option<&'a Execution>,
}

impl<'a> From<&'a Result<Execution, Ended>> for Line<'a> {
    fn from(result: &'a Result<Execution, Ended>) -> Self {
        let exit_code = match result {
            Ok(_) => Some(0),
            Err(Ended::Exit(code)) => Some(*code),
            Err(Ended::Broke(_) | Ended::NotRun(_)) => None,
        };
        Self {
            exit_code,
            error: result.as_ref().err().map(ToString::to_string),
            execution: result.as_ref().ok(),
        }
    }
}

/// Prints an execution for people.
fn print(execution: &Execution, profile: bool) -> Result<(), Failure> {
    say(format_args!(
        "public values: 0x{}",
        hex::encode(execution.public_values)
    ))?;
    say(format_args!("instructions:  {}", execution.instructions))?;
    say("exit code:     0")?;
    if profile {
        say("      rows  width  table")?;
        let mut tables = execution.tables.clone();
        tables.sort_by_key(|table| std::cmp::Reverse(table.rows));
        for Table { name, rows, width } in tables {
            say(format_args!("{rows:>10} {width:>6}  {name}"))?;
        }
    }
    Ok(())
}
