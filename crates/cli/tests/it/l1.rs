//! `cloister l1 …` against a real Ethereum node: an installation with its verifier, one that gets it
//! later, and one whose governors added something else.

use alloy::primitives::{Address, B256};
use cloister_test_kit::anvil::{Anvil, FUNDED, Options};
use cloister_test_kit::pki;
use serde_json::{Value, json};

use crate::tool::{Run, run};

/// A node, and what `cloister l1 deploy` printed.
struct Installation {
    anvil: Anvil,
    folder: tempfile::TempDir,
    deployed: Value,
}

impl Installation {
    async fn deploy(more: &[&str]) -> Self {
        let mut installation = Self {
            anvil: Anvil::start(Options::default()).await.expect("a node"),
            folder: tempfile::tempdir().expect("a folder"),
            deployed: Value::Null,
        };
        for (number, (_, key)) in FUNDED.iter().enumerate() {
            pki::write_secret(&installation.key(number), key).expect("written");
        }
        let hash = B256::repeat_byte(7).to_string();
        let mut arguments = vec!["--chain-id", "61337", "--timelock-delay", "60"];
        arguments.extend(["--genesis-state-root", &hash, "--genesis-batch-hash", &hash]);
        arguments.extend(["--committer", FUNDED[1].0, "--guardian", FUNDED[0].0]);
        arguments.extend(["--governor", FUNDED[0].0]);
        arguments.extend(more);
        let run = installation.send("deploy", 0, &arguments);
        installation.deployed = done(&run);
        installation
    }

    fn key(&self, number: usize) -> std::path::PathBuf {
        self.folder.path().join(format!("{number}.key"))
    }

    /// A command that sends transactions by one of the funded keys.
    fn send(&self, command: &str, key: usize, more: &[&str]) -> Run {
        let (url, key) = (self.anvil.url(), self.key(key).display().to_string());
        let mut arguments = vec!["l1", command, "--l1-rpc", &url, "--key-file", &key];
        arguments.extend(more);
        run(self.folder.path(), &arguments)
    }

    fn address(&self, name: &str) -> &str {
        self.deployed[name].as_str().expect("an address")
    }

    /// As `send`, with Rollup and timelock.
    fn change(&self, command: &str, key: usize, more: &[&str]) -> Run {
        let (rollup, timelock) = (self.address("rollup"), self.address("timelock"));
        let mut arguments = vec!["--rollup", rollup, "--timelock", timelock];
        arguments.extend(more);
        self.send(command, key, &arguments)
    }

    /// What `cloister l1 verifiers` prints.
    fn verifiers(&self) -> Value {
        let (url, rollup) = (self.anvil.url(), self.address("rollup"));
        let arguments = ["l1", "verifiers", "--l1-rpc", &url, "--rollup", rollup];
        done(&run(self.folder.path(), &arguments))["verifiers"].clone()
    }
}

fn done(run: &Run) -> Value {
    assert_eq!(run.code, Some(0), "{run:?}");
    serde_json::from_str(&run.out).expect("JSON")
}

fn refused(run: &Run, why: &str) {
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.err.contains(why), "{run:?}");
}

#[tokio::test]
async fn an_installation_begins_with_the_released_verifier_and_its_guardian_freezes_it() {
    let installation = Installation::deploy(&[]).await;
    let deployed = installation.deployed["verifiers"]
        .as_array()
        .expect("a list");
    assert_eq!(deployed.len(), 1);
    let listed = installation.verifiers();
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    let entry = &listed[0];
    for field in ["version", "address", "imageHash", "codeHash"] {
        assert_eq!(entry[field], deployed[0][field], "{field}");
    }
    assert_eq!(entry["knownGuest"], json!(1));
    assert_eq!(
        (&entry["codeIntact"], &entry["frozen"]),
        (&json!(true), &json!(false))
    );
    assert!(entry["program"].is_string() && entry["machine"].is_string());

    let rollup = ["--rollup", installation.address("rollup"), "--version", "1"];
    let stranger = installation.send("freeze-verifier", 1, &rollup);
    refused(&stranger, "does not hold the role");
    let frozen = done(&installation.send("freeze-verifier", 0, &rollup));
    assert_eq!(frozen["frozen"], json!(true));
    assert_eq!(installation.verifiers()[0]["frozen"], json!(true));
    let present = installation.change("add-verifier", 0, &[]);
    refused(
        &present,
        "version 1 of the router checks this image already",
    );
}

#[tokio::test]
async fn a_verifier_is_added_later_through_the_timelock() {
    let installation = Installation::deploy(&["--without-verifier"]).await;
    assert_eq!(installation.deployed["verifiers"], json!([]));
    assert_eq!(installation.verifiers(), json!([]));
    let router = installation.address("verifierRouter");
    let rollup = installation.address("rollup");
    let wrong = ["--rollup", rollup, "--timelock", router];
    let wrong = installation.send("add-verifier", 0, &wrong);
    refused(&wrong, "does not govern the router");

    let scheduled = installation.change("add-verifier", 0, &[]);
    assert!(
        scheduled.err.contains("deploying part 1 of "),
        "{scheduled:?}"
    );
    let scheduled = done(&scheduled);
    assert_eq!(
        (&scheduled["version"], &scheduled["schedule"]),
        (&json!(1), &Value::Null)
    );
    let ready_at = scheduled["readyAt"].as_u64().expect("a time");
    let verifier = scheduled["verifier"].as_str().expect("an address");
    let early = installation.change("execute", 0, &["--verifier", verifier]);
    refused(&early, &format!("from UNIX time {ready_at} on"));
    let later = json!([ready_at]);
    let anvil = &installation.anvil;
    anvil
        .rpc("evm_setNextBlockTimestamp", later)
        .await
        .expect("set");
    anvil.mine(1).await.expect("mined");
    let unknown = installation.change("execute", 0, &["--verifier", router]);
    refused(&unknown, "code that this program does not know");
    let added = done(&installation.change("execute", 0, &["--verifier", verifier]));
    assert_eq!(added["version"], json!(1));
    assert_eq!(added["imageHash"], scheduled["imageHash"]);
    let listed = installation.verifiers();
    assert_eq!(listed[0]["address"], json!(verifier));
    assert_eq!(listed[0]["knownGuest"], json!(1));
}

#[tokio::test]
async fn a_failed_deployment_says_what_failed_and_that_nothing_is_in_use() {
    let installation = Installation::deploy(&["--without-verifier"]).await;
    // A purse that is empty after the first few transactions.
    let purse = json!([FUNDED[0].0, "0x2386f26fc10000"]);
    let anvil = &installation.anvil;
    anvil.rpc("anvil_setBalance", purse).await.expect("set");
    let hash = B256::repeat_byte(7).to_string();
    let nobody = Address::repeat_byte(1).to_string();
    let mut arguments = vec!["--chain-id", "61337", "--committer", &nobody];
    arguments.extend(["--genesis-state-root", &hash, "--genesis-batch-hash", &hash]);
    arguments.extend(["--guardian", &nobody, "--governor", &nobody]);
    let failed = installation.send("deploy", 0, &arguments);
    refused(&failed, "is not in use, and deploying again starts afresh");
    assert!(failed.err.contains("because: deploying "), "{failed:?}");
}
