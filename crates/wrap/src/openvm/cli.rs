//! Command line of the wrapper.

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};
use cloister_prove::{
    image,
    protocol::Hash,
    serve::{self, guard::tell_panics_in_a_line, limits::Limits, usage::Meter},
    verify::VerifyingKey as ProgramKey,
};
use openvm_verify_stark_host::VmStarkProof;
use p3_security::report::RegimeReport;

use crate::{
    check::check,
    openvm::{Root, WrapError, Wrapper, air_traces, heights, release, serve::Server},
    release::Release,
    security,
    verify::Verifier,
};

/// What stops a command, in words.
type Failure = Box<dyn std::error::Error>;

/// Wraps final proofs so that Ethereum can check them and learns nothing else.
#[derive(Debug, Parser)]
#[command(name = "cloister-wrapper", version)]
struct Cli {
    /// What to do.
    #[command(subcommand)]
    command: Command,
}

/// What the wrapper can do.
#[derive(Debug, Subcommand)]
enum Command {
    /// Answer requests on standard input; for the prover service.
    Serve(Serve),
    /// Wrap a final proof, and say what each stage took.
    Wrap(Wrap),
    /// Verify a wrap.
    Verify(Verify),
    /// Derive the verifying key and say how secure it is.
    Key(Key),
    /// Say how high the traces of a final proof are, and how high they may be.
    Heights(Final),
}

/// Arguments of `serve`.
#[derive(Debug, Args)]
struct Serve {
    /// What the process may use.
    #[command(flatten)]
    limits: Limits,
}

/// Whose final proofs are wrapped.
#[derive(Debug, Args)]
struct Program {
    /// Another program's key than that of the released guest.
    #[arg(long, value_name = "FILE")]
    program_key: Option<PathBuf>,
}

/// The final proof.
#[derive(Debug, Args)]
struct Final {
    /// The final proof, as `cloister-prover-engine prove` writes it.
    #[arg(long, value_name = "FILE")]
    proof: PathBuf,
    /// The batch hash that it must be about.
    #[arg(long, value_name = "HASH")]
    batch_hash: String,
    /// Whose final proofs are wrapped.
    #[command(flatten)]
    program: Program,
}

/// Arguments of `wrap`.
#[derive(Debug, Args)]
struct Wrap {
    /// What to wrap.
    #[command(flatten)]
    from: Final,
    /// Where to write the wrap.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Check every constraint in every row first.
    #[arg(long)]
    check: bool,
}

