//! `cargo xtask guest`: builds the program that is proved, for the proving machine.
//!
//! Debian's compiler is used: it comes with the sources of `core` and `alloc`. What is kept under
//! `guest/image/` is not the linker's file but what the machine loads of it, nothing more, so that
//! the same program always has the same bytes.

mod elf;
mod estimates;
mod selftest;
mod sources;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};

use crate::shell;

pub(crate) use estimates::run as estimates;
pub(crate) use selftest::run as selftest;

const TARGET: &str = "riscv32im-risc0-zkvm-elf";
/// The last lets fills of up to 80 bytes be plain stores, without a call. The same for copies gains
/// next to nothing: most are of values that the compiler does not know to lie at words.
const FLAGS: &str = "-C passes=lower-atomic -C linker=rust-lld -C linker-flavor=ld.lld \
                     -C link-arg=--gc-sections --cfg getrandom_backend=\"custom\" \
                     -Z unstable-options -C panic=immediate-abort \
                     -C llvm-args=-max-store-memset=20";
/// Debian's linker, under the name that the compiler asks for.
const LINKER: &str = "/usr/bin/ld.lld-19";
/// The image that is proved now.
const IMAGE: &str = "guest/image/v1";

/// A program for the proving machine.
#[derive(Clone, Copy, Debug)]
enum Program {
    /// The one that is proved.
    Batch,
    /// Checks the accelerators.
    SelfTest,
}

impl Program {
    /// Its package and the name of what is built.
    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Batch => ("cloister-guest-batch", "batch"),
            Self::SelfTest => ("cloister-guest-selftest", "selftest"),
        }
    }
}

/// What the command is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Build and write the image.
    Write,
    /// Build in another folder and compare with the image.
    Check,
    /// As `Check`, unless the image was built from these very sources.
    CheckIfChanged,
}

/// Does it.
pub(crate) fn run(root: &Path, task: Task) -> Result<()> {
    let digest = sources::digest(root)?;
    if task == Task::CheckIfChanged && recorded(root)?.as_deref() == Some(&*digest) {
        eprintln!("the guest's sources are those of the image; not built again");
        return Ok(());
    }
    match task {
        Task::Write => {
            let built = build(root, &shell::target()?.join("riscv"), Program::Batch)?;
            write(root, &built, &digest)
        }
        Task::Check | Task::CheckIfChanged => check(root, &digest),
    }
}

/// Runs the tests of the guest's own crates on this machine.
pub(crate) fn tests(root: &Path) -> Result<std::process::Command> {
    host(root, &["test"])
}

/// `cargo` on this machine over the guest's own crates.
fn host(root: &Path, arguments: &[&str]) -> Result<std::process::Command> {
    let mut command = shell::cargo(root, arguments)?;
    command
        .args(["--locked", "--package", "cloister-guest-accel"])
        .current_dir(root.join("guest"))
        .env("CARGO_TARGET_DIR", shell::target()?.join("guest-tests"));
    Ok(command)
}

/// Builds a program; the linker's file, with symbols.
fn build(root: &Path, target: &Path, built: Program) -> Result<PathBuf> {
    let (package, name) = built.names();
    for program in ["/usr/bin/cargo", "/usr/bin/rustc", LINKER] {
        if !Path::new(program).exists() {
            bail!("`{program}` is missing; run `cargo xtask tools`");
        }
    }
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
    let guest = root.join("guest");
    let home = shell::variable("CARGO_HOME")
        .or_else(|| shell::variable("HOME").map(|home| format!("{home}/.cargo")))
        .context("neither CARGO_HOME nor HOME is set; set one")?;
    let flags = format!(
        "{FLAGS} -C link-arg=-T{} --remap-path-prefix={}=/cloister --remap-path-prefix={home}=/cargo",
        guest.join("guest.ld").display(),
        root.display(),
    );
    command
        .current_dir(&guest)
        .args(["build", "--release", "--locked", "--target", TARGET])
        .args(["--package", package])
        .args(["-Z", "build-std=core,alloc,panic_abort"])
        .env("PATH", format!("{}:{path}", programs.display()))
        .env("RUSTC", guest.join("rustc"))
        .env("CLOISTER_ROOT", root)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", flags)
        .env("CARGO_TARGET_DIR", target);
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
    Ok(target.join(TARGET).join("release").join(name))
}

