//! Command line of the engine.

mod prove;

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{
    execution::{Ended, Execution, Runner, Table},
    failure, internal,
    keys::{KeyId, Store},
    program, sampling,
    serve::Engine,
};
use crate::{
    artefact::{read_limited, write_whole},
    image,
    protocol::{Failure, FailureKind, Hash},
    serve::{guard::tell_panics_in_a_line, limits::Limits, serve},
    verify::{MAX_FILE_BYTES, VerifyingKey},
};

/// Proves batches.
#[derive(Debug, Parser)]
#[command(name = "cloister-prover-engine", version)]
struct Cli {
    /// Write OpenVM's own messages of this level and above on standard error.
    #[arg(long, global = true, value_name = "LEVEL")]
    log: Option<tracing::Level>,
    /// What to do.
    #[command(subcommand)]
    command: Command,
}

/// What the engine can do from the command line.
#[derive(Debug, Subcommand)]
enum Command {
    /// Run a program over an input without proving.
    Execute(Execute),
    /// Answer requests on standard input; for the prover service.
    Serve(Serve),
    /// Say which program is proved, with which keys.
    Describe(Keys),
    /// Generate the keys if they are not there.
    Keys(WriteKeys),
    /// Prove a batch from its input to the final proof, and say what each stage took.
    Prove(Prove),
    /// Verify a final proof.
    Verify(Verify),
}

/// Which program is proved, and where its keys are.
#[derive(Debug, Args)]
struct Keys {
    /// Folder for keys; made when it is not there.
    #[arg(long, value_name = "DIR")]
    key_cache: PathBuf,
    /// Another program than the released guest. Its proofs are not trusted by `cloister`.
    #[arg(long, value_name = "FILE")]
    elf: Option<PathBuf>,
}

/// Arguments of `serve`.
#[derive(Debug, Args)]
struct Serve {
    /// Program and keys.
    #[command(flatten)]
    keys: Keys,
    /// What the process may use.
    #[command(flatten)]
    limits: Limits,
}

/// Arguments of `keys`.
#[derive(Debug, Args)]
struct WriteKeys {
    /// Program and keys.
    #[command(flatten)]
    keys: Keys,
    /// Take the program `batch.elf` of this folder, which is `guest/image/v1` of the repository,
    /// for the released one, and write its verifying key and commitments beside it.
    #[arg(long, value_name = "DIR", conflicts_with = "elf")]
    write_image: Option<PathBuf>,
}

/// Arguments of `prove`.
#[derive(Debug, Args)]
struct Prove {
    /// Program and keys.
    #[command(flatten)]
    keys: Keys,
    /// What the process may use.
    #[command(flatten)]
    limits: Limits,
    /// The encoded batch input.
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// Where to write the final proof.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Folder for what comes between; made when it is not there, and not emptied.
    #[arg(long, value_name = "DIR")]
    scratch: PathBuf,
}

