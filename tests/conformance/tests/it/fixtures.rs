//! The shipped state tests.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use alloy_primitives::U256;
use cloister_conformance::{
    case::{self, Case, Comparison},
    fixture::{self, Fixture, Number},
    generate, runner,
    verdict::Verdict,
};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// SSTF-8.
#[test]
fn every_shipped_case_is_as_the_specification_says() {
    let report = runner::state_tests(&folder(), None).unwrap();
    assert!(report.is_clean(), "{report}");
    assert!(report.passed >= 200, "{report}");
    assert_eq!(report.skipped, 0, "{report}");
}

#[test]
fn the_shipped_cases_are_those_of_the_generator() {
    assert_eq!(generate::stale(&folder()).unwrap(), Vec::<String>::new());
}

#[test]
fn every_reason_of_refusal_has_a_case() {
    let mut refusals = BTreeSet::new();
    for path in fixture::files(&folder()).unwrap() {
        for fixture in fixture::read(&path).unwrap().into_values() {
            refusals.extend(fixture.info.and_then(|info| info.cloister_refusal));
        }
    }
    let expected = [
        "blob_transaction",
        "cost_overflow",
        "fee_too_low",
        "gas_limit_above_block",
        "gas_limit_above_cap",
        "init_code_too_long",
        "insufficient_funds",
        "intrinsic_gas_too_low",
        "no_authorizations",
        "nonce_overflow",
        "nonce_too_high",
        "nonce_too_low",
        "not_replay_protected",
        "priority_fee_above_max_fee",
        "sender_has_code",
        "signature_high_s",
        "signature_invalid",
        "transaction_malformed",
        "transaction_type_unsupported",
        "wrong_chain_id",
    ];
    assert_eq!(refusals, expected.map(str::to_owned).into());
}

fn one(name: &str) -> Fixture {
    let (group, _) = name.split_once('/').unwrap();
    let mut file = fixture::read(&folder().join(format!("{group}.json"))).unwrap();
    file.remove(name).unwrap()
}

fn ran(fixture: &Fixture) -> case::Ran {
    let (fork, posts) = fixture.post.first_key_value().unwrap();
    case::run(&Case {
        fixture,
        fork,
        post: &posts[0],
    })
    .unwrap()
}

/// A runner that passes everything would be worth nothing.
#[test]
fn a_false_expectation_fails() {
    let honest = one("transactions/legacy_transfer");
    assert_eq!(ran(&honest).comparison, Comparison::Passed);
    let failed = |change: &dyn Fn(&mut Fixture)| {
        let mut fixture = honest.clone();
        change(&mut fixture);
        match ran(&fixture).comparison {
            Comparison::Failed(reason) => reason,
            other => panic!("{other:?}"),
        }
    };
    let post = |fixture: &mut Fixture| fixture.post.get_mut("Osaka").unwrap().pop().unwrap();
    let balance = failed(&|fixture| {
        let accounts = fixture.post.get_mut("Osaka").unwrap()[0]
            .state
            .as_mut()
            .unwrap();
        accounts.values_mut().next().unwrap().balance = Number::new(U256::from(99));
    });
    assert!(balance.contains("balance 99 expected, got 5"), "{balance}");
    let root = failed(&|fixture| {
        let mut other = post(fixture);
        other.state = None;
        other.hash.0[0] ^= 1;
        fixture.post.get_mut("Osaka").unwrap().push(other);
    });
    assert!(root.starts_with("the state's root is"), "{root}");
    let logs = failed(&|fixture| fixture.post.get_mut("Osaka").unwrap()[0].logs.0[0] ^= 1);
    assert!(logs.starts_with("the logs' hash is"), "{logs}");
    let exception = failed(&|fixture| {
        fixture.post.get_mut("Osaka").unwrap()[0].expect_exception =
            Some("TransactionException.NONCE_IS_MAX".to_owned());
    });
    assert!(
        exception.starts_with("included, but expected"),
        "{exception}"
    );
}

#[test]
fn another_refusal_than_expected_fails() {
    let mut fixture = one("refused/nonce_too_low");
    fixture.info.as_mut().unwrap().cloister_refusal = Some("nonce_too_high".to_owned());
    assert_eq!(
        ran(&fixture).comparison,
        Comparison::Failed("refused with nonce_too_low, not with nonce_too_high".to_owned())
    );
    fixture.info = None;
    assert_eq!(ran(&fixture).comparison, Comparison::Passed);
    fixture.post.get_mut("Osaka").unwrap()[0].expect_exception = None;
    assert!(matches!(ran(&fixture).comparison, Comparison::Failed(_)));
}

