//! `cargo xtask demo`: builds the programs and plays the story.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::{engine, shell, tools};

/// With this argument the demo proves nothing, and nothing that proves is built.
const WITHOUT_PROOFS: &str = "--without-proofs";

/// How long the demo waits for a build of the engine that may have nothing to do.
const HEAD_START: Duration = Duration::from_secs(3);

/// How often the build and the demo are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Programs that the demo runs.
pub(crate) const PROGRAMS: [&str; 5] = [
    "cloister-gateway",
    "cloister-sequencer",
    "cloister-disclosure-service",
    "cloister-prover",
    "cloister-cli",
];

/// Installs, builds, runs. The proof engine, which takes minutes the first time, is built behind the
/// story unless it is there; the demo waits for it only where it needs it.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<()> {
    tools::install(root)?;
    shell::step("building the services and the demo", || build(root))?;
    let folder = root.join("target/demo");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot create `{}`", folder.display()))?;
    let program = shell::target()?.join("debug/cloister-demo");
    if arguments.iter().any(|argument| argument == WITHOUT_PROOFS) {
        let mut demo = shell::command(root, program)?;
        demo.args(arguments);
        return shell::run(demo);
    }
    let marker = folder.join("engine");
    let _ = std::fs::remove_file(&marker);
    let log = folder.join("engine-build.log");
    let mut engine = engine::build_behind(root, &log)?;
    eprintln!("what proves is built meanwhile: {}", log.display());
    // Gives a build that has nothing to do the time to say so.
    let begun = Instant::now();
    let mut told = false;
    while !told && begun.elapsed() < HEAD_START {
        pause(LOOK_EVERY);
        told = tell(&mut engine, &marker)?;
    }
    let mut demo = shell::command(root, program)?;
    demo.arg("--engine")
        .arg(&marker)
        .arg("--engine-keys")
        .arg(shell::cache()?.join("keys"))
        .args(arguments);
    let mut demo = demo.spawn().context("cannot start the demo")?;
    loop {
        if let Some(status) = demo.try_wait().context("cannot wait for the demo")? {
            engine.stop();
            if !status.success() {
                bail!("the demo ended with {status}");
            }
            return Ok(());
        }
        told = told || tell(&mut engine, &marker)?;
        pause(LOOK_EVERY);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "xtask waits for two processes at once and has no runtime"
)]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Tells the demo by `marker` when the build of what proves has ended, and how.
fn tell(engine: &mut engine::Behind, marker: &Path) -> Result<bool> {
    let text = match engine.ended() {
        None => return Ok(false),
        Some(Ok((engine, wrapper))) => format!("{}\n{}", engine.display(), wrapper.display()),
        Some(Err(error)) => format!("error: {error:#}"),
    };
    std::fs::write(marker, format!("{text}\n"))
        .with_context(|| format!("cannot write `{}`", marker.display()))?;
    Ok(true)
}

fn build(root: &Path) -> Result<()> {
    let mut command = shell::cargo(
        root,
        &["build", "--locked", "--bins", "--package", "cloister-demo"],
    )?;
    command.args(PROGRAMS.iter().flat_map(|name| ["--package", name]));
    shell::run(command)
}
