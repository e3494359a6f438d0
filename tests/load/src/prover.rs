//! What proving costs: the guest's instructions and accelerator calls, and the engine's stages.
//!
//! Instructions are the same in every run. The peer's are those of the same virtual machine compiled
//! to the same instruction set without accelerators and without a state tree.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::figure::{Figure, Filter, Report};

/// Figures of executions.
const EXECUTIONS: &[&str] = &[
    "guest_instructions_per_eth",
    "guest_keccak_calls_per_eth",
    "guest_sha256_blocks_per_eth",
    "guest_curve_calls_per_eth",
    "guest_instructions_per_erc20",
    "guest_keccak_calls_per_erc20",
    "guest_sha256_blocks_per_erc20",
    "guest_curve_calls_per_erc20",
    "guest_instructions_per_deploy",
    "guest_keccak_calls_per_deploy",
    "guest_sha256_blocks_per_deploy",
    "guest_instructions_per_leaf",
    "guest_instructions_per_recovery",
    "guest_instructions_per_empty_batch",
];
/// Figures of one proof.
const PROOF: &[&str] = &[
    "prover_10_instructions",
    "prover_10_execute_cpu_s",
    "prover_10_segments_cpu_s",
    "prover_10_leaves_cpu_s",
    "prover_10_internal_cpu_s",
    "prover_10_cpu_s",
    "prover_10_wall_s",
    "prover_10_peak_gb",
    "prover_10_proof_kb",
    "prover_10_verify_ms",
];
/// All of them.
pub(crate) const NAMES: [&[&str]; 2] = [EXECUTIONS, PROOF];

/// Instructions of an ERC-20 transfer and of a payment without accelerators and state tree.
const PLAIN_ERC20: f64 = 101_000.0;
const PLAIN_ETH: f64 = 21_400.0;
/// Instructions of recovering a public key in software.
const PLAIN_RECOVERY: f64 = 11_370_000.0;
/// What one transfer is an average over.
const TRANSFERS: u32 = 100;
const DEPLOYMENTS: u32 = 10;
const CALLS: u32 = 100;

/// What is measured, and with what.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Setting {
    /// The proof engine, for the figures of proving; `cargo xtask bench` gives it.
    #[arg(long, value_name = "FILE")]
    engine: Option<PathBuf>,
    /// The guest's image, likewise.
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Descriptions of batches by `cloister-stf`'s example `batch_input`, likewise.
    #[arg(long, value_name = "FILE")]
    batches: Option<PathBuf>,
    /// Folder for the engine's keys and artefacts, likewise.
    #[arg(long, value_name = "DIR")]
    pub(crate) scratch: Option<PathBuf>,
    /// The wrapper, for the figures of wraps, likewise.
    #[arg(long, value_name = "FILE")]
    pub(crate) wrapper: Option<PathBuf>,
}

/// A batch to prove.
#[derive(Debug, Deserialize)]
struct Batch {
    file: PathBuf,
    kind: String,
    count: u32,
    leaves: u32,
    hash: String,
}

/// A table of the proving machine, with its rows in one execution.
#[derive(Debug, Deserialize)]
struct Table {
    name: String,
    rows: u64,
}

/// An execution as the engine tells it.
#[derive(Debug, Deserialize)]
struct Execution {
    public_values: Option<String>,
    #[serde(default)]
    instructions: u64,
    #[serde(default)]
    tables: Vec<Table>,
    error: Option<String>,
}

impl Execution {
    /// Rows of the tables whose name contains one of these.
    fn rows(&self, names: &[&str]) -> f64 {
        let rows: u64 = self
            .tables
            .iter()
            .filter(|table| names.iter().any(|name| table.name.contains(name)))
            .map(|table| table.rows)
            .sum();
        number(rows)
    }
}

/// Executions and their batches, by kind and count.
struct Executed(BTreeMap<(String, u32), (Batch, Execution)>);

impl Executed {
    fn of(&self, kind: &str, count: u32) -> Result<&(Batch, Execution)> {
        self.0
            .get(&(kind.to_owned(), count))
            .with_context(|| format!("no batch `{kind}:{count}`"))
    }

    /// Instructions of a batch.
    fn instructions(&self, kind: &str, count: u32) -> Result<f64> {
        Ok(number(self.of(kind, count)?.1.instructions))
    }
}

/// Whether a figure is wanted, by its own name or as one of the whole group.
fn wants(filter: &Filter, name: &str) -> bool {
    filter.wants(name) || filter.wants("prover")
}

