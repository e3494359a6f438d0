//! The repository's own commands: `cargo xtask …`. It is built in each checkout's `target`, so it
//! has few dependencies; everything it builds goes to a target folder that checkouts share.
//!
//! ```text
//!  cargo xtask ─┬─ tools                       apt and npm packages, pinned
//!               ├─ demo, bench                 build, then run
//!               ├─ test ──▶ every check, then every test, one summary line
//!               └─ layers, tidy, check-docs, gen --check     the checks one by one
//! ```

mod bench;
mod checkout;
mod commands;
mod conformance;
mod demo;
mod docs;
mod engine;
mod files;
mod generate;
mod guest;
mod layers;
mod node;
mod schema;
mod shell;
mod test;
mod tidy;
mod tools;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Cloister's own commands"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install what builds, tests and the demo need (apt and npm packages)
    Tools,
    /// Start the whole stack on this machine and play its story
    Demo {
        /// Arguments of the demo, e.g. `--exit`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run every check and every test
    Test {
        /// Only the checks that need no build of the whole workspace
        #[arg(long)]
        quick: bool,
    },
    /// Check that dependencies point to lower layers only
    Layers,
    /// Check the shape of the source: lengths of files and functions, left-overs
    Tidy,
    /// Check that what the documents name exists
    CheckDocs,
    /// Write the generated files anew
    Gen {
        /// Compare instead of writing
        #[arg(long)]
        check: bool,
    },
    /// Build the program that is proved, and write its image
    Guest {
        /// Build it in another folder and compare with the image
        #[arg(long)]
        check: bool,
    },
    /// Run Ethereum state tests and hostile batches, natively and in the guest
    Conformance {
        #[command(flatten)]
        arguments: conformance::Arguments,
    },
    /// Build the proof engine for this machine's processor and print where it is
    Engine {
        /// Then prove with it: minutes of both processors and up to 10 GB of memory
        #[arg(long)]
        test: bool,
    },
    /// Build the wrapper for this machine's processor and print where it is
    Wrapper {
        /// Then wrap a real proof with it: a minute of both processors and 13 GB of memory
        #[arg(long)]
        test: bool,
    },
    /// Run benchmarks (release build)
    Bench {
        /// Names of benchmarks and options, e.g. `--json`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    let root = files::root()?;
    let builds = !matches!(
        command,
        Command::Tools
            | Command::Layers
            | Command::Tidy
            | Command::CheckDocs
            | Command::Test { quick: true }
    );
    let _claim = builds.then(|| checkout::claim(&root)).transpose()?;
    match command {
        Command::Tools => tools::install(&root),
        Command::Demo { arguments } => demo::run(&root, &arguments),
        Command::Test { quick } => test::run(&root, quick),
        Command::Layers => files::report("layers", &layers::check(&root)?),
        Command::Tidy => files::report("tidy", &tidy::check(&root)?),
        Command::CheckDocs => files::report("check-docs", &docs::check(&root)?),
        Command::Gen { check } => {
            tools::install(&root)?;
            generate::build(&root)?;
            files::report("gen", &generate::run(&root, check)?)
        }
        Command::Guest { check } => {
            tools::install(&root)?;
            let task = if check {
                guest::Task::Check
            } else {
                guest::Task::Write
            };
            guest::run(&root, task)
        }
        Command::Conformance { arguments } => conformance::run(&root, &arguments),
        Command::Engine { test } => {
            let program = engine::build(&root)?;
            if test {
                engine::test(&root)?;
            }
            writeln!(std::io::stdout(), "{}", program.display())?;
            Ok(())
        }
        Command::Wrapper { test } => {
            let program = engine::build_wrapper(&root)?;
            if test {
                engine::test_wrapper(&root)?;
            }
            writeln!(std::io::stdout(), "{}", program.display())?;
            Ok(())
        }
        Command::Bench { arguments } => bench::run(&root, &arguments),
    }
}

/// Names of the subcommands, for the check of the documents.
fn subcommands() -> Vec<String> {
    use clap::CommandFactory as _;
    Arguments::command()
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect()
}
