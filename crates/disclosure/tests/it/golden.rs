//! The frozen bytes of version 1.

use std::path::PathBuf;

use cloister_disclosure::{Expectations, verify};

use crate::world::{ROLLUP, World, issuer};

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

#[test]
fn packages_are_written_as_in_the_golden_files() {
    let world = World::new();
    for (name, claim) in world.claims() {
        let golden = std::fs::read_to_string(file(&format!("{name}.jws.json"))).expect("golden");
        assert_eq!(world.package(claim), golden, "{name}");
    }
}

#[test]
fn golden_packages_verify_with_the_golden_report() {
    let world = World::new();
    let issuer = issuer();
    for (name, _) in world.claims() {
        let package = std::fs::read(file(&format!("{name}.jws.json"))).expect("golden");
        let expected = Expectations {
            issuer: Some(&issuer),
            rollup: Some(ROLLUP),
        };
        let report = verify(&package, &world.anchor(), &expected).expect("verifies");
        let golden = std::fs::read_to_string(file(&format!("{name}.report.json"))).expect("golden");
        assert_eq!(
            serde_json::to_string_pretty(&report).expect("JSON"),
            golden,
            "{name}"
        );
    }
}

/// Writes the golden files anew: only before version 1 is released, or for a new kind.
#[test]
#[ignore = "writes the golden files"]
fn write_golden_files() {
    let world = World::new();
    let issuer = issuer();
    for (name, claim) in world.claims() {
        let package = world.package(claim);
        let expected = Expectations {
            issuer: Some(&issuer),
            rollup: Some(ROLLUP),
        };
        let report = verify(package.as_bytes(), &world.anchor(), &expected).expect("verifies");
        let report = serde_json::to_string_pretty(&report).expect("JSON");
        std::fs::write(file(&format!("{name}.jws.json")), package).expect("written");
        std::fs::write(file(&format!("{name}.report.json")), report).expect("written");
    }
}
