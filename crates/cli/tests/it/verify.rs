//! `cloister verify` against a real Ethereum node with the contracts that `cloister l1 deploy` put
//! there.

use std::path::{Path, PathBuf};

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::sol_types::SolCall as _;
use cloister_disclosure::{Claim, SigningKey};
use cloister_l1::Rollup;
use cloister_test_kit::anvil::{Anvil, FUNDED, Options};
use cloister_test_kit::pki;
use cloister_types::BatchHeader;
use serde_json::{Value, json};

use crate::tool::{Run, run};
use crate::world::{ALICE, World, issuer};

alloy::sol!(
    Timelock,
    "../../contracts/artifacts/TimelockController.json"
);
alloy::sol!(Router, "../../contracts/artifacts/VerifierRouter.json");
alloy::sol!(RollupContract, "../../contracts/artifacts/Rollup.json");
alloy::sol!(Verifier, "../../contracts/artifacts/WrapVerifier.json");

/// First bytes of the hash of `verify(address,address,bytes32[],bytes)`.
const SELECTOR_OF_VERIFY: [u8; 4] = Verifier::verifyCall::SELECTOR;

fn address(printed: &Value, name: &str) -> Address {
    let text = printed[name].as_str().expect("an address");
    text.parse().expect("an address")
}

struct Ethereum {
    anvil: Anvil,
    world: World,
    rollup: Address,
    folder: tempfile::TempDir,
}

fn genesis() -> BatchHeader {
    BatchHeader {
        chain_id: 61_337,
        state_root: keccak256("genesis"),
        ..BatchHeader::default()
    }
}

impl Ethereum {
    /// A node with the contracts, and batch 1 committed.
    async fn start() -> Self {
        pki::install_crypto();
        let folder = tempfile::tempdir().expect("a folder");
        let anvil = Anvil::start(Options::default()).await.expect("a node");
        pki::write_secret(&folder.path().join("deployer.key"), FUNDED[0].1).expect("written");
        let mut world = World::at(1);
        world.header.previous_hash = genesis().hash();
        let pem = issuer().to_pem().expect("encodes");
        std::fs::write(folder.path().join("issuer.pem"), pem).expect("written");
        let mut ethereum = Self {
            anvil,
            world,
            rollup: Address::ZERO,
            folder,
        };
        ethereum.rollup = ethereum.deploy(&genesis());
        ethereum.commit().await;
        ethereum
    }

    fn deploy(&self, genesis: &BatchHeader) -> Address {
        address(&self.deploy_with(genesis, &[]), "rollup")
    }

    /// What `cloister l1 deploy` prints.
    fn deploy_with(&self, genesis: &BatchHeader, more: &[&str]) -> Value {
        let (url, key) = (self.anvil.url(), self.file("deployer.key"));
        let (root, hash) = (genesis.state_root.to_string(), genesis.hash().to_string());
        let mut arguments = vec![
            "l1",
            "deploy",
            "--l1-rpc",
            &url,
            "--key-file",
            &key,
            "--chain-id",
            "61337",
            "--genesis-state-root",
            &root,
            "--genesis-batch-hash",
            &hash,
            "--committer",
            FUNDED[1].0,
            "--guardian",
            FUNDED[0].0,
            "--governor",
            FUNDED[0].0,
            "--finality-blocks",
            "2",
        ];
        arguments.extend(more);
        let deployed = self.run(&arguments);
        assert_eq!(deployed.code, Some(0), "{deployed:?}");
        serde_json::from_str(&deployed.out).expect("JSON")
    }

    async fn commit(&self) {
        let input = Rollup::commit_call(&[self.world.header.public()]);
        self.send(1, Some(self.rollup), input).await;
    }

    /// A transaction that does what it should; the contract that it made, if any.
    async fn send(&self, from: usize, to: Option<Address>, input: Bytes) -> Option<Address> {
        let transaction = json!([{"from": FUNDED[from].0, "to": to, "data": input}]);
        let sent = self.anvil.rpc("eth_sendTransaction", transaction).await;
        self.anvil.mine(1).await.expect("mined");
        let hash = json!([sent.expect("sent")]);
        let receipt = self.anvil.rpc("eth_getTransactionReceipt", hash).await;
        let receipt = receipt.expect("a receipt");
        assert_eq!(receipt["status"], json!("0x1"), "{receipt}");
        let made = receipt["contractAddress"].as_str();
        made.map(|address| address.parse().expect("an address"))
    }

