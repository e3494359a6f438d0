//! The reference of the command line `cloister`: made from its own help.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Where the reference stands.
pub(crate) const REFERENCE: &str = "docs/reference/cli.md";
/// Depth of nested commands; a guard against a program that answers every word with help.
const MAX_DEPTH: usize = 3;

/// The reference as a document; `help` returns what the program says to the given words and
/// `--help`.
pub(crate) fn reference(help: &dyn Fn(&[String]) -> Result<String>) -> Result<String> {
    let mut text = String::from(
        "# Commands of `cloister`\n\nMade by `cargo xtask gen` from the program's own help.\n",
    );
    describe(&[], help, &mut text)?;
    Ok(text)
}

fn describe(
    path: &[String],
    help: &dyn Fn(&[String]) -> Result<String>,
    text: &mut String,
) -> Result<()> {
    let said = help(path)?;
    let name = std::iter::once("cloister").chain(path.iter().map(String::as_str));
    let name = name.collect::<Vec<_>>().join(" ");
    let said: Vec<&str> = said.trim().lines().map(str::trim_end).collect();
    text.extend([
        "\n## `",
        &name,
        "`\n\n```text\n",
        &said.join("\n"),
        "\n```\n",
    ]);
    if path.len() < MAX_DEPTH {
        for command in listed(&said) {
            let path = [path, &[command]].concat();
            describe(&path, help, text)?;
        }
    }
    Ok(())
}

/// The commands that a help text lists, without `help`.
fn listed(help: &[&str]) -> Vec<String> {
    help.iter()
        .skip_while(|line| **line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        // Continued descriptions are indented further.
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

/// The commands in the reference, each as its words after `cloister`; none when it is absent.
pub(crate) fn documented(root: &Path) -> Result<BTreeSet<String>> {
    let path = root.join(REFERENCE);
    if !path.exists() {
        return Ok(BTreeSet::new());
    }
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read `{}`", path.display()))?;
    Ok(headings(&text))
}

fn headings(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter_map(|line| line.strip_prefix("## `cloister ")?.strip_suffix('`'))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn describes_nested_commands_and_finds_them_again() {
        let help = |path: &[String]| {
            Ok(match path.join(" ").as_str() {
                "" => "Cloister\n\nCommands:\n  verify  Check\n          more\n  audit   Audit\n  help    Help\n\nOptions:\n  -h\n",
                "audit" => "Commands:\n  verify  Check the ledger\n",
                _ => "Usage: x\n",
            }
            .to_owned())
        };
        let text = reference(&help).unwrap();
        let wanted = ["audit", "audit verify", "verify"].map(str::to_owned);
        assert_eq!(headings(&text), BTreeSet::from(wanted));
    }
}
