//! Dependencies point down: each package states its layer, and a normal or build dependency must
//! be of a lower one. A dev-dependency may point up, but not to a service.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::shell;

/// The layer of the services and the command line.
const SERVICES: u64 = 9;
/// Packages that must not enter the tree: TLS is rustls with ring, nothing else.
const BANNED: [&str; 6] = [
    "aws-lc-sys",
    "aws-lc-rs",
    "openssl-sys",
    "openssl",
    "native-tls",
    "boring-sys",
];

/// Checks the workspace at `root`.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let arguments = ["metadata", "--format-version", "1", "--no-deps"];
    let metadata = shell::output(shell::cargo(root, &arguments)?)?;
    let metadata: Value = serde_json::from_str(&metadata).context("cargo wrote no metadata")?;
    let lock =
        std::fs::read_to_string(root.join("Cargo.lock")).context("cannot read Cargo.lock")?;
    let mut problems = problems(&metadata)?;
    problems.extend(banned(&lock)?);
    Ok(problems)
}

/// Problems in what `cargo metadata` tells.
fn problems(metadata: &Value) -> Result<Vec<String>> {
    let packages = metadata["packages"]
        .as_array()
        .context("the metadata names no packages")?;
    let mut problems = Vec::new();
    let mut layers = BTreeMap::new();
    for package in packages {
        let name = package["name"].as_str().context("a package has no name")?;
        match package["metadata"]["cloister"]["layer"].as_u64() {
            Some(layer) => {
                layers.insert(name, layer);
            }
            None => problems.push(format!(
                "{name}: states no layer; add `[package.metadata.cloister] layer = N` to its Cargo.toml"
            )),
        }
    }
    for package in packages {
        let name = package["name"].as_str().context("a package has no name")?;
        let Some(&own) = layers.get(name) else {
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let used = dependency["name"]
                .as_str()
                .context("a dependency has no name")?;
            let Some(&layer) = layers.get(used) else {
                continue;
            };
            let dev = dependency["kind"].as_str() == Some("dev");
            let allowed = layer < own || (dev && layer < SERVICES);
            if !allowed && used != name {
                let kind = dependency["kind"].as_str().unwrap_or("normal");
                problems.push(format!(
                    "{name} (layer {own}) has a {kind} dependency on {used} (layer {layer}); \
                     dependencies point to lower layers only"
                ));
            }
        }
    }
    Ok(problems)
}

/// Banned packages in the lock file.
fn banned(lock: &str) -> Result<Vec<String>> {
    let lock: toml::Table = lock.parse().context("Cargo.lock is not TOML")?;
    let packages = lock.get("package").and_then(toml::Value::as_array);
    let names = packages
        .into_iter()
        .flatten()
        .filter_map(|package| package.get("name")?.as_str());
    Ok(names
        .filter(|name| BANNED.contains(name))
        .map(|name| {
            format!(
                "{name}: must not be in Cargo.lock; find who needs it with `cargo tree -i {name}`"
            )
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, layer: Option<u64>, dependencies: &[(&str, Option<&str>)]) -> Value {
        let metadata = layer.map(|layer| serde_json::json!({ "cloister": { "layer": layer } }));
        let dependencies: Vec<Value> = dependencies
            .iter()
            .map(|(name, kind)| serde_json::json!({ "name": name, "kind": kind }))
            .collect();
        serde_json::json!({ "name": name, "metadata": metadata, "dependencies": dependencies })
    }

    fn check(packages: &[Value]) -> Vec<String> {
        problems(&serde_json::json!({ "packages": packages })).unwrap()
    }

    #[test]
    fn accepts_dependencies_that_point_down() {
        let found = check(&[
            package("types", Some(0), &[("serde", None)]),
            package("stf", Some(3), &[("types", None), ("types", Some("build"))]),
            package("store", Some(6), &[("test-kit", Some("dev"))]),
            package("test-kit", Some(8), &[("store", None)]),
            package("gateway", Some(9), &[("stf", None)]),
            package("e2e", Some(10), &[("gateway", Some("dev"))]),
        ]);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn refuses_dependencies_that_point_up_or_sideways() {
        let found = check(&[
            package("types", Some(0), &[("stf", None)]),
            package("stf", Some(3), &[("store", Some("build"))]),
            package("store", Some(6), &[("gateway", Some("dev"))]),
            package("gateway", Some(9), &[("prover", None)]),
            package("prover", Some(9), &[]),
        ]);
        assert_eq!(found.len(), 4, "{found:#?}");
        assert_eq!(
            found[3],
            "gateway (layer 9) has a normal dependency on prover (layer 9); \
             dependencies point to lower layers only"
        );
    }

    #[test]
    fn refuses_a_package_without_a_layer() {
        let found = check(&[package("types", None, &[])]);
        assert!(found[0].starts_with("types: states no layer"), "{found:?}");
    }

    #[test]
    fn refuses_banned_packages() {
        let lock = "[[package]]\nname = \"ring\"\n[[package]]\nname = \"aws-lc-sys\"\n";
        let found = banned(lock).unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with("aws-lc-sys: must not be in Cargo.lock"),
            "{found:?}"
        );
    }
}
