//! The golden grid role × action × resource: `policies/tests/grid.txt`. A change of any decision
//! shows up in review as a changed line.

use std::fmt::Write as _;

use cloister_authz::{Desk, Principal, Role};
use serde_json::{Value, json};

use crate::ask::{Asked, decide};
use crate::world::{engine, policies_folder, world};

/// One principal of each role at desk `rates` with alice's wallet, and somebody without a token.
fn columns() -> Vec<(String, Principal)> {
    let world = world();
    let mut columns = vec![("anonymous".to_owned(), Principal::anonymous())];
    columns.extend(Role::ALL.into_iter().map(|role| {
        let principal = Principal {
            issuer: "https://id.example".into(),
            subject: format!("some-{role}"),
            roles: [role].into(),
            desks: [Desk::new("rates").unwrap()].into(),
            wallets: [world.address("alice")].into(),
        };
        (role.to_string(), principal)
    }));
    columns
}

fn rpc_rows() -> Vec<(String, Value)> {
    let groups = cloister_authz::request::MethodGroup::ALL;
    groups
        .into_iter()
        .map(|group| {
            let row = json!({"rpc": {"method": "eth_any", "group": group.as_str()}});
            (format!("rpc {}", group.as_str()), row)
        })
        .collect()
}

fn rows() -> Vec<(String, Value)> {
    let transfer = |to: &str, from: &str| json!({"to": to, "from": from, "function": "transfer(address,uint256)", "arguments": ["bob", "5"]});
    let unknown = |to: &str| json!({"to": to, "from": "alice", "function": "sweep()"});
    let grant = json!({"holder": "audrey", "scope": ["bob"], "batches": [1, 9]});
    let mut rows = rpc_rows();
    for action in ["call", "send"] {
        let frames = [
            ("own desk", transfer("token", "alice")),
            ("own desk, foreign wallet", transfer("token", "bob")),
            ("own desk, unknown function", unknown("token")),
            ("other desk", transfer("fxtoken", "alice")),
            ("no desk", transfer("orphan", "alice")),
            (
                "plain value to anyone",
                json!({"to": "bob", "from": "alice", "value": "0x1"}),
            ),
            ("unregistered code", unknown("stranger")),
        ];
        rows.extend(
            frames.map(|(name, frame)| (format!("{action} {name}"), json!({action: frame}))),
        );
    }
    let others = [
        (
            "deploy own desk",
            json!({"deploy": {"desk": "rates", "from": "alice"}}),
        ),
        (
            "deploy other desk",
            json!({"deploy": {"desk": "fx", "from": "alice"}}),
        ),
        ("view_account own wallet", json!({"view_account": "alice"})),
        (
            "view_account foreign wallet",
            json!({"view_account": "bob"}),
        ),
        (
            "view_account own desk contract",
            json!({"view_account": "token"}),
        ),
        (
            "view_account other desk contract",
            json!({"view_account": "fxtoken"}),
        ),
        ("view_contract own desk", json!({"view_contract": "token"})),
        (
            "view_contract other desk",
            json!({"view_contract": "fxtoken"}),
        ),
        (
            "view_transaction participant",
            json!({"view_transaction": {"sender": "bob", "participants": ["bob", "alice"]}}),
        ),
        (
            "view_transaction stranger",
            json!({"view_transaction": {"sender": "bob", "participants": ["bob", "fxtoken"]}}),
        ),
        (
            "view_log about own wallet",
            json!({"view_log": {"emitter": "fxtoken", "participants": ["bob", "alice"], "transaction_participants": ["bob"]}}),
        ),
        (
            "view_log in own transaction",
            json!({"view_log": {"emitter": "fxtoken", "participants": [], "transaction_participants": ["alice"]}}),
        ),
        (
            "view_log own desk, others",
            json!({"view_log": {"emitter": "token", "participants": ["bob"], "transaction_participants": ["bob"]}}),
        ),
        (
            "view_log other desk, others",
            json!({"view_log": {"emitter": "fxtoken", "participants": ["bob"], "transaction_participants": ["bob"]}}),
        ),
        ("view_batch", json!({"view_batch": 1})),
        ("link_wallet", json!({"link_wallet": "stranger"})),
        (
            "register_contract own",
            json!({"register_contract": {"contract": "token", "deployer": "alice"}}),
        ),
        (
            "register_contract other desk",
            json!({"register_contract": {"contract": "fxtoken", "deployer": "bob"}}),
        ),
        ("administer seal_batch", json!({"administer": "seal_batch"})),
        (
            "administer anything else",
            json!({"administer": "drop_database"}),
        ),
        (
            "grant",
            json!({"grant": {"target": "bob", "holder": "audrey", "case": "C-1", "days": 30}}),
        ),
        (
            "disclose foreign grant",
            json!({"disclose": {"about": "bob", "concerned": ["bob"], "batch": 3, "grant": grant}}),
        ),
        (
            "disclose without grant",
            json!({"disclose": {"about": "bob", "concerned": ["bob"], "batch": 3, "grant": null}}),
        ),
        ("audit_read", json!("audit_read")),
    ];
    rows.extend(others.map(|(name, value)| (name.to_owned(), value)));
    rows
}

#[test]
fn the_grid_is_the_one_committed() {
    let (engine, world, columns) = (engine(), world(), columns());
    let mut grid = String::new();
    for (name, value) in rows() {
        let asked: Asked = serde_json::from_value(value).unwrap();
        writeln!(grid, "{name}").unwrap();
        for (role, principal) in &columns {
            let decision = decide(&engine, &world, principal, &asked);
            let verdict = if decision.is_allowed() {
                "allow"
            } else {
                "deny "
            };
            writeln!(grid, "  {role:<10} {verdict} {}", decision.rule_text()).unwrap();
        }
    }
    let golden = policies_folder().join("tests/grid.txt");
    let actual = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("grid.txt");
    std::fs::write(&actual, &grid).unwrap();
    let committed = std::fs::read_to_string(&golden).unwrap_or_default();
    assert!(
        committed == grid,
        "decisions changed; if that is meant: cp {} {}",
        actual.display(),
        golden.display()
    );
}
