//! Makes the shipped fixtures: inputs from here, expected results from Ethereum's executable
//! specification (`reference/fill.py`), which shares no code with revm.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use crate::fixture::{self, File};

mod asm;
mod authorizations;
mod calls;
mod creates;
mod curves;
mod draft;
mod heavy;
mod opcodes;
mod precompiles;
pub(crate) mod programs;
mod refused;
mod transactions;

use draft::Draft;

/// The tests by file, without expected results.
///
/// # Errors
/// When a transaction cannot be signed or two tests have one name.
pub fn drafts() -> Result<BTreeMap<&'static str, File>> {
    let groups: [(&str, Vec<Draft>); 8] = [
        ("authorizations", authorizations::drafts()?),
        ("calls", calls::drafts()?),
        ("creates", creates::drafts()?),
        ("heavy", heavy::drafts()?),
        ("opcodes", opcodes::drafts()?),
        ("precompiles", precompiles::drafts()?),
        ("refused", refused::drafts()?),
        ("transactions", transactions::drafts()?),
    ];
    let mut files = BTreeMap::new();
    for (group, drafts) in groups {
        let mut file = File::new();
        for draft in drafts {
            let (name, fixture) = draft.fixture()?;
            let name = format!("{group}/{name}");
            ensure!(
                file.insert(name.clone(), fixture).is_none(),
                "two tests are called `{name}`"
            );
        }
        files.insert(group, file);
    }
    Ok(files)
}

/// Names of tests whose accounts would be long: they keep the root of the state alone.
fn root_only() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for (group, drafts) in [("creates", creates::drafts()?), ("heavy", heavy::drafts()?)] {
        let long = drafts.into_iter().filter(|draft| draft.root_only);
        names.extend(long.map(|draft| format!("{group}/{}", draft.name)));
    }
    Ok(names)
}

/// Writes the fixtures (of one file, if `only` names it) with their expected results; `python` has `ethereum-execution` installed.
///
/// # Errors
/// When the specification cannot be run or a file cannot be written.
pub fn write(folder: &Path, only: Option<&str>, python: &Path, script: &Path) -> Result<usize> {
    let root_only = root_only()?;
    let mut count = 0;
    for (group, drafts) in drafts()? {
        if only.is_some_and(|only| only != group) {
            continue;
        }
        let mut filled = fill(&drafts, python, script)?;
        for (name, test) in &mut filled {
            if root_only.contains(name) {
                let posts = test.post.values_mut().flatten();
                posts.for_each(|post| post.state = None);
            }
        }
        count += filled.len();
        let path = folder.join(format!("{group}.json"));
        std::fs::write(&path, text(&filled)?)
            .with_context(|| format!("`{}` cannot be written", path.display()))?;
    }
    Ok(count)
}

/// A file as it is shipped: one test a line, so that a change shows as one.
fn text(file: &File) -> Result<String> {
    let mut lines = Vec::with_capacity(file.len());
    for (name, test) in file {
        lines.push(format!(
            "{}:{}",
            serde_json::to_string(name)?,
            serde_json::to_string(test)?
        ));
    }
    Ok(format!("{{\n{}\n}}\n", lines.join(",\n")))
}

fn fill(drafts: &File, python: &Path, script: &Path) -> Result<File> {
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("`{}` cannot be run", python.display()))?;
    let mut input = child.stdin.take().context("no way to its input")?;
    let drafts = serde_json::to_vec(drafts)?;
    let writer = std::thread::spawn(move || input.write_all(&drafts));
    let output = child.wait_with_output()?;
    let written = writer.join();
    if !output.status.success() || !matches!(written, Ok(Ok(()))) {
        bail!(
            "the specification failed; run `{}` by hand",
            script.display()
        );
    }
    serde_json::from_slice(&output.stdout).context("the specification's answer is no fixture")
}

/// How the shipped fixtures' inputs differ from what the generator makes; expected results are not
/// looked at.
///
/// # Errors
/// When a file cannot be read or a draft not be made.
pub fn stale(folder: &Path) -> Result<Vec<String>> {
    let mut stale = Vec::new();
    for (group, drafts) in drafts()? {
        let path = folder.join(format!("{group}.json"));
        let shipped = fixture::read(&path)?;
        for (name, draft) in &drafts {
            let same = shipped.get(name).is_some_and(|shipped| {
                let mut inputs = shipped.clone();
                for post in inputs.post.values_mut().flatten() {
                    *post = fixture::Post {
                        txbytes: post.txbytes.take(),
                        indexes: post.indexes,
                        ..fixture::Post::default()
                    };
                }
                inputs == *draft
            });
            if !same {
                stale.push(name.clone());
            }
        }
        let extra = shipped.keys().filter(|name| !drafts.contains_key(*name));
        stale.extend(extra.cloned());
    }
    Ok(stale)
}