/// Whether any of the figures is wanted.
pub(crate) fn is_wanted(filter: &Filter) -> bool {
    let mut names = NAMES.iter().copied().flatten();
    !filter.is_all() && names.any(|name| wants(filter, name))
}

/// Measures.
pub(crate) fn run(filter: &Filter, setting: &Setting, report: &mut Report) -> Result<()> {
    let (Some(engine), Some(image), Some(batches), Some(scratch)) = (
        &setting.engine,
        &setting.image,
        &setting.batches,
        &setting.scratch,
    ) else {
        bail!("the figures of proving need the proof engine: run `cargo xtask bench prover`");
    };
    let mut show = |figure: Figure| {
        if wants(filter, figure.name) {
            report.figure(&figure);
        }
    };
    let executed = execute(engine, image, batches)?;
    transfers(&executed, &mut show)?;
    others(&executed, &mut show)?;
    if PROOF.iter().any(|name| wants(filter, name)) {
        let (batch, _) = executed.of("erc20", 10)?;
        prove(engine, batch, scratch, &mut show)?;
    }
    Ok(())
}

/// Runs the guest over every batch, and checks what it says of each.
fn execute(engine: &Path, image: &Path, batches: &Path) -> Result<Executed> {
    let text = std::fs::read_to_string(batches)
        .with_context(|| format!("cannot read `{}`", batches.display()))?;
    let batches = text
        .lines()
        .map(|line| Ok(serde_json::from_str(line)?))
        .collect::<Result<Vec<Batch>>>()?;
    Report::note("executing batches in the guest");
    let mut command = Command::new(engine);
    command.args(["execute", "--json", "--elf"]).arg(image);
    for batch in &batches {
        command.arg("--input").arg(&batch.file);
    }
    let output = run_to_end(command)?;
    let mut executed = BTreeMap::new();
    for (batch, line) in batches.into_iter().zip(output.lines()) {
        let execution: Execution = serde_json::from_str(line)?;
        if execution.public_values.as_ref() != Some(&batch.hash) {
            let why = execution.error.unwrap_or_default();
            bail!("the guest does not agree on `{}`: {why}", batch.kind);
        }
        executed.insert((batch.kind.clone(), batch.count), (batch, execution));
    }
    Ok(Executed(executed))
}

/// Transactions: averages over a batch, its own costs included.
fn transfers(executed: &Executed, show: &mut impl FnMut(Figure)) -> Result<()> {
    let per = |kind: &str, count: u32| -> Result<[f64; 4]> {
        let (_, execution) = executed.of(kind, count)?;
        let count = f64::from(count);
        Ok([
            number(execution.instructions) / count,
            execution.rows(&["KeccakfOpAir"]) / count,
            execution.rows(&["Sha2MainAir"]) / count,
            // Additions and doublings of points.
            execution.rows(&["<2, 16, 16, 4, 4>", "<1, 16, 16, 4, 4>"]) / count,
        ])
    };
    let [instructions, keccak, sha256, curve] = per("eth", TRANSFERS)?;
    show(Figure::beside(
        "guest_instructions_per_eth",
        instructions,
        "instr",
        "plain, no tree",
        PLAIN_ETH,
    ));
    show(Figure::alone("guest_keccak_calls_per_eth", keccak, "calls"));
    show(Figure::alone(
        "guest_sha256_blocks_per_eth",
        sha256,
        "blocks",
    ));
    show(Figure::alone("guest_curve_calls_per_eth", curve, "calls"));
    let [instructions, keccak, sha256, curve] = per("erc20", TRANSFERS)?;
    show(Figure::beside(
        "guest_instructions_per_erc20",
        instructions,
        "instr",
        "plain, no tree",
        PLAIN_ERC20,
    ));
    show(Figure::alone(
        "guest_keccak_calls_per_erc20",
        keccak,
        "calls",
    ));
    show(Figure::alone(
        "guest_sha256_blocks_per_erc20",
        sha256,
        "blocks",
    ));
    show(Figure::alone("guest_curve_calls_per_erc20", curve, "calls"));
    let [instructions, keccak, sha256, _] = per("deploy", DEPLOYMENTS)?;
    show(Figure::alone(
        "guest_instructions_per_deploy",
        instructions,
        "instr",
    ));
    show(Figure::alone(
        "guest_keccak_calls_per_deploy",
        keccak,
        "calls",
    ));
    show(Figure::alone(
        "guest_sha256_blocks_per_deploy",
        sha256,
        "blocks",
    ));
    Ok(())
}

