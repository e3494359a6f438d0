//! The state transition must build for the proving machine, without the standard library. Debian's
//! compiler is used for it: it comes with the sources of `core` and `alloc` for `build-std`.

use std::path::Path;

use anyhow::{Result, bail};

use crate::shell;

const TARGET: &str = "riscv32im-risc0-zkvm-elf";
/// Crates that the program inside the proving machine is made of.
const CRATES: [&str; 4] = [
    "cloister-types",
    "cloister-crypto",
    "cloister-state-tree",
    "cloister-stf",
];
const FLAGS: &str = "-C passes=lower-atomic -C panic=abort --cfg getrandom_backend=\"custom\"";

/// Builds the crates as libraries.
pub(crate) fn check(root: &Path) -> Result<()> {
    if !Path::new("/usr/bin/cargo").exists() {
        bail!("Debian's cargo is missing; run `cargo xtask tools`");
    }
    // Debian's own cargo and rustc: rustup's have no library sources.
    let mut command = shell::command(root, "/usr/bin/cargo")?;
    command
        .args(["build", "--locked", "--lib", "--target", TARGET])
        .args(["-Z", "build-std=core,alloc,panic_abort"])
        .args(["-Z", "build-std-features=compiler-builtins-mem"])
        .args(CRATES.iter().flat_map(|name| ["--package", name]))
        .env("RUSTC", "/usr/bin/rustc")
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", FLAGS)
        .env("CARGO_TARGET_DIR", shell::target()?.join("riscv"))
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("CARGO");
    shell::run(command)
}
