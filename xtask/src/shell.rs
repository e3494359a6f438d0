//! Running other programs.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// A variable of the environment.
#[expect(
    clippy::disallowed_methods,
    reason = "xtask is a tool of the developer's shell"
)]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Where things are kept between checkouts: `$XDG_CACHE_HOME/cloister` or `~/.cache/cloister`.
pub(crate) fn cache() -> Result<PathBuf> {
    if let Some(folder) = variable("XDG_CACHE_HOME") {
        return Ok(Path::new(&folder).join("cloister"));
    }
    let home = variable("HOME").context("neither XDG_CACHE_HOME nor HOME is set; set one")?;
    Ok(Path::new(&home).join(".cache/cloister"))
}

/// Where everything but xtask is built: `CARGO_TARGET_DIR`, or a folder that checkouts share.
pub(crate) fn target() -> Result<PathBuf> {
    match variable("CARGO_TARGET_DIR") {
        Some(folder) => Ok(std::path::absolute(folder)?),
        None => Ok(cache()?.join("target")),
    }
}

/// `program` in the checkout's root, with the pinned node programs first in `PATH` and the shared
/// target folder set.
pub(crate) fn command(root: &Path, program: impl AsRef<OsStr>) -> Result<Command> {
    let mut command = Command::new(program);
    let mut path = OsString::from(root.join("tests/node_modules/.bin"));
    if let Some(rest) = variable("PATH") {
        path.push(":");
        path.push(rest);
    }
    command
        .current_dir(root)
        .env("PATH", path)
        .env("CARGO_TARGET_DIR", target()?);
    Ok(command)
}

/// `cargo` with arguments, by the same toolchain that runs xtask.
pub(crate) fn cargo(root: &Path, arguments: &[&str]) -> Result<Command> {
    let cargo = variable("CARGO").unwrap_or_else(|| "cargo".to_owned());
    let mut command = command(root, cargo)?;
    command.args(arguments);
    Ok(command)
}

/// The command as one would type it.
fn typed(command: &Command) -> String {
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program());
    std::iter::once(program)
        .chain(command.get_args())
        .map(|part| part.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Runs `command` with its output on the terminal.
pub(crate) fn run(mut command: Command) -> Result<()> {
    let text = typed(&command);
    let status = command
        .status()
        .with_context(|| format!("cannot start `{text}`"))?;
    if !status.success() {
        bail!("`{text}` ended with {status}");
    }
    Ok(())
}

/// Runs `command` and returns what it wrote to standard output; its errors go to the terminal.
pub(crate) fn output(mut command: Command) -> Result<String> {
    let text = typed(&command);
    let done = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{text}`"))?;
    if !done.status.success() {
        bail!("`{text}` ended with {}", done.status);
    }
    String::from_utf8(done.stdout).with_context(|| format!("`{text}` did not write text"))
}

/// Runs `command`, shows its standard output and hands each line of it to `watch`. Whether the
/// command succeeded is returned, for callers that count what it says before they judge.
pub(crate) fn watch(mut command: Command, mut watch: impl FnMut(&str)) -> Result<bool> {
    let text = typed(&command);
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{text}`"))?;
    let stdout = child.stdout.take().context("no standard output")?;
    for line in BufReader::new(stdout).lines() {
        let line = line.with_context(|| format!("`{text}` did not write text"))?;
        eprintln!("{line}");
        watch(&line);
    }
    let status = child
        .wait()
        .with_context(|| format!("cannot wait for `{text}`"))?;
    Ok(status.success())
}

/// Shows the beginning, the end and the time of a step.
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("── {name}");
    let start = Instant::now();
    let result = work();
    let time = seconds(start.elapsed());
    match &result {
        Ok(_) => eprintln!("── {name}: done in {time}"),
        Err(error) => eprintln!("── {name}: FAILED after {time}: {error:#}"),
    }
    result
}

/// A time for people.
pub(crate) fn seconds(time: Duration) -> String {
    let whole = time.as_secs();
    if whole >= 60 {
        format!("{} min {} s", whole / 60, whole % 60)
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_times_for_people() {
        assert_eq!(seconds(Duration::from_millis(1500)), "1.5 s");
        assert_eq!(seconds(Duration::from_secs(125)), "2 min 5 s");
    }

    #[test]
    fn names_the_command_that_failed() {
        let mut command = Command::new("sh");
        command.args(["-c", "exit 3"]);
        assert_eq!(
            run(command).unwrap_err().to_string(),
            "`sh -c exit 3` ended with exit status: 3"
        );
        let absent = run(Command::new("no-such-program"))
            .unwrap_err()
            .to_string();
        assert_eq!(absent, "cannot start `no-such-program`");
    }

    #[test]
    fn hands_over_each_line_and_tells_how_it_ended() {
        let mut lines = Vec::new();
        let mut command = Command::new("sh");
        command.args(["-c", "echo a; echo b; exit 1"]);
        assert!(!watch(command, |line| lines.push(line.to_owned())).unwrap());
        assert_eq!(lines, ["a", "b"]);
    }
}
