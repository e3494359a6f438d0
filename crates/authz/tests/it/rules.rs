//! `policies/tests/*.json`: each case says who asks what, the decision and the rules that decide it.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::ask::{Asked, decide};
use crate::world::{engine, policies_folder, world};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    who: String,
    ask: Asked,
    allow: bool,
    rules: Vec<String>,
}

fn cases() -> Vec<(String, Vec<Case>)> {
    let mut files: Vec<_> = std::fs::read_dir(policies_folder().join("tests"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name != "world.json" && name != "grid.json")
        })
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let cases = serde_json::from_str(&text)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                cases,
            )
        })
        .collect()
}

#[test]
fn every_case_falls_as_written_and_by_the_rules_named() {
    let (engine, world) = (engine(), world());
    let mut failures = Vec::new();
    let mut count = 0;
    for (file, cases) in cases() {
        for case in cases {
            count += 1;
            let decision = decide(&engine, &world, &world.person(&case.who), &case.ask);
            let right = decision.is_allowed() == case.allow
                && decision.rules() == case.rules
                && decision.errors().is_empty();
            if !right {
                let verdict = if decision.is_allowed() {
                    "allowed"
                } else {
                    "denied"
                };
                failures.push(format!(
                    "{file}: {}: {verdict} by {} {:?}",
                    case.name,
                    decision.rule_text(),
                    decision.errors()
                ));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(count >= 60, "only {count} cases were found");
}

#[test]
fn every_rule_decides_at_least_one_case() {
    let named: BTreeSet<String> = cases()
        .into_iter()
        .flat_map(|(_, cases)| cases.into_iter().flat_map(|case| case.rules))
        .collect();
    let engine = engine();
    let untested: Vec<&str> = engine
        .policies()
        .rule_ids()
        .filter(|id| !named.contains(*id))
        .collect();
    assert!(
        untested.is_empty(),
        "rules without a test in policies/tests: {untested:?}"
    );
}