/// SSTF-8. Each difference between the chain and Ethereum is named, and only where it decides.
#[test]
fn a_known_difference_is_a_reason_to_skip() {
    let mut randao = one("transactions/late_block");
    let ran_with = |fixture: &Fixture| ran(fixture).comparison;
    assert_eq!(ran_with(&randao), Comparison::Passed);
    randao.env.current_random = Some(Number::new(U256::from(5)));
    let slot = |fixture: &mut Fixture, slot: &str, value: u64| {
        let accounts = fixture.post.get_mut("Osaka").unwrap()[0]
            .state
            .as_mut()
            .unwrap();
        let account = accounts
            .values_mut()
            .find(|account| !account.storage.is_empty());
        let storage = &mut account.unwrap().storage;
        storage.insert(slot.to_owned(), Number::new(U256::from(value)));
    };
    slot(&mut randao, "0x06", 5);
    assert_eq!(
        ran_with(&randao),
        Comparison::Skipped("PREVRANDAO is a digest of the parent's hash here".to_owned())
    );
    // The reason must explain the whole mismatch.
    slot(&mut randao, "0x00", 1);
    assert!(matches!(ran_with(&randao), Comparison::Failed(_)));
}

#[test]
fn what_the_chain_cannot_hold_is_skipped_with_its_reason() {
    let honest = one("transactions/legacy_transfer");
    let reason = |change: &dyn Fn(&mut Fixture)| {
        let mut fixture = honest.clone();
        change(&mut fixture);
        let ran = ran(&fixture);
        assert!(ran.batch.is_none());
        match ran.comparison {
            Comparison::Skipped(reason) => reason,
            other => panic!("{other:?}"),
        }
    };
    let fork = reason(&|fixture| {
        let posts = fixture.post.remove("Osaka").unwrap();
        fixture.post.insert("London".to_owned(), posts);
    });
    assert_eq!(fork, "the chain has no rules of this fork");
    let reserved = reason(&|fixture| {
        let account = fixture.pre.values().next().unwrap().clone();
        fixture.pre.insert(case::HISTORY_ADDRESS, account);
    });
    assert!(reserved.contains("of the chain's own"), "{reserved}");
    let number = reason(&|fixture| fixture.env.current_number = Number("0x00".to_owned()));
    assert_eq!(number, "unfit for the chain: the case is in block 0");
    let wide = reason(&|fixture| {
        fixture.env.current_gas_limit = Number("0x01ffffffffffffffff".to_owned());
    });
    assert!(wide.contains("above 64 bits"), "{wide}");
}

#[test]
fn a_transaction_without_bytes_is_signed_with_the_fixtures_key() {
    for name in [
        "transactions/legacy_transfer",
        "transactions/access_list_slot",
        "transactions/fees_capped",
        "authorizations/set_code",
    ] {
        let mut fixture = one(name);
        let Some((_, Verdict::Valid(hash))) = ran(&fixture).batch else {
            panic!("{name} is valid");
        };
        fixture.post.get_mut("Osaka").unwrap()[0].txbytes = None;
        let again = ran(&fixture);
        assert_eq!(again.comparison, Comparison::Passed);
        assert_eq!(again.batch.unwrap().1, Verdict::Valid(hash), "{name}");
    }
}

/// Ethereum takes transactions from before EIP-155; this chain does not, and runs such a test with
/// the transaction signed anew. A test of our own says that it must be refused.
#[test]
fn a_transaction_without_chain_id_is_signed_anew_for_tests_of_others() {
    let mut fixture = one("refused/unprotected");
    assert_eq!(ran(&fixture).comparison, Comparison::Passed);
    fixture.info = None;
    let signed = ran(&fixture);
    assert_eq!(signed.comparison, Comparison::Passed);
    assert!(matches!(signed.batch, Some((_, Verdict::Valid(_)))));
    fixture.transaction.secret_key = None;
    assert_eq!(
        ran(&fixture).comparison,
        Comparison::Skipped("no transaction: the fixture gives no key".to_owned())
    );
}
