//! The state transition must build and link for the proving machine, without the standard library.
//! Debian's compiler is used for it: it comes with the sources of `core` and `alloc`.

use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::shell;

const TARGET: &str = "riscv32im-risc0-zkvm-elf";
/// A program that runs one batch; in a workspace of its own, with its own lock file.
const PROGRAM: &str = "guest/stf-check";
const FLAGS: &str = "-C passes=lower-atomic -C linker=rust-lld -C linker-flavor=ld.lld \
                     -C link-arg=--gc-sections -C panic=abort --cfg getrandom_backend=\"custom\"";
/// Debian's linker, under the name that the compiler asks for.
const LINKER: &str = "/usr/bin/ld.lld-19";

/// Builds the program.
pub(crate) fn check(root: &Path) -> Result<()> {
    for program in ["/usr/bin/cargo", "/usr/bin/rustc", LINKER] {
        if !Path::new(program).exists() {
            bail!("`{program}` is missing; run `cargo xtask tools`");
        }
    }
    let target = shell::target()?.join("riscv");
    let programs = target.join("bin");
    std::fs::create_dir_all(&programs)
        .with_context(|| format!("cannot create `{}`", programs.display()))?;
    let linker = programs.join("rust-lld");
    if !linker.exists() {
        std::os::unix::fs::symlink(LINKER, &linker).context("cannot link the linker")?;
    }
    // Debian's own cargo and rustc: rustup's have no library sources.
    let mut command = shell::command(root, "/usr/bin/cargo")?;
    let path = shell::variable("PATH").unwrap_or_default();
    command
        .current_dir(root.join(PROGRAM))
        .args(["build", "--release", "--locked", "--target", TARGET])
        .args(["-Z", "build-std=core,alloc,panic_abort"])
        .args(["-Z", "build-std-features=compiler-builtins-mem"])
        .env("PATH", format!("{}:{path}", programs.display()))
        .env("RUSTC", "/usr/bin/rustc")
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", FLAGS)
        .env("CARGO_TARGET_DIR", &target);
    // Set by the cargo that runs xtask; with them rustup's compiler would be taken.
    for name in [
        "RUSTUP_TOOLCHAIN",
        "CARGO",
        "RUSTC_WRAPPER",
        "CARGO_BUILD_RUSTC_WRAPPER",
    ] {
        command.env_remove(name);
    }
    shell::run(command)?;
    let built = target.join(TARGET).join("release/stf-check");
    let head =
        std::fs::read(&built).with_context(|| format!("cannot read `{}`", built.display()))?;
    if !is_riscv_program(&head) {
        bail!("`{}` is not a 32-bit RISC-V program", built.display());
    }
    Ok(())
}

/// By the ELF header: 32 bits, little-endian, machine 243.
fn is_riscv_program(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF\x01\x01") && bytes.get(18..20) == Some(&[243, 0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_program_for_the_proving_machine_from_others() {
        let mut head = [0_u8; 52];
        head[..6].copy_from_slice(b"\x7fELF\x01\x01");
        assert!(!is_riscv_program(&head));
        head[18] = 243;
        assert!(is_riscv_program(&head));
        assert!(!is_riscv_program(b"#!/bin/sh"));
    }
}