/// What is known by the difference of two batches.
fn others(executed: &Executed, show: &mut impl FnMut(Figure)) -> Result<()> {
    // The same payments, to many or to one: what differs are leaves, opened and written.
    let leaves = |kind: &str| -> Result<f64> { Ok(executed.of(kind, TRANSFERS)?.0.leaves.into()) };
    let more = leaves("eth")? - leaves("eth-to-one")?;
    let instructions = executed.instructions("eth", TRANSFERS)?
        - executed.instructions("eth-to-one", TRANSFERS)?;
    show(Figure::alone(
        "guest_instructions_per_leaf",
        instructions / more,
        "instr",
    ));
    // The same calls, to recovery or to the copying contract.
    let recovery =
        executed.instructions("recover", CALLS)? - executed.instructions("identity", CALLS)?;
    show(Figure::beside(
        "guest_instructions_per_recovery",
        recovery / f64::from(CALLS),
        "instr",
        "in software",
        PLAIN_RECOVERY,
    ));
    show(Figure::alone(
        "guest_instructions_per_empty_batch",
        executed.instructions("empty", 0)?,
        "instr",
    ));
    Ok(())
}

/// What the stages of one proof took.
#[derive(Debug, Default)]
struct Stages {
    execute: f64,
    segments: f64,
    leaves: f64,
    internal: f64,
    verify: f64,
    wall: f64,
    peak_mb: f64,
}

impl Stages {
    /// Takes a line of `cloister-prover-engine prove`:
    /// `17.107 CPU s     9.946 s   2869 MB peak  segment 0: …`.
    fn take(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [cpu, "CPU", "s", wall, "s", peak, "MB", "peak", stage, ..] = words[..] else {
            return;
        };
        let [cpu, wall, peak] = [cpu, wall, peak].map(|word| word.parse().unwrap_or(f64::NAN));
        self.wall += wall;
        self.peak_mb = self.peak_mb.max(peak);
        *match stage {
            "execute" => &mut self.execute,
            "segment" => &mut self.segments,
            "Leaf" => &mut self.leaves,
            "verify" => &mut self.verify,
            _ => &mut self.internal,
        } += cpu;
    }
}

/// Proves a batch of ten transfers.
fn prove(
    engine: &Path,
    batch: &Batch,
    scratch: &Path,
    show: &mut impl FnMut(Figure),
) -> Result<()> {
    Report::note("proving ten transfers; this takes minutes");
    let (artefacts, proof) = (scratch.join("artefacts"), scratch.join("final.proof"));
    let mut command = Command::new(engine);
    command
        .args(["prove", "--key-cache"])
        .arg(scratch.join("keys"))
        .arg("--input")
        .arg(&batch.file)
        .arg("--output")
        .arg(&proof)
        .arg("--scratch")
        .arg(&artefacts);
    let output = run_to_end(command)?;
    let mut stages = Stages::default();
    let mut instructions = 0.0;
    for line in output.lines() {
        stages.take(line);
        if let Some((count, _)) = line.split_once(" instructions, batch hash ") {
            instructions = count.parse().unwrap_or(f64::NAN);
        }
    }
    let bytes = std::fs::metadata(&proof)?.len();
    std::fs::remove_dir_all(&artefacts)?;
    let Stages {
        execute,
        segments,
        leaves,
        internal,
        verify,
        wall,
        peak_mb,
    } = stages;
    let all = execute + segments + leaves + internal + verify;
    for (name, value, unit) in [
        ("prover_10_instructions", instructions, "instr"),
        ("prover_10_execute_cpu_s", execute, "s"),
        ("prover_10_segments_cpu_s", segments, "s"),
        ("prover_10_leaves_cpu_s", leaves, "s"),
        ("prover_10_internal_cpu_s", internal, "s"),
        ("prover_10_cpu_s", all, "s"),
        ("prover_10_wall_s", wall, "s"),
        ("prover_10_peak_gb", peak_mb / 1_000.0, "GB"),
        ("prover_10_proof_kb", number(bytes) / 1_000.0, "KB"),
        ("prover_10_verify_ms", verify * 1_000.0, "ms"),
    ] {
        show(Figure::alone(name, value, unit));
    }
    Ok(())
}

/// Runs the engine, shows what it says to people, and gives what it printed.
fn run_to_end(mut command: Command) -> Result<String> {
    let program = command.get_program().to_owned();
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{}`", program.display()))?;
    let text = String::from_utf8(output.stdout).context("the engine did not write text")?;
    if !output.status.success() {
        bail!("the proof engine ended with {}: {text}", output.status);
    }
    Ok(text)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "figures are far below what a float counts exactly"
)]
fn number(count: u64) -> f64 {
    count as f64
}
