//! What an auditor gets under a grant, and what not.

use cloister_audit::Outcome;
use cloister_disclosure::{Claim, Expectations, LifecycleAtIssue, Package, VerifyError, verify};
use cloister_types::{Address, B256};
use serde_json::{Value, json};

use crate::chain::SEALED;
use crate::installation::{Answer, Installation, eventually};
use crate::world::{ALICE, BATCH, BOB, NOBODY, ROLLUP, TOKEN, issuer};

fn order(grant: &str, claim: impl Into<Value>) -> Value {
    let claim: Value = claim.into();
    json!({"grant": grant, "claim": claim})
}

fn account(address: Address) -> Value {
    json!({"kind": "account_state", "address": address})
}

fn transaction(installation: &Installation, index: usize) -> Value {
    json!({"kind": "transaction", "hash": installation.chain.committed.hashes()[index]})
}

/// Verifies a delivered file as an auditor would.
fn verified(installation: &Installation, answer: &Answer) -> Claim {
    assert_eq!(answer.status, 200, "{}", answer.text);
    let issuer = issuer();
    let expected = Expectations {
        issuer: Some(&issuer),
        rollup: Some(ROLLUP),
    };
    let anchor = installation.chain.committed.anchor();
    verify(answer.text.as_bytes(), &anchor, &expected)
        .expect("verifies")
        .claim
}

#[tokio::test]
async fn a_grant_gives_packages_that_verify_and_are_recorded() {
    let installation = Installation::start().await;
    let grant = installation.grant(&installation.terms()).await;
    let dave = installation.token(&installation.people.dave).await;
    let world = &installation.chain.committed;
    let balance = json!({"kind": "token_balance", "token": TOKEN, "holder": ALICE});
    let mut redacted = transaction(&installation, 2);
    redacted["withhold"] = json!(["input", "value"]);
    for (claim, expected) in [
        (account(ALICE), world.account(ALICE)),
        (balance, world.balance(ALICE)),
        (transaction(&installation, 2), world.transaction(2)),
    ] {
        let answer = installation
            .post("/v1/packages", &dave, &order(&grant, claim))
            .await;
        assert_eq!(verified(&installation, &answer), expected);
    }
    let answer = installation
        .post("/v1/packages", &dave, &order(&grant, redacted))
        .await;
    let Claim::Transaction(claim) = verified(&installation, &answer) else {
        panic!("another claim")
    };
    assert!(claim.fields.input.opened().is_none() && claim.fields.value.opened().is_none());
    assert!(claim.fields.sender.opened().is_some());

    let rows = installation.audit().await;
    let last: Vec<_> = rows
        .iter()
        .rev()
        .take(4)
        .map(|entry| entry.row.outcome)
        .collect();
    assert_eq!(last, [Outcome::Allowed; 4]);
    let mut verifier = cloister_audit::Verifier::new(&[]).expect("no anchors");
    for entry in &rows {
        verifier.push(entry).expect("a chain");
    }
    let head = verifier.finish().expect("a chain");
    eventually("the anchoring of the ledger's head", async || {
        let anchored = installation.chain.anchored.lock().expect("whole");
        anchored.last() == Some(&(head.count, head.hash.to_vec()))
    })
    .await;
    let mut connection = installation.database.connect().await.expect("a connection");
    let register: Vec<(String, i64, Vec<Vec<u8>>)> =
        sqlx::query_as("SELECT kind, batch, subject FROM package ORDER BY delivered_at, id")
            .fetch_all(&mut connection)
            .await
            .expect("rows");
    let alice = vec![ALICE.to_vec()];
    let batch = i64::try_from(BATCH).expect("small");
    let expected = [
        "account_state",
        "token_balance",
        "transaction",
        "transaction",
    ]
    .map(|kind| (kind.to_owned(), batch, alice.clone()));
    assert_eq!(register, expected);
}

/// SDS-2: outside the grant and absent are one answer.
#[tokio::test]
async fn outside_the_grant_answers_like_absent() {
    let installation = Installation::start().await;
    let mut terms = installation.terms();
    terms["first_batch"] = json!(BATCH);
    let grant = installation.grant(&terms).await;
    let accounts_only = {
        let mut terms = installation.terms();
        terms["kinds"] = json!(["account_state"]);
        installation.grant(&terms).await
    };
    let dave = installation.token(&installation.people.dave).await;
    let absent = json!({"kind": "transaction", "hash": format!("0x{}", "77".repeat(32))});
    let absent = installation
        .post("/v1/packages", &dave, &order(&grant, absent))
        .await;
    assert_eq!((absent.status, absent.code()), (404, "not_disclosable"));

    let mut early = order(&grant, account(ALICE));
    early["batch"] = json!(BATCH - 1);
    let mut other_batch = order(&grant, transaction(&installation, 2));
    other_batch["batch"] = json!(SEALED);
    let balance = json!({"kind": "token_balance", "token": TOKEN, "holder": BOB});
    let other_token = json!({"kind": "token_balance", "token": NOBODY, "holder": ALICE});
    let slot = json!({"kind": "storage_slot", "contract": TOKEN, "slot": B256::ZERO});
    for order in [
        order(&grant, account(BOB)),
        order(&grant, account(NOBODY)),
        order(&grant, balance),
        order(&grant, other_token),
        order(&grant, slot),
        order(&accounts_only, transaction(&installation, 2)),
        early,
        other_batch,
    ] {
        let answer = installation.post("/v1/packages", &dave, &order).await;
        assert_eq!(
            (answer.status, &answer.text),
            (absent.status, &absent.text),
            "{order}"
        );
    }
    let rows = installation.audit().await;
    assert!(
        rows.iter()
            .rev()
            .take(9)
            .all(|entry| entry.row.outcome == Outcome::Denied)
    );
}

