//! What is accepted, what is refused, and with which words.

use alloy_primitives::{Address, B256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloister_disclosure::build::{self, OpenedLeaf};
use cloister_disclosure::{
    AnchorState, BuildError, CheckedProof, Claim, Expectations, Package, Report, SigningKey,
    VerifyError, verify,
};
use cloister_types::{BatchNumber, StateKey};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world::{ALICE, BOB, ROLLUP, World, issuer, signing_key};

const PROOF: CheckedProof = CheckedProof {
    proof_block: 314,
    verifier_version: 2,
    known_guest: Some(1),
    verifier_frozen: false,
};

fn codes(statements: &[cloister_disclosure::Statement]) -> Vec<&'static str> {
    statements.iter().map(|statement| statement.code).collect()
}

fn verified(world: &World, state: AnchorState) -> Report {
    let anchor = cloister_disclosure::AnchorRecord {
        state,
        ..world.anchor()
    };
    let package = world.package(world.account(ALICE));
    verify(package.as_bytes(), &anchor, &Expectations::default()).expect("verifies")
}

#[test]
fn every_kind_verifies() {
    let world = World::new();
    for (name, claim) in world.claims() {
        let package = world.package(claim.clone());
        let report = verify(
            package.as_bytes(),
            &world.anchor(),
            &Expectations::default(),
        );
        assert_eq!(report.expect(name).claim, claim, "{name}");
    }
}

/// SDISC-6.
#[test]
fn a_committed_batch_is_not_called_proved() {
    let world = World::new();
    let committed = verified(&world, AnchorState::Committed);
    assert!(codes(&committed.not_covered).contains(&"validity"));
    assert!(!codes(&committed.proved).contains(&"validity"));
    let proved = verified(&world, AnchorState::Proved(PROOF));
    assert!(!codes(&proved.not_covered).contains(&"validity"));
    assert!(codes(&proved.not_covered).contains(&"finality"));
    let finalized = verified(&world, AnchorState::Finalized(PROOF));
    assert!(!codes(&finalized.not_covered).contains(&"finality"));
    let genesis = verified(&world, AnchorState::Genesis);
    assert!(codes(&genesis.not_covered).contains(&"validity"));
    assert!(!codes(&genesis.proved).contains(&"validity"));
}

/// SDISC-7.
#[test]
fn a_proved_batch_names_block_and_verifier_and_what_is_not_known_of_it() {
    let world = World::new();
    let unknown = CheckedProof {
        known_guest: None,
        verifier_frozen: true,
        ..PROOF
    };
    for state in [AnchorState::Proved, AnchorState::Finalized] {
        let report = verified(&world, state(PROOF));
        let said = report.proved.iter().find(|said| said.code == "validity");
        assert_eq!(
            said.map(|said| said.text.as_str()),
            Some(
                "In block 314 Ethereum checked a validity proof of batch 7 under version 2 of the \
                 contract's verifiers, whose code is that of the verifier of guest version 1."
            )
        );
        for doubt in ["verifier", "verifier_frozen"] {
            assert!(!codes(&report.not_covered).contains(&doubt), "{doubt}");
        }

        let report = verified(&world, state(unknown));
        let said = report.proved.iter().find(|said| said.code == "validity");
        let said = said.expect("the proof is told").text.clone();
        assert!(
            said.ends_with("version 2 of the contract's verifiers."),
            "{said}"
        );
        for doubt in ["verifier", "verifier_frozen"] {
            assert!(codes(&report.not_covered).contains(&doubt), "{doubt}");
        }
    }
    let report = serde_json::to_value(verified(&world, AnchorState::Proved(PROOF)));
    let report = report.expect("JSON");
    assert_eq!(report["state"], json!("proved"));
    assert_eq!(report["proof_block"], json!(314));
    assert_eq!(report["verifier_version"], json!(2));
    assert_eq!(report["known_guest"], json!(1));
}

