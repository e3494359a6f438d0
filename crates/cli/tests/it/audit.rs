//! `cloister audit verify` over exported ledgers.

use std::path::Path;

use alloy::primitives::B256;
use cloister_audit::{Chain, Head, Outcome, Row, write_line};
use cloister_types::UnixMillis;

use crate::tool::{Run, run};

/// A ledger of `count` rows as lines, with its head.
fn ledger(count: u64) -> (Vec<String>, Head) {
    let mut chain = Chain::resume(Head::default());
    let lines = (0..count).map(|number| {
        let entry = chain.append(Row {
            time: UnixMillis(1_790_000_000_000 + number),
            principal: "https://id.example|alice".to_owned(),
            session: "s".to_owned(),
            method: "eth_call".to_owned(),
            resource: format!("account:{number}"),
            rule: "rpc-execute".to_owned(),
            policy_version: B256::ZERO,
            request_hash: B256::ZERO,
            outcome: Outcome::Allowed,
        });
        write_line(&entry).expect("a line").trim_end().to_owned()
    });
    let lines = lines.collect();
    (lines, chain.head())
}

fn verify(folder: &Path, lines: &[String], anchors: &[Head]) -> Run {
    let file = folder.join("ledger.jsonl");
    std::fs::write(&file, lines.join("\n") + "\n").expect("written");
    let mut arguments = vec![
        "audit".to_owned(),
        "verify".to_owned(),
        format!("--file={}", file.display()),
    ];
    for Head { count, hash } in anchors {
        arguments.extend(["--anchor".to_owned(), format!("{count}:{hash}")]);
    }
    run(folder, &arguments)
}

#[test]
fn a_whole_ledger_verifies_against_its_anchor() {
    let folder = tempfile::tempdir().expect("a folder");
    let (lines, head) = ledger(5);
    let alone = verify(folder.path(), &lines, &[]);
    assert_eq!(alone.code, Some(0), "{alone:?}");
    assert!(alone.out.starts_with("WHOLE: 5 rows"), "{alone:?}");
    assert!(alone.err.contains("no --anchor"), "{alone:?}");
    let anchored = verify(folder.path(), &lines, &[ledger(3).1, head]);
    assert_eq!(
        (anchored.code, anchored.err.as_str()),
        (Some(0), ""),
        "{anchored:?}"
    );
}

#[test]
fn every_change_of_a_ledger_is_detected() {
    let folder = tempfile::tempdir().expect("a folder");
    let (lines, head) = ledger(5);
    let mut edited = lines.clone();
    edited[2] = edited[2].replace("account:2", "account:9");
    let mut deleted = lines.clone();
    deleted.remove(2);
    let mut moved = lines.clone();
    moved.swap(1, 2);
    let mut doubled = lines.clone();
    doubled.insert(2, lines[2].clone());
    let truncated = lines[..4].to_vec();
    let rewritten = ledger(6).0[..5].to_vec();
    assert_eq!(
        rewritten, lines,
        "the ledger is made the same way each time"
    );
    for (name, lines) in [
        ("edited", edited),
        ("deleted", deleted),
        ("moved", moved),
        ("doubled", doubled),
        ("truncated", truncated),
    ] {
        let found = verify(folder.path(), &lines, &[head]);
        assert_eq!(found.code, Some(1), "{name}: {found:?}");
        assert!(found.out.starts_with("TAMPERED: "), "{name}: {found:?}");
    }
    let other = Head {
        hash: B256::repeat_byte(7),
        ..head
    };
    let found = verify(folder.path(), &lines, &[other]);
    assert_eq!(found.code, Some(1), "{found:?}");
}

#[test]
fn what_is_no_ledger_is_an_error_and_no_verdict() {
    let folder = tempfile::tempdir().expect("a folder");
    let nonsense = verify(folder.path(), &["nonsense".to_owned()], &[]);
    assert_eq!(nonsense.code, Some(2), "{nonsense:?}");
    let absent = run(folder.path(), &["audit", "verify", "--file", "/nowhere"]);
    assert_eq!(absent.code, Some(2), "{absent:?}");
    assert!(absent.err.contains("/nowhere"), "{absent:?}");
    let both = run(folder.path(), &["audit", "verify"]);
    assert_eq!(both.code, Some(2), "{both:?}");
}
