//! The golden grid role × action × resource: `policies/tests/grid.txt`, from the rows in `grid.json`. A change of any decision
//! shows up in review as a changed line.

use std::fmt::Write as _;

use cloister_authz::{Desk, Principal, Role};

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

/// Name and request of every row.
fn rows() -> Vec<(String, Asked)> {
    let text = std::fs::read_to_string(policies_folder().join("tests/grid.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_grid_is_the_one_committed() {
    let (engine, world, columns) = (engine(), world(), columns());
    let mut grid = String::new();
    for (name, asked) in rows() {
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
