//! Documents that stay true: every path, link, package and command that one names must exist.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::{commands, files, shell};

/// Names that look like packages but are something else.
const NOT_PACKAGES: [&str; 2] = ["cloister-code", "cloister-development"];

/// What documents may name.
#[derive(Debug, Default)]
struct Known {
    /// Files and folders, relative to the root.
    paths: BTreeSet<String>,
    /// Packages and binaries.
    packages: BTreeSet<String>,
    /// `cargo xtask …`.
    xtask: BTreeSet<String>,
    /// `cloister …`; empty when they are not known.
    cloister: BTreeSet<String>,
}

/// Checks every document of the checkout.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let files = files::list(root)?;
    let known = Known {
        paths: with_folders(&files),
        packages: packages(root)?,
        xtask: crate::subcommands().into_iter().collect(),
        cloister: commands::documented(root)?,
    };
    let mut problems = Vec::new();
    for file in files.iter().filter(|file| is_document(file)) {
        let text = std::fs::read_to_string(root.join(file))
            .with_context(|| format!("cannot read `{file}`"))?;
        problems.extend(problems_in(file, &text, &known));
    }
    Ok(problems)
}

fn is_document(file: &str) -> bool {
    Path::new(file)
        .extension()
        .is_some_and(|extension| extension == "md")
        && !file.starts_with("docs/reference/")
}

/// The files and all folders above them.
fn with_folders(files: &[String]) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for file in files {
        for folder in Path::new(file).ancestors() {
            paths.insert(folder.to_string_lossy().into_owned());
        }
    }
    paths
}

fn packages(root: &Path) -> Result<BTreeSet<String>> {
    let arguments = ["metadata", "--format-version", "1", "--no-deps"];
    let metadata: Value = serde_json::from_str(&shell::output(shell::cargo(root, &arguments)?)?)
        .context("cargo wrote no metadata")?;
    let mut names = BTreeSet::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        names.extend(package["name"].as_str().map(str::to_owned));
        for target in package["targets"].as_array().into_iter().flatten() {
            names.extend(target["name"].as_str().map(str::to_owned));
        }
    }
    Ok(names)
}

/// Problems in one document.
fn problems_in(file: &str, text: &str, known: &Known) -> Vec<String> {
    let mut problems = Vec::new();
    let mut fenced = false;
    for (index, line) in text.lines().enumerate() {
        let mut refuse =
            |problem: String| problems.push(format!("{file}:{}: {problem}", index + 1));
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        let code: Vec<&str> = if fenced {
            vec![line]
        } else {
            line.split('`').skip(1).step_by(2).collect()
        };
        for span in code {
            command_problems(span, known)
                .into_iter()
                .for_each(&mut refuse);
            if !fenced {
                word_problem(file, span, known)
                    .into_iter()
                    .for_each(&mut refuse);
            }
        }
        if !fenced {
            link_problems(file, line, known)
                .into_iter()
                .for_each(&mut refuse);
        }
    }
    problems
}

/// `cargo xtask X` and `cloister X` in a piece of code.
fn command_problems(code: &str, known: &Known) -> Vec<String> {
    let code = code.split('#').next().unwrap_or_default();
    let words: Vec<&str> = code.split_whitespace().collect();
    let mut problems = Vec::new();
    for (at, pair) in words.windows(2).enumerate() {
        let begins = at == 0 || ["&&", "|", ";", "$"].contains(&words[at - 1]);
        let [first, second] = pair else { continue };
        let is_word = !second.is_empty()
            && second
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || letter == '-')
            && !second.starts_with('-');
        if *first == "xtask" && at > 0 && words[at - 1] == "cargo" {
            if is_word && !known.xtask.contains(*second) {
                problems.push(format!("there is no command `cargo xtask {second}`"));
            }
        } else if *first == "cloister" && begins && is_word && !known.cloister.is_empty() {
            let third = words.get(at + 2).copied().unwrap_or_default();
            let longer = format!("{second} {third}");
            if !known.cloister.contains(*second) && !known.cloister.contains(&longer) {
                problems.push(format!("there is no command `cloister {second}`"));
            }
        }
    }
    problems
}