/// Arguments of `verify`.
#[derive(Debug, Args)]
struct Verify {
    /// The wrap.
    #[arg(value_name = "FILE")]
    proof: PathBuf,
    /// The batch hash that it must be about.
    #[arg(long, value_name = "HASH")]
    batch_hash: String,
    /// The verifying key.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

/// Arguments of `key`.
#[derive(Debug, Args)]
struct Key {
    /// Whose final proofs are wrapped.
    #[command(flatten)]
    program: Program,
    /// Where to write the release: the program's and the machine's commitment with the circuit.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Where to write the circuit alone, as `crates/wrap/data` has it.
    #[arg(long, value_name = "FILE")]
    write_circuit: Option<PathBuf>,
}

/// Runs the wrapper as its command line says.
#[must_use]
pub fn main() -> ExitCode {
    tell_panics_in_a_line();
    let result = match Cli::parse().command {
        Command::Serve(args) => run_serve(&args),
        Command::Wrap(args) => wrap(&args),
        Command::Verify(args) => verify(&args),
        Command::Key(args) => key(&args),
        Command::Heights(args) => print_heights(&args),
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
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

/// Does one stage and prints what it took.
fn stage<T>(name: &str, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let meter = Meter::start();
    let result = work()?;
    let usage = meter.stop();
    say(format_args!("{usage}  {name}"))?;
    Ok(result)
}

/// The key of the released guest.
fn released() -> Result<ProgramKey, Failure> {
    let bytes = image::verifying_key(image::CURRENT).ok_or("no program is released")?;
    Ok(ProgramKey::decode(bytes)?)
}

impl Program {
    /// Its key.
    fn key(&self) -> Result<ProgramKey, Failure> {
        match &self.program_key {
            Some(path) => Ok(ProgramKey::decode(&std::fs::read(path)?)?),
            None => released(),
        }
    }
}

impl Final {
    /// The program's key, the batch hash, and the proof, verified.
    fn open(&self) -> Result<(ProgramKey, Hash, VmStarkProof), Failure> {
        let key = self.program.key()?;
        let hash: Hash = self.batch_hash.parse()?;
        let file = std::fs::read(&self.proof)?;
        let proof = key.open(&file, hash)?;
        Ok((key, hash, proof))
    }
}

/// `serve`.
fn run_serve(args: &Serve) -> Result<(), Failure> {
    args.limits.apply()?;
    Ok(serve::serve(&mut Server::new(released()?))?)
}

/// `wrap`.
fn wrap(args: &Wrap) -> Result<(), Failure> {
    let (key, hash, proof) = stage("verify the final proof", || args.from.open())?;
    let (wrapper, release) = stage("derive the circuit", || Ok(Wrapper::released(&key)?))?;
    let traces = stage("traces", || Ok(wrapper.traces(&proof)?))?;
    drop(proof);
    if args.check {
        let report = stage("check every row", || {
            Ok(check(wrapper.key().circuit(), &traces))
        })?;
        say(format_args!(
            "{} constraints, {} messages on {} buses, {} faults",
            report.constraints,
            report.messages,
            report.buses,
            report.faults.len()
        ))?;
        if let Some(fault) = report.faults.first() {
            return Err(format!("the traces are wrong: {fault:?}").into());
        }
    }
    let outer = stage("wrap", || Ok(wrapper.prover().prove(traces)?))?;
    let verifier = stage("make the verifier ready", || {
        Ok(Verifier::new(release.key.clone())?)
    })?;
    stage("verify", || {
        Ok(verifier.verify(&release.statement(&hash.0), &outer)?)
    })?;
    std::fs::write(&args.output, &outer)?;
    say(format_args!("{} bytes", outer.len()))
}

/// `verify`.
fn verify(args: &Verify) -> Result<(), Failure> {
    let hash: Hash = args.batch_hash.parse()?;
    let release = Release::decode(&std::fs::read(&args.key)?)?;
    let outer = std::fs::read(&args.proof)?;
    let verifier = stage("make the verifier ready", || {
        Ok(Verifier::new(release.key.clone())?)
    })?;
    stage("verify", || {
        Ok(verifier.verify(&release.statement(&hash.0), &outer)?)
    })?;
    say(format_args!("valid: batch {hash}"))
}

/// `key`.
fn key(args: &Key) -> Result<(), Failure> {
    let program = args.program.key()?;
    let wrapper = stage("derive the circuit", || Ok(Wrapper::new(program.openvm())?))?;
    let (key, release) = (wrapper.key(), release(&program)?);
    let bytes = key.encode();
    say(format_args!("guest version:     {}", release.image))?;
    say(format_args!("program:           {:?}", release.program))?;
    say(format_args!("machine:           {:?}", release.machine))?;
    say(format_args!(
        "circuit:           {}",
        hex::encode(key.digest())
    ))?;
    say(format_args!("key:               {} bytes", bytes.len()))?;
    let released = key.digest() == release.key.digest();
    say(format_args!("released:          {released}"))?;
    print_security(&Verifier::new(key.clone())?)?;
    if let Some(path) = &args.write_circuit {
        std::fs::write(path, bytes)?;
    }
    if let Some(path) = &args.write {
        if !released {
            return Err(WrapError::Unreleased.into());
        }
        std::fs::write(path, release.encode())?;
    }
    Ok(())
}

/// Prints what a proof's cost and security depend on.
fn print_security(verifier: &Verifier) -> Result<(), Failure> {
    let shape = verifier.shape();
    for table in &shape.tables {
        say(format_args!("table:             {table:?}"))?;
    }
    say(format_args!("folds:             {:?}", shape.folds))?;
    say(format_args!(
        "opened per query:  {}",
        shape.opened_per_query()
    ))?;
    say(format_args!(
        "opened at point:   {}",
        shape.opened_at_point()
    ))?;
    let security = verifier.security_shape();
    say(format_args!("{security:?}"))?;
    let report = security::report(verifier.key().circuit(), &security);
    say(format_args!(
        "proven bits:       {:.2}",
        report.security_bits()
    ))?;
    for term in report.ldr.iter().flat_map(RegimeReport::terms) {
        say(format_args!("  {:<20} {:.2}", term.label, term.bits.bits()))?;
    }
    Ok(())
}

/// `heights`.
fn print_heights(args: &Final) -> Result<(), Failure> {
    let (key, _, proof) = args.open()?;
    let root = Root::new(key.openvm(), None);
    let context = root
        .context(&proof)
        .ok_or("the root circuit takes no such proof")?;
    let natural: Vec<usize> = air_traces(context)
        .iter()
        .map(crate::trace::AirTrace::height)
        .collect();
    let planned = heights();
    say("  made planned width  values constraints messages")?;
    for (index, air) in root.key().per_air.iter().enumerate() {
        let constraints = &air.vk.symbolic_constraints;
        say(format_args!(
            "{:>6} {:>7} {:>5} {:>7} {:>11} {:>8}  {index} {}",
            natural.get(index).copied().unwrap_or(0),
            planned.get(index).copied().unwrap_or(0),
            air.vk.params.width.common_main,
            air.vk.params.num_public_values,
            constraints.constraints.constraint_idx.len(),
            constraints.interactions.len(),
            air.air_name,
        ))?;
    }
    Ok(())
}
