//! `cargo xtask bench`: builds with optimisation and measures.

use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::{engine, shell, tools};

/// Services that benchmarks start, where no name says that they are not needed. Others are left out:
/// optimised builds are slow.
const PROGRAMS: [&str; 3] = ["cloister-gateway", "cloister-sequencer", "cloister-prover"];

/// Beginnings of the names of figures that no service is started for.
const ALONE: [&str; 5] = ["prover", "guest", "wrap", "state_tree", "page_height"];

/// Batches that are executed in the guest, as `cloister-stf`'s example `batch_input` names them.
const BATCHES: [&str; 8] = [
    "empty:0",
    "eth:100",
    "eth-to-one:100",
    "erc20:100",
    "erc20:10",
    "deploy:10",
    "recover:100",
    "identity:100",
];

/// Installs, builds, runs.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<()> {
    tools::install(root)?;
    shell::step("building the benchmarks (release)", || {
        let mut command = shell::cargo(
            root,
            &[
                "build",
                "--locked",
                "--release",
                "--bins",
                "--package",
                "cloister-bench",
            ],
        )?;
        let alone = |name: &String| ALONE.iter().any(|group| name.starts_with(group));
        let mut names = arguments
            .iter()
            .filter(|name| !name.starts_with('-'))
            .peekable();
        if names.peek().is_none() || !names.all(alone) {
            command.args(PROGRAMS.iter().flat_map(|name| ["--package", name]));
        }
        shell::run(command)
    })?;
    let mut bench = shell::command(root, shell::target()?.join("release/cloister-bench"))?;
    bench.args(arguments);
    if arguments.iter().any(|name| is_of_proving(name)) {
        bench.args(proving(root)?);
    } else if arguments.iter().any(|name| name.starts_with("wrap")) {
        bench.arg("--scratch").arg(shell::target()?.join("bench"));
    }
    if arguments.iter().any(|name| name.starts_with("wrap")) {
        bench.arg("--wrapper").arg(engine::build_wrapper(root)?);
    }
    shell::run(bench)
}

/// Whether an argument asks for figures of proving.
fn is_of_proving(argument: &str) -> bool {
    ["prover", "guest"]
        .iter()
        .any(|group| argument.starts_with(group))
}

/// Makes what the figures of proving take: engine, image and batches.
fn proving(root: &Path) -> Result<Vec<OsString>> {
    let program = engine::build(root)?;
    let folder = shell::target()?.join("bench");
    let batches = shell::step("batches to prove", || {
        let contracts = root.join("tests/contracts");
        let mut forge = shell::command(root, "forge")?;
        shell::run({
            forge.current_dir(&contracts).arg("build");
            forge
        })?;
        let example = ["run", "--locked", "--release", "--package", "cloister-stf"];
        let mut command = shell::cargo(root, &example)?;
        command
            .args(["--example", "batch_input", "--", "--code"])
            .arg(contracts.join("out/DemoToken.sol/DemoToken.json"))
            .arg("--out")
            .arg(&folder)
            .args(BATCHES);
        shell::output(command)
    })?;
    let list = folder.join("batches.json");
    std::fs::write(&list, batches).with_context(|| format!("cannot write `{}`", list.display()))?;
    let image = root.join("guest/image/v1/batch.elf");
    let options = [
        ("--engine", program),
        ("--image", image),
        ("--batches", list),
        ("--scratch", folder),
    ];
    Ok(options
        .into_iter()
        .flat_map(|(name, path)| [name.into(), path.into_os_string()])
        .collect())
}
