//! Generated files: made from the code, committed, and compared in every test run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::demo::PROGRAMS;
use crate::{commands, node, schema, shell};

/// Folders that hold generated files only; what is not made any more must go.
const FOLDERS: [&str; 4] = [
    "crates/proto/src/gen",
    "docs/reference",
    "docs/reference/config",
    "docs/reference/schema",
];
/// Services by name; the program is `cloister-<name>`.
const SERVICES: [&str; 4] = ["gateway", "sequencer", "disclosure", "prover"];
/// Documents that programs print about themselves: program, command, file.
const PRINTED: [(&str, &str, &str); 3] = [
    (
        "cloister-gateway",
        "print-method-table",
        "docs/reference/rpc-methods.md",
    ),
    (
        "cloister-disclosure",
        "print-openapi",
        "docs/reference/disclosure.openapi.json",
    ),
    (
        "cloister-prover",
        "print-worker-config-schema",
        "docs/reference/config/prover-worker.json",
    ),
];

/// Builds the programs that make the files.
pub(crate) fn build(root: &Path) -> Result<()> {
    shell::step("building the generators", || {
        let mut command = shell::cargo(
            root,
            &["build", "--locked", "--bins", "--package", "xtask-codegen"],
        )?;
        command.args(PROGRAMS.iter().flat_map(|name| ["--package", name]));
        shell::run(command)
    })
}

/// Makes all files and writes them, or with `check` tells which differ. The programs must be built.
pub(crate) fn run(root: &Path, check: bool) -> Result<Vec<String>> {
    let mut wanted = BTreeMap::new();
    protocol(root, &mut wanted)?;
    for service in SERVICES {
        let schema = printed(&format!("cloister-{service}"), &["print-config-schema"])?;
        wanted.insert(format!("docs/reference/config/{service}.json"), schema);
    }
    for (program, print, file) in PRINTED {
        if printed(program, &["--help"])?.contains(print) {
            wanted.insert(file.to_owned(), printed(program, &[print])?);
        }
    }
    let reference = commands::reference(&|path| {
        let words: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        printed("cloister", &words)
    })?;
    wanted.insert(commands::REFERENCE.to_owned(), reference);
    schema::dump(root, &SERVICES, &mut wanted)?;
    let mut problems = apply(root, &wanted, check)?;
    problems.extend(contracts(root, check)?);
    problems.extend(vectors(root, check)?);
    Ok(problems)
}

/// The golden vectors of the frozen encodings, made by an implementation of their own in Python.
fn vectors(root: &Path, check: bool) -> Result<Vec<String>> {
    let mut command = shell::command(root, "python3")?;
    command.arg("tests/vectors/generate.py");
    if !check {
        shell::run(command)?;
        return Ok(Vec::new());
    }
    let status = command
        .arg("--check")
        .status()
        .context("cannot start `python3`; install Debian's package python3")?;
    Ok(if status.success() {
        Vec::new()
    } else {
        vec!["tests/vectors: is not what `tests/vectors/generate.py` computes".to_owned()]
    })
}

/// What one of our programs prints, independent of the terminal.
fn printed(program: &str, arguments: &[&str]) -> Result<String> {
    let path = shell::target()?.join("debug").join(program);
    let done = Command::new(&path)
        .args(arguments)
        .env("COLUMNS", "100")
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .with_context(|| format!("cannot start `{}`; build it first", path.display()))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        bail!(
            "`{program} {}` ended with {}: {said}",
            arguments.join(" "),
            done.status
        );
    }
    let text = String::from_utf8(done.stdout)
        .with_context(|| format!("`{program}` did not print text"))?;
    Ok(format!("{}\n", text.trim_end()))
}