/// Writes the image of a built program.
fn write(root: &Path, built: &Path, digest: &str) -> Result<()> {
    let program = read(built)?;
    let image = elf::image(&program)?;
    let folder = root.join(IMAGE);
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot create `{}`", folder.display()))?;
    let path = folder.join("batch.elf");
    std::fs::write(&path, &image.bytes)
        .with_context(|| format!("cannot write `{}`", path.display()))?;
    let path = folder.join("image.json");
    let mut description = describe(root, &image, digest)?;
    let before = description_of(root)?;
    if before.get("elf_sha256") == description.get("elf_sha256") {
        // The engine's: commitments to this very program.
        for (name, value) in before {
            description.entry(name).or_insert(value);
        }
    } else {
        eprintln!(
            "the program changed: run `cloister-prover-engine keys --key-cache DIR --write-image \
             {IMAGE}` for its commitments, then make its image for Ethereum as `docs/proving.md` \
             says, and tell the change in `guest/image/CHANGELOG.md`"
        );
    }
    let text = format!("{}\n", serde_json::to_string_pretty(&description)?);
    std::fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
    eprintln!(
        "{IMAGE}/batch.elf: {} bytes, {} instructions; the symbols are in `{}`",
        image.bytes.len(),
        image.instructions,
        built.display()
    );
    Ok(())
}

fn describe(root: &Path, image: &elf::Image, digest: &str) -> Result<Map<String, Value>> {
    let description = json!({
        "version": 1,
        "elf_sha256": sources::sha256(&image.bytes)?,
        "elf_bytes": image.bytes.len(),
        "instructions": image.instructions,
        "traps": image.traps,
        "sources": digest,
        "toolchain": {
            "target": TARGET,
            "rustc": version(root, "/usr/bin/rustc")?,
            "cargo": version(root, "/usr/bin/cargo")?,
            "linker": version(root, LINKER)?,
        },
    });
    match description {
        Value::Object(description) => Ok(description),
        _ => bail!("a description is an object"),
    }
}

/// The first line of what a program says to `--version`.
fn version(root: &Path, program: &str) -> Result<String> {
    let mut command = shell::command(root, program)?;
    command.arg("--version").env_remove("RUSTUP_TOOLCHAIN");
    let text = shell::output(command)?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// What is kept about the image; nothing when there is none.
fn description_of(root: &Path) -> Result<Map<String, Value>> {
    let path = root.join(IMAGE).join("image.json");
    if !path.exists() {
        return Ok(Map::new());
    }
    serde_json::from_slice(&read(&path)?)
        .with_context(|| format!("`{}` is not a JSON object", path.display()))
}

/// Digest of the sources that the image says it was built from.
fn recorded(root: &Path) -> Result<Option<String>> {
    let description = description_of(root)?;
    Ok(description
        .get("sources")
        .and_then(Value::as_str)
        .map(str::to_owned))
}

/// Builds a copy of the sources in another folder, from nothing, and compares.
fn check(root: &Path, digest: &str) -> Result<()> {
    let elsewhere = shell::target()?.join("riscv-check");
    let copy = elsewhere.join("sources");
    for folder in [&copy, &elsewhere.join("build")] {
        if folder.exists() {
            std::fs::remove_dir_all(folder)
                .with_context(|| format!("cannot remove `{}`", folder.display()))?;
        }
    }
    sources::copy(root, &copy)?;
    let built = build(&copy, &elsewhere.join("build"), Program::Batch)?;
    let image = elf::image(&read(&built)?)?;
    let kept = root.join(IMAGE).join("batch.elf");
    if read(&kept)? != image.bytes {
        bail!(
            "`{IMAGE}/batch.elf` is not what the sources give; if they changed on purpose, run \
             `cargo xtask guest`, and tell the change in `guest/image/CHANGELOG.md`"
        );
    }
    if recorded(root)?.as_deref() != Some(digest) {
        bail!("the sources changed, though not the image; run `cargo xtask guest`");
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))
}