/// A path or a package in a code span outside code blocks.
fn word_problem(file: &str, span: &str, known: &Known) -> Option<String> {
    let word = span.trim_end_matches('/');
    if word.contains(|letter: char| letter.is_whitespace() || "<>*{}…$()\"'=|+".contains(letter))
    {
        return None;
    }
    if let Some(name) = word.split("::").next().filter(|_| word.contains("::")) {
        let package = name.replace('_', "-");
        let ours = name.starts_with("cloister_");
        return (ours && !known.packages.contains(&package) && !known.packages.contains(name))
            .then(|| format!("there is no crate `{name}`"));
    }
    if word.starts_with("cloister-") && !word.contains(['/', '.']) {
        let is_known = known.packages.contains(word) || NOT_PACKAGES.contains(&word);
        return (!is_known).then(|| format!("there is no package or program `{word}`"));
    }
    let (path, _line) = word.split_once(':').unwrap_or((word, ""));
    let (top, rest) = path.split_once('/')?;
    let ours = known.paths.contains(top) && !top.is_empty() && !rest.contains("NNNN");
    // A document may also name what lies beside it.
    let folder = Path::new(file).parent().unwrap_or(Path::new(""));
    let beside = resolve(folder, path).is_some_and(|path| known.paths.contains(&path));
    (ours && !beside && !known.paths.contains(path) && !is_made(path))
        .then(|| format!("there is no `{path}`"))
}

/// Paths that exist only after a build or an installation, or in every crate.
fn is_made(path: &str) -> bool {
    path.starts_with("tests/it")
        || path.starts_with("target/")
        || path.contains("node_modules")
        || path.starts_with("contracts/out")
}

/// Relative links.
fn link_problems(file: &str, line: &str, known: &Known) -> Vec<String> {
    let mut problems = Vec::new();
    for part in line.split("](").skip(1) {
        let target = part.split(')').next().unwrap_or_default();
        let path = target.split('#').next().unwrap_or_default();
        if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
            continue;
        }
        let folder = Path::new(file).parent().unwrap_or(Path::new(""));
        if !resolve(folder, path).is_some_and(|path| known.paths.contains(&path)) {
            problems.push(format!("the link to `{target}` leads nowhere"));
        }
    }
    problems
}

/// `path` seen from `folder`, without `.` and `..`; `None` when it leads out of the checkout.
fn resolve(folder: &Path, path: &str) -> Option<String> {
    let mut parts: Vec<String> = Vec::new();
    for part in folder.join(path).components() {
        match part {
            std::path::Component::ParentDir => {
                parts.pop()?;
            }
            std::path::Component::Normal(name) => parts.push(name.to_string_lossy().into_owned()),
            _ => {}
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        let files = ["README.md", "docs/security.md", "crates/stf/src/lib.rs"];
        let files: Vec<String> = files.iter().map(|&file| file.to_owned()).collect();
        let set = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Known {
            paths: with_folders(&files),
            packages: set(&["cloister-stf", "cloister-gateway", "cloister"]),
            xtask: set(&["demo", "test"]),
            cloister: set(&["verify", "audit verify"]),
        }
    }

    fn check(text: &str) -> Vec<String> {
        problems_in("docs/a.md", text, &known())
    }

    #[test]
    fn accepts_what_exists() {
        let text = "`crates/stf` and `crates/stf/src/lib.rs`, `docs/`, [security](security.md#s1),\n\
                    [top](../README.md), `cargo xtask demo --exit`, `cloister verify FILE`,\n\
                    `cloister audit verify`, `cloister-gateway`, `cloister_stf::execute_batch`,\n\
                    `crates/<name>/src`, `eth_call`, `/livez`, `a/b`, `target/demo/summary.json`\n\
                    ```sh\ncargo xtask test   # cargo xtask anything\n```\n";
        assert_eq!(check(text), Vec::<String>::new());
    }

    #[test]
    fn refuses_paths_that_do_not_exist() {
        assert_eq!(
            check("x\nsee `crates/gone`"),
            ["docs/a.md:2: there is no `crates/gone`"]
        );
        assert_eq!(
            check("`docs/gone.md:12`"),
            ["docs/a.md:1: there is no `docs/gone.md`"]
        );
    }

    #[test]
    fn refuses_links_that_lead_nowhere() {
        assert_eq!(
            check("[a](gone.md)"),
            ["docs/a.md:1: the link to `gone.md` leads nowhere"]
        );
        let outside = check("[a](../../x.md)");
        assert_eq!(
            outside,
            ["docs/a.md:1: the link to `../../x.md` leads nowhere"]
        );
    }

    #[test]
    fn refuses_packages_that_do_not_exist() {
        let found = check("`cloister-console` and `cloister_console::run`");
        assert_eq!(
            found,
            [
                "docs/a.md:1: there is no package or program `cloister-console`",
                "docs/a.md:1: there is no crate `cloister_console`"
            ]
        );
    }

    #[test]
    fn refuses_commands_that_do_not_exist_inside_and_outside_code_blocks() {
        let found = check("`cargo xtask dmeo`\n```sh\ncloister prove x\n$ cargo xtask fix\n```\n");
        assert_eq!(
            found,
            [
                "docs/a.md:1: there is no command `cargo xtask dmeo`",
                "docs/a.md:3: there is no command `cloister prove`",
                "docs/a.md:4: there is no command `cargo xtask fix`"
            ]
        );
    }
}
