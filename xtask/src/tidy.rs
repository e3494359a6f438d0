//! The shape of the source: files of at most 800 lines, functions of at most 70, no `mod.rs`, no
//! left-overs, no paths of somebody's machine. Generated files are left alone.

use std::path::Path;

use anyhow::{Context as _, Result};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

use crate::files;

const MAX_FILE_LINES: usize = 800;
const MAX_FUNCTION_LINES: usize = 70;

/// Kinds of files that people write.
const SOURCES: [&str; 12] = [
    "rs", "sol", "mjs", "js", "ts", "proto", "sql", "cedar", "toml", "sh", "md", "yaml",
];

/// Folders and files that programs write.
const GENERATED: [&str; 8] = [
    "Cargo.lock",
    "tests/package-lock.json",
    "crates/proto/src/gen/",
    "contracts/artifacts/",
    "contracts/snapshots/",
    "docs/reference/",
    "tests/vectors/",
    "guest/Cargo.lock",
];

/// Words that say that something is not finished. Split, so that this file passes its own check.
const LEFT_OVERS: [&str; 6] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X:"),
    concat!("to", "do!("),
    concat!("unimpl", "emented!("),
    concat!("db", "g!("),
];

/// Beginnings of paths that exist only on somebody's machine.
const MACHINE_PATHS: [&str; 4] = [
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("/wo", "rk/"),
];

/// Checks every file of the checkout.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for file in files::list(root)? {
        let extension = Path::new(&file)
            .extension()
            .and_then(|extension| extension.to_str());
        if generated(&file) || !extension.is_some_and(|extension| SOURCES.contains(&extension)) {
            continue;
        }
        let text = std::fs::read_to_string(root.join(&file))
            .with_context(|| format!("cannot read `{file}`"))?;
        problems.extend(problems_in(&file, &text));
    }
    Ok(problems)
}

fn generated(file: &str) -> bool {
    GENERATED.iter().any(|prefix| file.starts_with(prefix))
}

/// Problems in one file.
fn problems_in(file: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let lines = text.lines().count();
    if lines > MAX_FILE_LINES {
        problems.push(format!(
            "{file}: has {lines} lines; the most is {MAX_FILE_LINES}: split it"
        ));
    }
    if file.ends_with("/mod.rs") {
        problems.push(format!(
            "{file}: name it after its folder instead, beside the folder"
        ));
    }
    for (number, line) in text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
    {
        for left_over in LEFT_OVERS {
            if line.contains(left_over) {
                problems.push(format!(
                    "{file}:{number}: `{left_over}`: finish it or make an issue"
                ));
            }
        }
        for path in MACHINE_PATHS {
            if names_machine_path(line, path) {
                problems.push(format!(
                    "{file}:{number}: `{path}…` is a path of one machine"
                ));
            }
        }
    }
    if Path::new(file)
        .extension()
        .is_some_and(|extension| extension == "rs")
    {
        problems.extend(long_functions(file, text));
    }
    problems
}

/// Whether `path` begins a path in `line`, rather than being the middle of a longer one.
fn names_machine_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|letter| letter.is_ascii_alphanumeric() || "._-}~>/".contains(letter))
    })
}

/// Functions that are too long, with their place.
fn long_functions(file: &str, text: &str) -> Vec<String> {
    match syn::parse_file(text) {
        Ok(parsed) => {
            let mut lengths = Lengths {
                file,
                problems: Vec::new(),
            };
            lengths.visit_file(&parsed);
            lengths.problems
        }
        Err(error) => {
            vec![format!(
                "{file}:{}: cannot be parsed: {error}",
                error.span().start().line
            )]
        }
    }
}

struct Lengths<'a> {
    file: &'a str,
    problems: Vec<String>,
}

impl Lengths<'_> {
    fn measure(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let first = signature.span().start().line;
        let lines = block.span().end().line + 1 - first;
        if lines > MAX_FUNCTION_LINES {
            let (file, name) = (self.file, &signature.ident);
            self.problems.push(format!(
                "{file}:{first}: `{name}` has {lines} lines; the most is {MAX_FUNCTION_LINES}"
            ));
        }
    }
}

impl<'ast> Visit<'ast> for Lengths<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.measure(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.measure(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.measure(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_a_tidy_file() {
        let text = format!("fn short() {{\n{}}}\n", "    call();\n".repeat(68));
        assert_eq!(
            problems_in("crates/a/src/lib.rs", &text),
            Vec::<String>::new()
        );
    }

    #[test]
    fn refuses_a_file_that_is_too_long() {
        let found = problems_in("a.sol", &"x\n".repeat(801));
        assert_eq!(found, ["a.sol: has 801 lines; the most is 800: split it"]);
    }

    #[test]
    fn refuses_a_function_that_is_too_long_wherever_it_stands() {
        let body = "call();\n".repeat(69);
        let function = format!("fn long() {{\n{body}}}\n");
        for text in [
            function.clone(),
            format!("impl A {{\n{function}}}\n"),
            format!("trait A {{\n{function}}}\n"),
            format!("mod tests {{\n{function}}}\n"),
            format!("fn outer() {{ {function} }}\n"),
        ] {
            let found = problems_in("a.rs", &text);
            assert!(!found.is_empty(), "{text}");
            assert!(
                found
                    .iter()
                    .any(|problem| problem.contains("`long` has 71 lines")),
                "{found:?}"
            );
        }
    }

    #[test]
    fn refuses_what_cannot_be_parsed() {
        let found = problems_in("a.rs", "fn (");
        assert!(
            found[0].starts_with("a.rs:1: cannot be parsed"),
            "{found:?}"
        );
    }

    #[test]
    fn refuses_mod_rs() {
        assert_eq!(problems_in("crates/a/src/b/mod.rs", "").len(), 1);
    }

    #[test]
    fn refuses_left_overs() {
        for left_over in LEFT_OVERS {
            let found = problems_in("a.sol", &format!("x\n// {left_over} later\n"));
            assert_eq!(
                found,
                [format!(
                    "a.sol:2: `{left_over}`: finish it or make an issue"
                )]
            );
        }
    }

    #[test]
    fn refuses_paths_of_one_machine() {
        for path in MACHINE_PATHS {
            assert_eq!(
                problems_in("a.md", &format!("see `{path}me/notes`")).len(),
                1,
                "{path}"
            );
            assert_eq!(
                problems_in("a.md", &format!("see `https://example{path}x`")).len(),
                0
            );
        }
    }

    #[test]
    fn leaves_generated_files_alone() {
        assert!(generated("crates/proto/src/gen/cloister.prover.v1.rs"));
        assert!(generated("docs/reference/config/gateway.json"));
        assert!(!generated("crates/proto/src/lib.rs"));
    }
}
