//! The frozen version-1 bytes of rows, hashes and lines. A change here is a new version.

use std::fmt::Write as _;

use alloy_primitives::hex;
use cloister_audit::{Chain, Entry, Head, Outcome, Row, read_line, verify, write_line};
use cloister_types::{B256, UnixMillis};

const GOLDEN: &str = include_str!("../golden/audit_v1.txt");

fn rows() -> Vec<Row> {
    let first = Row {
        time: UnixMillis(1_800_000_000_123),
        principal: "https://id.example|alice".into(),
        session: "s-1".into(),
        method: "eth_sendRawTransaction".into(),
        resource: "contract:0x7000000000000000000000000000000000000001".into(),
        rule: "send-own-desk".into(),
        policy_version: B256::repeat_byte(0x11),
        request_hash: B256::repeat_byte(0x22),
        outcome: Outcome::Allowed,
    };
    let second = Row {
        time: UnixMillis(1_800_000_000_124),
        principal: "anonymous".into(),
        session: String::new(),
        method: "eth_getBalance \"grüezi\"".into(),
        resource: String::new(),
        rule: "default-deny".into(),
        outcome: Outcome::Denied,
        ..first.clone()
    };
    vec![first, second]
}

fn entries() -> Vec<Entry> {
    let mut chain = Chain::resume(Head::default());
    rows().into_iter().map(|row| chain.append(row)).collect()
}

#[test]
fn rows_hashes_and_lines_are_the_frozen_ones() {
    let mut actual = String::new();
    for entry in entries() {
        let bytes = hex::encode(entry.row.encode());
        let line = write_line(&entry).unwrap();
        writeln!(actual, "row  {bytes}\nhash {}\nline {line}", entry.hash).unwrap();
    }
    assert_eq!(actual, GOLDEN);
}

#[test]
fn frozen_lines_read_back_and_verify() {
    let lines = GOLDEN.lines().filter_map(|line| line.strip_prefix("line "));
    let entries: Vec<Entry> = lines.map(|line| read_line(line).unwrap()).collect();
    let last = entries.last().unwrap();
    let head = Head {
        count: 2,
        hash: last.hash,
    };
    assert_eq!(verify(&entries, &[head]), Ok(head));
}
