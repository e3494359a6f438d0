//! Checks the table of costs against batches that were executed in the guest, and makes the batches
//! that show what one feature costs.
//!
//! ```text
//! cargo run -p cloister-stf --example cost_model -- run ENGINE ELF DIR
//! cargo run -p cloister-stf --example cost_model -- probes DIR
//! cargo run -p cloister-stf --example cost_model -- check FILE
//! cargo run -p cloister-stf --example cost_model -- counts FILE
//! ```
//!
//! `probes` writes an encoded batch input for each opcode and precompile with its worst operands,
//! and `DIR/probes`, the list of them. `check` reads lines `INPUT INSTRUCTIONS [FEATURE]`: an encoded
//! batch input, what the guest took for it (`cloister-prover-engine execute`), and for a probe the
//! feature it is about, whose cost it then tells. `run` does both, with the guest between them:
//! it executes ELF with the program ENGINE, writes `DIR/measured` for the other two, and ends with
//! failure where an estimate is too low (SSTF-11). `counts` prints what the meter counted, as JSON
//! lines, for whoever fits a new table.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a tool for development, which may end with a backtrace"
)]

mod probes;
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/it/world.rs"]
mod world;

use std::{
    fmt::Write as _,
    path::Path,
    process::{Command, ExitCode},
};

use cloister_crypto::NativeCrypto;
use cloister_stf::{
    BatchInput,
    cost::{COST_TABLES, CostTable, Feature, Work, input_work},
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["probes", folder] => probes::write(folder.as_ref()),
        ["run", engine, elf, folder] => {
            return if run(engine, elf, folder.as_ref()) {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            };
        }
        ["check", file] => check(&rows(file)),
        ["counts", file] => rows(file).iter().for_each(Row::print_counts),
        _ => panic!("usage: cost_model run ENGINE ELF DIR | probes DIR | check FILE | counts FILE"),
    }
    ExitCode::SUCCESS
}

/// Whether the guest takes no more for any probe than the newest table says.
fn run(engine: &str, elf: &str, folder: &Path) -> bool {
    probes::write(folder);
    let list = std::fs::read_to_string(folder.join("probes")).expect("readable");
    let lines: Vec<&str> = list.lines().collect();
    let mut command = Command::new(engine);
    command.args(["execute", "--json", "--elf", elf]);
    for line in &lines {
        let input = line.split(' ').next().expect("an input");
        command.args(["--input", input]);
    }
    let done = command.output().expect("an engine that runs");
    let told = String::from_utf8(done.stdout).expect("text");
    let executions: Vec<&str> = told.lines().collect();
    assert_eq!(executions.len(), lines.len(), "an execution for each probe");
    let mut measured = String::new();
    for (line, execution) in lines.iter().zip(executions) {
        let execution: serde_json::Value = serde_json::from_str(execution).expect("JSON");
        let (input, about) = line.split_once(' ').expect("a feature");
        let Some(took) = execution["instructions"].as_u64() else {
            panic!("{input}: {execution}");
        };
        writeln!(measured, "{input} {took} {about}").unwrap();
    }
    let file = folder.join("measured");
    std::fs::write(&file, measured).expect("writable");
    let table = COST_TABLES.last().expect("a table");
    let rows = rows(file.to_str().expect("a path in Unicode"));
    let low: Vec<&Row> = rows
        .iter()
        .filter(|row| table.instructions(&row.work) < row.measured)
        .collect();
    for row in &low {
        let estimated = table.instructions(&row.work);
        println!(
            "{}: takes {}, estimated {estimated}",
            row.name, row.measured
        );
    }
    println!(
        "{} of {} probes are estimated too low",
        low.len(),
        rows.len()
    );
    low.is_empty()
}

struct Row {
    name: String,
    measured: u64,
    work: Work,
    about: Option<Feature>,
}

impl Row {
    fn parse(line: &str) -> Self {
        let mut words = line.split_whitespace();
        let path = words.next().expect("an input");
        let measured = words.next().expect("instructions").parse().unwrap();
        let about = words.next().map(|name| {
            *Feature::ALL
                .iter()
                .find(|feature| feature.name() == name)
                .expect("a feature")
        });
        let name = path.rsplit('/').next().unwrap_or(path).to_owned();
        let input = std::fs::read(path).expect("readable input");
        let input = BatchInput::decode(&input.into()).expect("a batch input");
        let work = input_work(&input, &NativeCrypto).expect("a valid batch");
        Self {
            name,
            measured,
            work,
            about,
        }
    }

    fn print_counts(&self) {
        let counts: serde_json::Map<String, serde_json::Value> = Feature::ALL
            .iter()
            .map(|feature| (feature.name().to_owned(), self.work.count(*feature).into()))
            .filter(|(_, count)| *count != 0)
            .collect();
        let about = self.about.map(Feature::name);
        let (name, measured) = (&self.name, self.measured);
        println!(
            "{}",
            serde_json::json!({"name": name, "measured": measured, "about": about, "counts": counts})
        );
    }

    /// What the feature would have to cost for the estimate to be right.
    fn implied(&self, table: &CostTable) -> Option<i128> {
        let feature = self.about?;
        let own = u128::from(table.coefficient(feature)) * u128::from(self.work.count(feature));
        let others = i128::from(table.instructions(&self.work)) - i128::try_from(own).unwrap();
        let rest = i128::from(self.measured) - others;
        rest.checked_div(i128::from(self.work.count(feature)))
    }
}

fn rows(file: &str) -> Vec<Row> {
    let text = std::fs::read_to_string(file).expect("readable");
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(Row::parse)
        .collect()
}

fn check(rows: &[Row]) {
    let table = COST_TABLES.last().expect("a table");
    println!("image {} revision {}", table.image, table.revision);
    println!("      estimated       measured    error  batch");
    let mut errors = Vec::new();
    for row in rows {
        let estimated = table.instructions(&row.work);
        let permille = permille(estimated, row.measured);
        print!(
            "{estimated:>15}{:>15}{:>8.1}%  {}",
            row.measured,
            tenths(permille),
            row.name
        );
        if let (Some(feature), Some(implied)) = (row.about, row.implied(table)) {
            let held = table.coefficient(feature);
            let mark = if i128::from(held) < implied {
                " TOO LOW"
            } else {
                ""
            };
            print!("  {}: {held}, measured {implied}{mark}", feature.name());
        } else {
            errors.push(permille);
        }
        println!();
    }
    summary(errors);
}

fn permille(estimated: u64, measured: u64) -> i64 {
    let off = i128::from(estimated) - i128::from(measured);
    i64::try_from(off * 1_000 / i128::from(measured.max(1))).unwrap_or(i64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "for people to read")]
fn tenths(permille: i64) -> f64 {
    permille as f64 / 10.0
}

/// Of the batches that are no probes: how far the estimate is off.
fn summary(errors: Vec<i64>) {
    let under = errors.iter().filter(|error| **error < 0).count();
    let mut sizes: Vec<i64> = errors.into_iter().map(i64::abs).collect();
    sizes.sort_unstable();
    let Some(worst) = sizes.last() else { return };
    let count = i64::try_from(sizes.len()).unwrap();
    let mean = sizes.iter().sum::<i64>() / count;
    let p95 = sizes[(sizes.len() * 19).div_ceil(20) - 1];
    println!(
        "{count} batches: error {:.1}% in the mean, {:.1}% at the 95th percentile, {:.1}% at worst; \
         {under} underestimated",
        tenths(mean),
        tenths(p95),
        tenths(*worst)
    );
}