#[test]
fn says_that_key_and_contract_were_not_compared() {
    let world = World::new();
    let report = verified(&world, AnchorState::Committed);
    assert_eq!(
        codes(&report.asserted)[..2],
        ["rollup_address", "issuer_key"]
    );
    let issuer = issuer();
    let expected = Expectations {
        issuer: Some(&issuer),
        rollup: Some(ROLLUP),
    };
    let package = world.package(world.account(ALICE));
    let report = verify(package.as_bytes(), &world.anchor(), &expected).expect("verifies");
    assert!(report.issuer_checked && report.rollup_checked);
    assert_eq!(codes(&report.asserted), ["grant", "issued_at"]);
}

#[test]
fn names_what_a_redacted_transaction_withholds() {
    let world = World::new();
    let package = world.package(world.redacted_transaction(2));
    let report = verify(
        package.as_bytes(),
        &world.anchor(),
        &Expectations::default(),
    );
    let report = report.expect("verifies");
    let Claim::Transaction(claim) = &report.claim else {
        panic!("another claim")
    };
    let identity = claim.fields.identity.opened().map(|identity| identity.hash);
    assert_eq!(identity, Some(world.hashes()[2]));
    let withheld = report
        .not_covered
        .iter()
        .find(|statement| statement.code == "withheld");
    assert_eq!(
        withheld.map(|s| s.text.as_str()),
        Some("Withheld fields: value, input.")
    );
}

#[test]
fn refuses_another_issuer() {
    let world = World::new();
    let package = world.package(world.account(ALICE));
    let other = SigningKey::from_seed(&[1; 32]).issuer_key();
    let expected = Expectations {
        issuer: Some(&other),
        rollup: None,
    };
    assert_eq!(
        verify(package.as_bytes(), &world.anchor(), &expected),
        Err(VerifyError::Issuer {
            expected: other.thumbprint(),
            got: issuer().thumbprint()
        })
    );
}

/// SDISC-1.
#[test]
fn refuses_an_anchor_of_another_place() {
    let world = World::new();
    let package = world.package(world.account(ALICE));
    let refused = |change: &dyn Fn(&mut cloister_disclosure::AnchorRecord)| {
        let mut anchor = world.anchor();
        change(&mut anchor);
        verify(package.as_bytes(), &anchor, &Expectations::default()).map_err(|e| e.code())
    };
    assert_eq!(refused(&|a| a.l1_chain_id = 1), Err("l1_chain"));
    assert_eq!(refused(&|a| a.rollup = Address::ZERO), Err("rollup"));
    assert_eq!(refused(&|a| a.batch = BatchNumber(8)), Err("batch_number"));
    assert_eq!(refused(&|a| a.state_root = B256::ZERO), Err("state_root"));
    assert_eq!(refused(&|a| a.batch_hash = B256::ZERO), Err("batch_hash"));
    let expected = Expectations {
        issuer: None,
        rollup: Some(Address::ZERO),
    };
    assert_eq!(
        verify(package.as_bytes(), &world.anchor(), &expected),
        Err(VerifyError::Rollup {
            package: ROLLUP,
            anchor: Address::ZERO
        })
    );
}

/// SDISC-5.
#[test]
fn never_signs_what_would_not_verify() {
    let world = World::new();
    let OpenedLeaf { path, .. } = world.leaf(&StateKey::Account(BOB));
    let (value, salt) = world.leaf(&StateKey::Account(ALICE)).value.expect("a leaf");
    let wrong = OpenedLeaf {
        value: Some((value, salt)),
        path,
    };
    let claim = build::account_state(BOB, wrong).expect("decodes");
    let refused = build::package(&issuer(), World::frame(), &world.header, claim);
    assert!(
        matches!(
            refused,
            Err(BuildError::Unverifiable(VerifyError::Opening { .. }))
        ),
        "{refused:?}"
    );
}

#[test]
fn takes_no_signature_of_another_key() {
    let world = World::new();
    let claim = world.account(ALICE);
    let unsigned = build::package(&issuer(), World::frame(), &world.header, claim).expect("holds");
    assert_eq!(unsigned.sign(&SigningKey::from_seed(&[1; 32])), None);
}

