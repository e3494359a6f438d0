//! The machine's accelerators against software: the same digest over many hashes and signatures.

use std::path::Path;

use anyhow::{Result, bail};

use super::{Program, build, elf, host, read};
use crate::shell;

/// What the self-test is asked for: its digest.
const DIGEST: [u8; 1] = [0];

/// Runs the self-test in the guest's machine by `engine`, and by software on this one.
pub(crate) fn run(root: &Path, engine: &Path) -> Result<()> {
    let folder = shell::target()?.join("riscv");
    let built = build(root, &folder, Program::SelfTest)?;
    let (program, input) = (folder.join("selftest.elf"), folder.join("selftest.input"));
    std::fs::write(&program, elf::image(&read(&built)?)?.bytes)?;
    std::fs::write(&input, DIGEST)?;
    let mut guest = shell::command(root, engine)?;
    guest.arg("execute").arg("--elf").arg(&program);
    guest.arg("--input").arg(&input);
    let said = shell::output(guest)?;
    let expected = shell::output(host(root, &["run", "--quiet", "--example", "expected"])?)?;
    let expected = expected.trim();
    if expected.len() != 66 || !said.contains(expected) {
        bail!(
            "the accelerators differ from software: expected `{expected}`, the guest said `{said}`"
        );
    }
    Ok(())
}