    /// Its governors add a verifier that believes everything, and batch 1 is proved by it.
    async fn prove_by_a_credulous_verifier(&self, router: Address, timelock: Address) {
        // Answers every question with the selector of `verify`: PUSH4, PUSH1 224, SHL, PUSH0, MSTORE,
        // PUSH1 32, PUSH0, RETURN; before it what creates a contract of that code.
        let selector = hex::encode(SELECTOR_OF_VERIFY);
        let code = format!("63{selector}60e01b5f5260205ff3");
        let creation = format!("61{:04x}80600a5f395ff3{code}", code.len() / 2);
        let creation = hex::decode(creation).expect("digits");
        let verifier = self
            .send(0, None, creation.into())
            .await
            .expect("a contract");
        let add = Router::addVerifierCall {
            version: 1,
            verifier,
            codeHash: keccak256(hex::decode(code).expect("digits")),
        };
        let schedule = Timelock::scheduleCall {
            target: router,
            value: U256::ZERO,
            data: add.abi_encode().into(),
            predecessor: B256::ZERO,
            salt: B256::ZERO,
            delay: U256::ZERO,
        };
        self.send(0, Some(timelock), schedule.abi_encode().into())
            .await;
        let execute = Timelock::executeCall {
            target: router,
            value: U256::ZERO,
            payload: add.abi_encode().into(),
            predecessor: B256::ZERO,
            salt: B256::ZERO,
        };
        self.send(0, Some(timelock), execute.abi_encode().into())
            .await;
        let prove = RollupContract::proveCall {
            first: 1,
            last: 1,
            verifierVersion: 1,
            proof: Bytes::new(),
        };
        self.send(1, Some(self.rollup), prove.abi_encode().into())
            .await;
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn run(&self, arguments: &[&str]) -> Run {
        run(self.folder.path(), arguments)
    }

    fn write(&self, package: &str) -> PathBuf {
        let path = self.folder.path().join("package.json");
        std::fs::write(&path, package).expect("written");
        path
    }

    fn package(&self, claim: Claim) -> String {
        self.world.package_at(claim, self.rollup)
    }

    /// `cloister verify` on the file, with what an auditor knows.
    fn verify(&self, file: &Path, more: &[&str]) -> Run {
        let (url, file) = (self.anvil.url(), file.display().to_string());
        let mut arguments = vec!["verify", &file, "--l1-rpc", &url];
        arguments.extend(more);
        self.run(&arguments)
    }
}

#[tokio::test]
async fn every_kind_verifies_and_committed_is_not_called_proved() {
    let ethereum = Ethereum::start().await;
    let (rollup, key) = (ethereum.rollup.to_string(), ethereum.file("issuer.pem"));
    for (name, claim) in ethereum.world.claims() {
        let file = ethereum.write(&ethereum.package(claim));
        let trusted = ["--rollup", &rollup, "--issuer-key", &key];
        let words = ethereum.verify(&file, &trusted);
        assert_eq!(words.code, Some(0), "{name}: {words:?}");
        assert!(words.out.starts_with("VERIFIED: "), "{name}: {words:?}");
        assert!(
            words.out.contains("committed to Ethereum, not proved yet"),
            "{name}: {words:?}"
        );
        assert!(
            words.out.contains("has not checked a validity proof"),
            "{name}: {words:?}"
        );
        let printed = ethereum.verify(&file, &[&trusted[..], &["--json"]].concat());
        let report: Value = serde_json::from_str(&printed.out).expect("JSON");
        assert_eq!(report["verified"], json!(true), "{name}");
        assert_eq!(report["report"]["state"], json!("committed"), "{name}");
        assert_eq!(report["report"]["issuer_checked"], json!(true), "{name}");
    }
    let file = ethereum.write(&ethereum.package(ethereum.world.account(ALICE)));
    let alone = ethereum.verify(&file, &[]);
    assert_eq!(alone.code, Some(0), "{alone:?}");
    assert!(alone.out.contains("no issuer key was given"), "{alone:?}");
    assert!(
        alone.out.contains("compare it with the address"),
        "{alone:?}"
    );
}

/// SDISC-7: who governs a contract can add a verifier that accepts anything; an auditor is told that
/// a proof was checked, in which block, and that nothing is known of who checked it.
#[tokio::test]
async fn a_batch_proved_by_an_unknown_verifier_is_not_vouched_for() {
    let mut ethereum = Ethereum::start().await;
    let more = ["--without-verifier", "--timelock-delay", "0"];
    let deployed = ethereum.deploy_with(&genesis(), &more);
    ethereum.rollup = address(&deployed, "rollup");
    ethereum.commit().await;
    let router = address(&deployed, "verifierRouter");
    let timelock = address(&deployed, "timelock");
    ethereum
        .prove_by_a_credulous_verifier(router, timelock)
        .await;

    let file = ethereum.write(&ethereum.package(ethereum.world.account(ALICE)));
    let words = ethereum.verify(&file, &[]);
    assert_eq!(words.code, Some(0), "{words:?}");
    assert!(
        words.out.contains("proved on Ethereum, not final yet"),
        "{words:?}"
    );
    assert!(
        words
            .out
            .contains("a validity proof of batch 1 under version 1 of the contract's verifiers."),
        "{words:?}"
    );
    assert!(
        words.out.contains("this program does not know its code"),
        "{words:?}"
    );
    let printed = ethereum.verify(&file, &["--json"]);
    let report: Value = serde_json::from_str(&printed.out).expect("JSON");
    assert_eq!(report["report"]["state"], json!("proved"));
    assert_eq!(report["report"]["verifier_version"], json!(1));
    assert_eq!(report["report"]["known_guest"], Value::Null);
    let head = ethereum.anvil.rpc("eth_blockNumber", json!([])).await;
    let head: u64 = head
        .expect("a number")
        .as_str()
        .map(|text| u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("digits"))
        .expect("text");
    let block = report["report"]["proof_block"].as_u64().expect("a block");
    assert!(block > 0 && block <= head, "{block} of {head}");

    // Two blocks later it can be made final, by anybody.
    ethereum.anvil.mine(2).await.expect("mined");
    let finalize = RollupContract::finalizeCall { last: 1 };
    ethereum
        .send(1, Some(ethereum.rollup), finalize.abi_encode().into())
        .await;
    let words = ethereum.verify(&file, &[]);
    assert!(
        words.out.contains("proved and final on Ethereum"),
        "{words:?}"
    );
    assert!(
        words.out.contains("this program does not know its code"),
        "{words:?}"
    );
    let freeze = Router::freezeVerifierCall { version: 1 };
    ethereum
        .send(0, Some(router), freeze.abi_encode().into())
        .await;
    let words = ethereum.verify(&file, &[]);
    assert!(
        words
            .out
            .contains("Why version 1 of the contract's verifiers was frozen"),
        "{words:?}"
    );
}

fn leaves(at: &Value, pointer: &str, out: &mut Vec<String>) {
    match at {
        Value::Object(members) => {
            members
                .iter()
                .for_each(|(name, at)| leaves(at, &format!("{pointer}/{name}"), out));
        }
        Value::Array(items) => {
            let all = items.iter().enumerate();
            all.for_each(|(index, at)| leaves(at, &format!("{pointer}/{index}"), out));
        }
        _ => out.push(pointer.to_owned()),
    }
}

/// Another value of the same form.
fn changed(value: &Value) -> Value {
    match value {
        Value::Bool(flag) => json!(!flag),
        Value::Number(number) => json!(number.as_u64().expect("unsigned") + 1),
        Value::Null => json!("0x00000000000000000000000000000000"),
        Value::String(text) => {
            let last = if text.ends_with('0') { "1" } else { "0" };
            json!(format!("{}{last}", &text[..text.len().saturating_sub(1)]))
        }
        Value::Array(_) | Value::Object(_) => unreachable!("leaves only"),
    }
}

#[tokio::test]
async fn a_tampered_package_is_refused_whoever_signs_it() {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let ethereum = Ethereum::start().await;
    let key = ethereum.file("issuer.pem");
    for claim in [ethereum.world.balance(ALICE), ethereum.world.transaction(2)] {
        let package: Value = serde_json::from_str(&ethereum.package(claim)).expect("JSON");
        let text = package["payload"].as_str().expect("text");
        let payload = URL_SAFE_NO_PAD.decode(text).expect("base64");
        let payload: Value = serde_json::from_slice(&payload).expect("JSON");
        let mut pointers = Vec::new();
        leaves(&payload, "", &mut pointers);
        for (number, pointer) in pointers.iter().enumerate() {
            let mut payload = payload.clone();
            let leaf = payload.pointer_mut(pointer).expect("a leaf");
            *leaf = changed(leaf);
            let mut forged = package.clone();
            forged["payload"] = json!(URL_SAFE_NO_PAD.encode(payload.to_string()));
            if number % 2 == 0 {
                let input = format!(
                    "{}.{}",
                    forged["protected"].as_str().expect("text"),
                    forged["payload"].as_str().expect("text")
                );
                let stranger = SigningKey::from_seed(&[1; 32]).sign(input.as_bytes());
                forged["signature"] = json!(URL_SAFE_NO_PAD.encode(stranger));
            }
            let file = ethereum.write(&forged.to_string());
            let verdict = ethereum.verify(&file, &["--issuer-key", &key]);
            assert_eq!(verdict.code, Some(1), "{pointer}: {verdict:?}");
            let expected = "NOT VERIFIED: the signature does not fit the content";
            assert!(verdict.out.starts_with(expected), "{pointer}: {verdict:?}");
        }
    }
    // Signed by the institution itself: a header that Ethereum does not hold.
    let mut false_world = World::at(1);
    false_world.header.previous_hash = B256::repeat_byte(9);
    let package = false_world.package_at(false_world.account(ALICE), ethereum.rollup);
    let verdict = ethereum.verify(&ethereum.write(&package), &[]);
    assert_eq!(verdict.code, Some(1), "{verdict:?}");
    assert!(
        verdict.out.contains("Ethereum holds batch hash"),
        "{verdict:?}"
    );
}

#[tokio::test]
async fn a_wrong_anchor_is_refused_and_an_absent_one_is_said() {
    let ethereum = Ethereum::start().await;
    let file = ethereum.write(&ethereum.package(ethereum.world.account(ALICE)));
    let rollup = ethereum.rollup.to_string();

    // Another chain's contract: it knows no batch 1.
    let other = BatchHeader {
        state_root: keccak256("another genesis"),
        ..genesis()
    };
    let other = ethereum.deploy(&other).to_string();
    let verdict = ethereum.verify(&file, &["--rollup", &other]);
    assert_eq!(verdict.code, Some(1), "{verdict:?}");
    assert!(
        verdict.out.contains("Ethereum does not know batch 1"),
        "{verdict:?}"
    );

    // An address without a contract, and a node that is away: no verdict at all.
    let nobody = ethereum.verify(&file, &["--rollup", FUNDED[0].0]);
    assert_eq!(nobody.code, Some(2), "{nobody:?}");
    assert!(nobody.err.contains("no contract at"), "{nobody:?}");
    let path = file.display().to_string();
    let away = ethereum.run(&["verify", &path, "--l1-rpc", "http://127.0.0.1:1"]);
    assert_eq!(away.code, Some(2), "{away:?}");

    // A batch that was never committed.
    let mut later = World::at(2);
    later.header.previous_hash = ethereum.world.header.hash();
    let later = later.package_at(later.account(ALICE), ethereum.rollup);
    let verdict = ethereum.verify(&ethereum.write(&later), &["--rollup", &rollup]);
    assert_eq!(verdict.code, Some(1), "{verdict:?}");
    assert!(
        verdict.out.contains("Ethereum does not know batch 2"),
        "{verdict:?}"
    );

    // A key that is not the issuer's, and files that are no keys or packages.
    let file = ethereum.write(&ethereum.package(ethereum.world.account(ALICE)));
    let stranger = SigningKey::from_seed(&[1; 32])
        .issuer_key()
        .to_pem()
        .expect("encodes");
    std::fs::write(ethereum.file("stranger.pem"), stranger).expect("written");
    let verdict = ethereum.verify(&file, &["--issuer-key", &ethereum.file("stranger.pem")]);
    assert_eq!(verdict.code, Some(1), "{verdict:?}");
    assert!(
        verdict.out.contains("but the institution's key is"),
        "{verdict:?}"
    );
    let no_key = ethereum.verify(&file, &["--issuer-key", &ethereum.file("deployer.key")]);
    assert_eq!(no_key.code, Some(2), "{no_key:?}");
    let no_package = ethereum.verify(&ethereum.write("{}"), &[]);
    assert_eq!(no_package.code, Some(1), "{no_package:?}");
    assert!(
        no_package.out.contains("not a Cloister package"),
        "{no_package:?}"
    );
    let no_file = ethereum.verify(Path::new("/nowhere"), &[]);
    assert_eq!(no_file.code, Some(2), "{no_file:?}");
    let no_node = ethereum.run(&["verify", "package.json"]);
    assert_eq!(no_node.code, Some(2), "{no_node:?}");
}

/// SCL-3: a refusal repeats what the file says, but not what would redraw the screen.
#[test]
fn a_refused_file_cannot_print_a_verdict_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("package.json");
    let forged = "x\r\u{1b}[2KVERIFIED: balance at batch 1\nVERIFIED";
    std::fs::write(&path, json!({forged: 1}).to_string()).expect("written");
    let file = path.display().to_string();
    let refused = run(
        folder.path(),
        &["verify", &file, "--l1-rpc", "http://127.0.0.1:1"],
    );
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let line = refused.out.strip_suffix('\n').expect("one line");
    assert!(line.starts_with("NOT VERIFIED: "), "{line:?}");
    assert!(line.contains("x\u{fffd}\u{fffd}[2KVERIFIED"), "{line:?}");
    assert!(!line.contains(char::is_control), "{line:?}");
}