/// The Rust code of the gRPC interfaces.
fn protocol(root: &Path, wanted: &mut BTreeMap<String, String>) -> Result<()> {
    let out = shell::target()?.join(format!("codegen-{}", std::process::id()));
    let mut command = shell::command(root, shell::target()?.join("debug/xtask-codegen"))?;
    command.args([root, &out]);
    shell::run(command)?;
    for entry in std::fs::read_dir(&out)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .context("a generated file has no name")?
            .to_string_lossy();
        wanted.insert(
            format!("crates/proto/src/gen/{name}"),
            std::fs::read_to_string(&path)?,
        );
    }
    std::fs::remove_dir_all(&out)?;
    Ok(())
}

/// Compares or writes; files in generated folders that nobody makes any more count as differing.
fn apply(root: &Path, wanted: &BTreeMap<String, String>, check: bool) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for (file, text) in wanted {
        let path = root.join(file);
        if std::fs::read_to_string(&path).is_ok_and(|present| present == *text) {
            continue;
        }
        if check {
            problems.push(format!(
                "{file}: is not what the code makes; run `cargo xtask gen`"
            ));
            continue;
        }
        let folder = path.parent().context("a generated file has no folder")?;
        std::fs::create_dir_all(folder)?;
        std::fs::write(&path, text).with_context(|| format!("cannot write `{file}`"))?;
        eprintln!("wrote {file}");
    }
    for stale in stale(root, wanted)? {
        let file = stale
            .strip_prefix(root)
            .unwrap_or(&stale)
            .display()
            .to_string();
        if check {
            problems.push(format!(
                "{file}: nothing makes it any more; run `cargo xtask gen`"
            ));
        } else {
            std::fs::remove_file(&stale)?;
            eprintln!("removed {file}");
        }
    }
    Ok(problems)
}

fn stale(root: &Path, wanted: &BTreeMap<String, String>) -> Result<Vec<PathBuf>> {
    let mut stale = Vec::new();
    for folder in FOLDERS {
        let Ok(entries) = std::fs::read_dir(root.join(folder)) else {
            continue;
        };
        for entry in entries {
            let path = entry?.path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if path.is_file() && !wanted.contains_key(&format!("{folder}/{name}")) {
                stale.push(path);
            }
        }
    }
    Ok(stale)
}

/// The contracts' artefacts, by their own script.
fn contracts(root: &Path, check: bool) -> Result<Option<String>> {
    let mut script = shell::command(root, node::program(root))?;
    script.arg("contracts/generate.mjs");
    if !check {
        shell::run(script)?;
        return Ok(None);
    }
    script.arg("--check");
    Ok(shell::run(script)
        .err()
        .map(|error| format!("contracts: {error}; run `cargo xtask gen`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_differs_and_what_is_stale_and_then_writes() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let reference = root.join("docs/reference");
        std::fs::create_dir_all(&reference).unwrap();
        std::fs::write(reference.join("old.md"), "old").unwrap();
        std::fs::write(reference.join("same.md"), "same").unwrap();
        std::fs::write(reference.join("edited.md"), "by hand").unwrap();
        let wanted: BTreeMap<String, String> = [
            ("same.md", "same"),
            ("edited.md", "made"),
            ("new.md", "new"),
        ]
        .map(|(name, text)| (format!("docs/reference/{name}"), text.to_owned()))
        .into();
        assert_eq!(
            apply(root, &wanted, true).unwrap(),
            [
                "docs/reference/edited.md: is not what the code makes; run `cargo xtask gen`",
                "docs/reference/new.md: is not what the code makes; run `cargo xtask gen`",
                "docs/reference/old.md: nothing makes it any more; run `cargo xtask gen`",
            ]
        );
        assert_eq!(apply(root, &wanted, false).unwrap(), Vec::<String>::new());
        assert_eq!(apply(root, &wanted, true).unwrap(), Vec::<String>::new());
        assert_eq!(
            std::fs::read_to_string(reference.join("edited.md")).unwrap(),
            "made"
        );
        assert!(!reference.join("old.md").exists());
    }
}
