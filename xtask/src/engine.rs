//! `cargo xtask engine` and `cargo xtask wrapper`: what proves, built with optimisation and for the
//! processor at hand. A plain build proves several times slower.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, anyhow};

use crate::shell;

/// What a processor of level x86-64-v4 has beyond one of level 3.
const LEVEL_4: [&str; 5] = ["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"];

/// What a processor of level x86-64-v3 has beyond the first 64-bit ones, as the kernel names it.
const LEVEL_3: [&str; 7] = ["avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"];

/// A level of processors that the engine is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    /// With AVX-512.
    V4,
    /// With AVX2.
    V3,
    /// Any other: whatever the compiler builds for by default.
    Plain,
}

impl Level {
    /// The level of a processor, by `/proc/cpuinfo`.
    fn of(cpuinfo: &str) -> Self {
        let flags: BTreeSet<&str> = cpuinfo
            .lines()
            .find_map(|line| line.strip_prefix("flags"))
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let has = |names: &[&str]| names.iter().all(|name| flags.contains(name));
        match (has(&LEVEL_3), has(&LEVEL_4)) {
            (true, true) => Self::V4,
            (true, false) => Self::V3,
            (false, _) => Self::Plain,
        }
    }

    /// Name of its target folder: levels do not share one, or each build would undo the other's.
    fn folder(self) -> &'static str {
        match self {
            Self::V4 => "engine-v4",
            Self::V3 => "engine-v3",
            Self::Plain => "engine-plain",
        }
    }

    /// Flags for the compiler.
    fn flags(self) -> Option<&'static str> {
        match self {
            Self::V4 => Some("-C target-cpu=x86-64-v4"),
            Self::V3 => Some("-C target-cpu=x86-64-v3"),
            Self::Plain => None,
        }
    }
}

/// Proves batches.
const ENGINE: &str = "cloister-prover-engine";
/// Wraps their proofs.
const WRAPPER: &str = "cloister-wrapper";

/// Tests with the engine, real proofs among them, one after the other: each takes much memory. Those
/// inside the library run with the rest of the workspace; here they would build it once more.
pub(crate) fn tests(root: &Path) -> Result<Command> {
    let mut command = cargo(root, &["test", "--test", "it", "--test", "proving"])?;
    command.args(["--", "--test-threads=1", "--nocapture"]);
    Ok(command)
}

/// Runs them.
pub(crate) fn test(root: &Path) -> Result<()> {
    shell::step("proving (long)", || shell::run(tests(root)?))
}

/// Tests with the wrapper, a real wrap among them.
pub(crate) fn wrapper_tests(root: &Path) -> Result<Command> {
    let mut command = cargo(root, &["test", "--test", "openvm"])?;
    command.args(["--", "--include-ignored", "--test-threads=1"]);
    Ok(command)
}

/// Runs them.
pub(crate) fn test_wrapper(root: &Path) -> Result<()> {
    shell::step("wrapping (long)", || shell::run(wrapper_tests(root)?))
}

/// `cargo COMMAND` over what proves, with its own profile and processor level. Always over both
/// programs: one alone would ask for other features of OpenVM, which would be built once more.
fn cargo(root: &Path, arguments: &[&str]) -> Result<Command> {
    // Without the file, as on another system than Linux, the plain build is right.
    let level = Level::of(&std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default());
    let mut command = shell::cargo(root, arguments)?;
    command
        .args(["--locked", "--profile", "engine"])
        .args(["--package", "cloister-prove", "--package", "cloister-wrap"])
        .args(["--features", "cloister-prove/engine,cloister-wrap/openvm"])
        .env("CARGO_TARGET_DIR", folder(level)?);
    if let Some(flags) = level.flags() {
        command.env("RUSTFLAGS", flags);
    }
    Ok(command)
}

fn folder(level: Level) -> Result<PathBuf> {
    Ok(shell::target()?.join(level.folder()))
}

/// Builds the programs and says where the engine is.
pub(crate) fn build(root: &Path) -> Result<PathBuf> {
    build_program(root, ENGINE)
}

/// Builds the programs and says where the wrapper is.
pub(crate) fn build_wrapper(root: &Path) -> Result<PathBuf> {
    build_program(root, WRAPPER)
}

fn build_program(root: &Path, name: &str) -> Result<PathBuf> {
    let level = Level::of(&std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default());
    shell::step("building what proves (long the first time)", || {
        shell::run(cargo(root, &["build", "--bins"])?)
    })?;
    let program = folder(level)?.join("engine").join(name);
    program
        .canonicalize()
        .with_context(|| format!("cannot find `{}`", program.display()))
}

/// A build that goes on while something else is done.
pub(crate) struct Behind {
    child: std::process::Child,
    log: PathBuf,
    /// Where the programs will be.
    folder: PathBuf,
}

/// Starts to build the engine, with low priority and its output in `log`.
pub(crate) fn build_behind(root: &Path, log: &Path) -> Result<Behind> {
    let level = Level::of(&std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default());
    let output = || -> Result<std::fs::File> {
        std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot write `{}`", log.display()))
    };
    let mut build = cargo(root, &["build", "--bins"])?;
    let mut nice = Command::new("nice");
    nice.arg("-n10").arg(build.get_program());
    nice.args(build.get_args()).current_dir(root);
    for (name, value) in build.get_envs() {
        match value {
            Some(value) => nice.env(name, value),
            None => nice.env_remove(name),
        };
    }
    build = nice;
    let child = build
        .stdout(output()?)
        .stderr(output()?)
        .spawn()
        .context("cannot start the build of the proof engine")?;
    Ok(Behind {
        child,
        log: log.to_path_buf(),
        folder: folder(level)?.join("engine"),
    })
}

impl Behind {
    /// Where engine and wrapper are, or why there are none; nothing while they are built.
    pub(crate) fn ended(&mut self) -> Option<Result<(PathBuf, PathBuf)>> {
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) if status.success() => {
                Some(Ok((self.folder.join(ENGINE), self.folder.join(WRAPPER))))
            }
            Ok(Some(status)) => Some(Err(anyhow!(
                "the build ended with {status}; see `{}`",
                self.log.display()
            ))),
            Err(error) => Some(Err(error.into())),
        }
    }

    /// Ends the build if it still goes on; what it has built so far is kept.
    pub(crate) fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_highest_level_that_the_processor_has() {
        let with = |names: &[&str]| format!("model name\t: any\nflags\t\t: {}\n", names.join(" "));
        let three = LEVEL_3.to_vec();
        let four = [three.clone(), LEVEL_4.to_vec()].concat();
        assert_eq!(Level::of(&with(&four)), Level::V4);
        assert_eq!(Level::of(&with(&three)), Level::V3);
        assert_eq!(Level::of(&with(&LEVEL_4)), Level::Plain);
        assert_eq!(Level::of(&with(&["sse2"])), Level::Plain);
        assert_eq!(Level::of(""), Level::Plain);
    }
}