#[tokio::test]
async fn a_grant_serves_its_own_auditor_only() {
    let installation = Installation::start().await;
    let grant = installation.grant(&installation.terms()).await;
    let unknown = order("0197f3a2-0000-7000-8000-00000000dead", account(ALICE));
    let erin = installation.token(&installation.people.erin).await;
    let absent = installation.post("/v1/packages", &erin, &unknown).await;
    assert_eq!((absent.status, absent.code()), (404, "unknown_grant"));
    for person in [
        &installation.people.erin,
        &installation.people.carol,
        &installation.people.alice,
        &installation.people.nobody,
    ] {
        let token = installation.token(person).await;
        let answer = installation
            .post("/v1/packages", &token, &order(&grant, account(ALICE)))
            .await;
        assert_eq!(
            (answer.status, &answer.text),
            (404, &absent.text),
            "{}",
            person.login
        );
    }
}

/// SDS-4: a batch that is not on Ethereum.
#[tokio::test]
async fn an_uncommitted_batch_is_given_only_on_request_and_says_so() {
    let installation = Installation::start().await;
    let grant = installation.grant(&installation.terms()).await;
    let dave = installation.token(&installation.people.dave).await;
    let mut early = order(&grant, account(ALICE));
    early["batch"] = json!(SEALED);
    let refused = installation.post("/v1/packages", &dave, &early).await;
    assert_eq!(
        (refused.status, refused.code()),
        (409, "batch_not_committed")
    );
    early["allow_uncommitted"] = json!(true);
    let given = installation.post("/v1/packages", &dave, &early).await;
    assert_eq!(given.status, 200, "{}", given.text);
    let package = Package::open(given.text.as_bytes()).expect("opens");
    assert_eq!(
        package.manifest().lifecycle_at_issue,
        LifecycleAtIssue::Sealed
    );
    // It is no proof for another batch, and becomes one when its own is committed.
    let other = installation.chain.committed.anchor();
    assert_eq!(
        package.clone().verify(&other, &Expectations::default()),
        Err(VerifyError::BatchNumber {
            package: SEALED,
            anchor: BATCH
        })
    );
    let own = installation.chain.sealed.anchor();
    assert!(package.verify(&own, &Expectations::default()).is_ok());
    early["batch"] = json!(SEALED + 1);
    let future = installation.post("/v1/packages", &dave, &early).await;
    assert_eq!((future.status, future.code()), (409, "batch_not_sealed"));
}

#[tokio::test]
async fn an_order_that_makes_no_sense_is_refused_with_its_reason() {
    let installation = Installation::start().await;
    let dave = installation.token(&installation.people.dave).await;
    let id = "0197f3a2-0000-7000-8000-00000000dead";
    for (body, part) in [
        ("{".to_owned(), "EOF"),
        ("[]".to_owned(), "body is not valid"),
        (
            order(id, json!({"kind": "everything"})).to_string(),
            "everything",
        ),
        (
            order(id, json!({"kind": "account_state"})).to_string(),
            "address",
        ),
        (order("x", account(ALICE)).to_string(), "body is not valid"),
        (
            json!({"grant": id, "claim": account(ALICE), "more": 1}).to_string(),
            "more",
        ),
    ] {
        let path = "/v1/packages";
        let answer = installation
            .send(reqwest::Method::POST, path, Some(&dave), Some(body))
            .await;
        assert_eq!(
            (answer.status, answer.code()),
            (400, "invalid_request"),
            "{}",
            answer.text
        );
        assert!(answer.text.contains(part), "{part}: {}", answer.text);
    }
    let long = Some(" ".repeat(70_000));
    let answer = installation
        .send(reqwest::Method::POST, "/v1/packages", Some(&dave), long)
        .await;
    assert_eq!(answer.status, 413, "{}", answer.text);
}

#[tokio::test]
async fn the_receiver_of_a_transfer_takes_part_in_it() {
    let installation = Installation::start().await;
    let mut terms = installation.terms();
    terms["scope"] = json!({"accounts": [BOB]});
    terms["kinds"] = json!(["transaction"]);
    let grant = installation.grant(&terms).await;
    let dave = installation.token(&installation.people.dave).await;
    // Number 2 names bob in its logs; number 0 has none.
    let named = order(&grant, transaction(&installation, 2));
    let named = installation.post("/v1/packages", &dave, &named).await;
    assert_eq!(
        verified(&installation, &named),
        installation.chain.committed.transaction(2)
    );
    let strange = order(&grant, transaction(&installation, 0));
    let strange = installation.post("/v1/packages", &dave, &strange).await;
    assert_eq!((strange.status, strange.code()), (404, "not_disclosable"));

    let mut terms = installation.terms();
    terms["scope"]["transactions"] = json!([installation.chain.committed.hashes()[2]]);
    let one = installation.grant(&terms).await;
    let listed = order(&one, transaction(&installation, 2));
    assert_eq!(
        installation
            .post("/v1/packages", &dave, &listed)
            .await
            .status,
        200
    );
    let other = order(&one, transaction(&installation, 4));
    assert_eq!(
        installation
            .post("/v1/packages", &dave, &other)
            .await
            .status,
        404
    );
}