/// The file with another protected header, signed anew over it.
fn with_header(package: &str, change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut file: Value = serde_json::from_str(package).expect("JSON");
    let text = file["protected"].as_str().expect("text");
    let mut header: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).expect("base64")).expect("JSON");
    change(&mut header);
    let protected = URL_SAFE_NO_PAD.encode(header.to_string());
    let input = format!("{protected}.{}", file["payload"].as_str().expect("text"));
    file["signature"] = json!(URL_SAFE_NO_PAD.encode(signing_key().sign(input.as_bytes())));
    file["protected"] = json!(protected);
    file.to_string().into_bytes()
}

#[test]
fn refuses_every_other_protected_header() {
    let world = World::new();
    let package = world.package(world.account(ALICE));
    let code = |change: &dyn Fn(&mut Value)| {
        Package::open(&with_header(&package, change))
            .map(|_| ())
            .map_err(|e| e.code())
    };
    assert_eq!(code(&|_| ()), Ok(()));
    assert_eq!(code(&|h| h["typ"] = json!("JWT")), Err("type"));
    assert_eq!(code(&|h| h["alg"] = json!("none")), Err("algorithm"));
    assert_eq!(code(&|h| h["alg"] = json!("HS256")), Err("algorithm"));
    assert_eq!(code(&|h| h["kid"] = json!("x")), Err("key_id"));
    assert_eq!(code(&|h| h["crit"] = json!(["b64"])), Err("header"));
    assert_eq!(code(&|h| h["b64"] = json!(false)), Err("header"));
    assert_eq!(
        code(&|h| h["jku"] = json!("https://evil.example")),
        Err("header")
    );
    assert_eq!(code(&|h| h["jwk"]["d"] = json!("AAAA")), Err("header"));
    assert_eq!(code(&|h| h["jwk"]["kty"] = json!("EC")), Err("key"));
    assert_eq!(code(&|h| h["jwk"]["x"] = json!("AAAA")), Err("key"));
    let other = serde_json::to_value(SigningKey::from_seed(&[1; 32]).issuer_key().jwk());
    let other = other.expect("JSON");
    assert_eq!(code(&|h| h["jwk"] = other.clone()), Err("key_id"));
}

/// SDISC-4.
#[test]
fn refuses_a_file_that_is_too_large_before_reading_it() {
    let file = vec![b' '; cloister_disclosure::MAX_PACKAGE_BYTES + 1];
    assert_eq!(
        Package::open(&file).map(|_| ()),
        Err(VerifyError::TooLarge {
            limit: cloister_disclosure::MAX_PACKAGE_BYTES,
            got: file.len()
        })
    );
}

#[test]
fn refuses_a_deeply_nested_file() {
    let file = "[".repeat(1 << 20);
    assert_eq!(
        Package::open(file.as_bytes())
            .map(|_| ())
            .map_err(|e| e.code()),
        Err("envelope")
    );
}

#[test]
fn a_disclosed_salt_opens_no_neighbour() {
    // What a path shows of others are salted commitments: no balance in a guessable range, tried
    // with every salt in the package, matches any sibling or leaf in it.
    let world = World::new();
    let OpenedLeaf { value, path } = world.leaf(&StateKey::Account(ALICE));
    let (_, salt) = value.expect("a leaf");
    let hashes: Vec<[u8; 32]> = (0..path.len().saturating_sub(31))
        .map(|at| path[at..at + 32].try_into().unwrap())
        .collect();
    for (nonce, balance) in (0..60_u64).flat_map(|n| (0..100_u64).map(move |b| (n, b))) {
        let value = cloister_types::AccountValue {
            nonce,
            balance: alloy_primitives::U256::from(balance),
            ..cloister_types::AccountValue::EMPTY
        };
        let commit = cloister_crypto::state::leaf_commit(
            cloister_types::StateKind::Account,
            &cloister_types::Salt::from(salt),
            &value.encode(),
        );
        assert!(!hashes.contains(&commit));
    }
}

proptest! {
    #[test]
    fn garbage_is_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
        prop_assert!(Package::open(&bytes).is_err());
    }

    #[test]
    fn a_truncated_file_is_refused(cut in 0..1000_usize) {
        let world = World::new();
        let package = world.package(world.transaction(2));
        let cut = cut * (package.len() - 1) / 1000;
        prop_assert!(Package::open(&package.as_bytes()[..cut]).is_err());
    }
}