/// Arguments of `verify`.
#[derive(Debug, Args)]
struct Verify {
    /// The final proof.
    #[arg(value_name = "FILE")]
    proof: PathBuf,
    /// The batch hash that it must be about.
    #[arg(long, value_name = "HASH")]
    batch_hash: String,
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
    tell_panics_in_a_line();
    let cli = Cli::parse();
    if let Some(level) = cli.log {
        tracing_subscriber::fmt()
            .with_max_level(level)
            .with_writer(std::io::stderr)
            .init();
    }
    let result = match cli.command {
        Command::Execute(args) => execute(&args),
        Command::Serve(args) => run_serve(&args),
        Command::Describe(args) => describe(&args),
        Command::Keys(args) => keys(&args),
        Command::Prove(args) => prove::prove(&args),
        Command::Verify(args) => verify(&args),
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
    let session = runner.session()?;
    let mut outcome = Ok(());
    for path in &args.input {
        let input = program::read_input(path)?;
        let result = session.run(&input);
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

/// Opens the keys, generating them if need be.
fn open(args: &Keys) -> Result<Engine, Failure> {
    // A released program is named by its version; 0 is what no released software trusts.
    match &args.elf {
        None => open_program(&args.key_cache, image::CURRENT, image::ELF),
        Some(path) => open_program(&args.key_cache, 0, &program::read_elf(path)?),
    }
}

/// Opens the keys of a program.
fn open_program(cache: &Path, version: u32, elf: &[u8]) -> Result<Engine, Failure> {
    let exe = program::load(elf)?;
    let id = KeyId::of(version, elf)?;
    let store = Store::open(cache, id, version, &exe, |line| {
        let _ = writeln!(std::io::stderr(), "{line}");
    })?;
    Engine::new(version, exe, id, store)
}

/// Opens the keys to prove with. The released program must be the one that is verified.
fn open_to_prove(args: &Keys) -> Result<Engine, Failure> {
    let engine = open(args)?;
    if args.elf.is_none() {
        let embedded = image::verifying_key(image::CURRENT).unwrap_or_default();
        let trusted = VerifyingKey::decode(embedded).map_err(internal)?;
        let key = engine.key();
        if (key.program(), key.machine()) != (trusted.program(), trusted.machine()) {
            let reason = "built with a program that its own verifying key does not fit; write the \
                          image's key anew and build again";
            return Err(internal(reason));
        }
    }
    Ok(engine)
}

/// `serve`.
fn run_serve(args: &Serve) -> Result<(), Failure> {
    args.limits.apply()?;
    serve(&mut open_to_prove(&args.keys)?)
}

/// `describe`.
fn describe(args: &Keys) -> Result<(), Failure> {
    print_keys(&open(args)?)
}

/// Prints what is proved, and the proven bits of every layer term by term.
fn print_keys(engine: &Engine) -> Result<(), Failure> {
    let key = engine.key();
    say(format_args!("guest version: {}", key.image()))?;
    say(format_args!("program:       {}", key.program()))?;
    say(format_args!("machine:       {}", key.machine()))?;
    say("proven bits:         least  LogUp    GKR  zerocheck  batching  stacking   WHIR")?;
    for (layer, bits) in engine.store().soundness()? {
        say(format_args!(
            "  {layer:<18} {:>5.1} {:>6.1} {:>6.1} {:>10.1} {:>9.1} {:>9.1} {:>6.1}",
            bits.total_bits,
            bits.logup_bits,
            bits.gkr_sumcheck_bits.min(bits.gkr_batching_bits),
            bits.zerocheck_sumcheck_bits,
            bits.constraint_batching_bits,
            bits.stacked_reduction_bits,
            bits.whir_bits,
        ))?;
        let whir = bits.whir_details;
        say(format_args!(
            "    WHIR: mu {:.1}, fold {:.1}, proximity {:.1}, sumcheck {:.1}, out of domain {:.1}, \
             shift {:.1}, queries {:.1}, gamma {:.1}",
            whir.mu_batching_bits,
            whir.fold_rbr_bits,
            whir.proximity_gaps_bits,
            whir.sumcheck_bits,
            whir.ood_rbr_bits,
            whir.shift_rbr_bits,
            whir.query_bits,
            whir.gamma_batching_bits,
        ))?;
    }
    Ok(())
}

/// `keys`.
fn keys(args: &WriteKeys) -> Result<(), Failure> {
    let Some(folder) = &args.write_image else {
        return print_keys(&open(&args.keys)?);
    };
    let elf = program::read_elf(&folder.join("batch.elf"))?;
    let engine = open_program(&args.keys.key_cache, image::CURRENT, &elf)?;
    let bytes = engine.key().encode().map_err(internal)?;
    write_whole(&folder.join("verify.key"), &bytes)?;
    write_commitments(&folder.join("image.json"), engine.key(), &bytes)?;
    print_keys(&engine)
}

/// Puts the commitments into the image's description, and leaves the rest of it as it is.
fn write_commitments(path: &Path, key: &VerifyingKey, bytes: &[u8]) -> Result<(), Failure> {
    let text = read_limited(path, 1 << 20)?;
    let mut description: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&text).map_err(|error| failure(FailureKind::BadRequest, error))?;
    for (name, value) in [
        ("program", key.program().to_string()),
        ("machine", key.machine().to_string()),
        ("verify_key_sha256", hex::encode(Sha256::digest(bytes))),
    ] {
        description.insert(name.to_owned(), value.into());
    }
    let mut text = serde_json::to_string_pretty(&description).map_err(internal)?;
    text.push('\n');
    write_whole(path, text.as_bytes())
}

/// `verify`.
fn verify(args: &Verify) -> Result<(), Failure> {
    let bad = |reason: String| failure(FailureKind::BadRequest, reason);
    let expected: Hash = args.batch_hash.parse().map_err(bad)?;
    let file = read_limited(&args.proof, MAX_FILE_BYTES)?;
    let verified = crate::verify::verify(&file, expected)
        .map_err(|error| failure(FailureKind::Invalid, error))?;
    say(format_args!(
        "valid: batch {}, guest version {}",
        verified.batch_hash, verified.image
    ))
}
