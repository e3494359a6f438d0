//! Benchmarks, each told as a ratio to a peer in the same run.
//!
//! ```text
//! cloister-bench                          all figures of the default set
//! cloister-bench state_tree               figures whose name begins so
//! cloister-bench --json state_tree        one JSON object a line
//! ```
//!
//! The machine's speed and what else runs on it go into both sides of a ratio; that is why every
//! figure that has a peer is measured side by side with it. Notes on the results are in
//! `docs/performance.md`.

mod erc20;
mod figure;
mod prover;
mod state_tree;
mod wrap;

use clap::Parser;
use figure::{Figure, Filter, Report};
use std::process::ExitCode;

/// Measures Cloister against its peers.
#[derive(Debug, Parser)]
#[command(name = "cloister-bench", version)]
struct Arguments {
    /// Beginnings of the names of the figures to measure; all of the default set when none is given.
    names: Vec<String>,
    /// Print one JSON object a line instead of a table.
    #[arg(long)]
    json: bool,
    /// List the names of all figures and stop.
    #[arg(long)]
    list: bool,
    /// For the figures of proving.
    #[command(flatten)]
    prover: prover::Setting,
}

/// Figures that are measured together, because they share a costly setting.
struct Group {
    /// Names of the figures, all of them.
    names: &'static [&'static str],
    /// Whether the group runs when no name is given.
    by_default: bool,
    /// Measures what the filter wants of them.
    run: fn(&Filter, &mut Report) -> anyhow::Result<()>,
}

const GROUPS: &[Group] = &[
    Group {
        names: state_tree::NAMES,
        by_default: true,
        run: state_tree::run,
    },
    Group {
        names: erc20::NAMES,
        by_default: true,
        run: erc20::run,
    },
    Group {
        names: state_tree::heights::NAMES,
        by_default: false,
        run: state_tree::heights::run,
    },
];

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut report = Report::new(arguments.json);
    match measure(&arguments, &mut report) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            Report::note(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments, report: &mut Report) -> anyhow::Result<()> {
    if arguments.list {
        GROUPS
            .iter()
            .map(|group| group.names)
            .chain(prover::NAMES)
            .chain([wrap::NAMES])
            .flatten()
            .for_each(|name| Report::line(name));
        return Ok(());
    }
    let filter = Filter::new(&arguments.names);
    let mut any = false;
    for group in GROUPS {
        let asked = group.names.iter().any(|name| filter.wants(name));
        if asked && (group.by_default || !filter.is_all()) {
            any = true;
            (group.run)(&filter, report)?;
        }
    }
    // Only by name: it takes the proof engine, and minutes.
    if prover::is_wanted(&filter) {
        any = true;
        prover::run(&filter, &arguments.prover, report)?;
    }
    if wrap::is_wanted(&filter) {
        any = true;
        let prover = &arguments.prover;
        let (wrapper, scratch) = (prover.wrapper.as_ref(), prover.scratch.as_ref());
        wrap::run(&filter, wrapper, scratch, report)?;
    }
    anyhow::ensure!(
        any,
        "no figure has a name that begins so; `--list` shows all names"
    );
    report.finish();
    Ok(())
}
