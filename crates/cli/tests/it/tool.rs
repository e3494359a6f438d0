//! Running the tool.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The tool with a home of its own, not started yet.
pub(crate) fn cloister(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloister"));
    command.env_clear().env("HOME", home).stdin(Stdio::null());
    command
}

/// What a run of the tool left behind.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs the tool to its end.
pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(home: &Path, arguments: &[S]) -> Run {
    let Output {
        status,
        stdout,
        stderr,
    } = cloister(home)
        .args(arguments)
        .output()
        .expect("the tool starts");
    Run {
        code: status.code(),
        out: String::from_utf8(stdout).expect("text"),
        err: String::from_utf8(stderr).expect("text"),
    }
}
