//! Who may make, see and end grants, and when one ends.

use std::sync::atomic::Ordering;

use cloister_audit::Outcome;
use reqwest::Method;
use serde_json::{Value, json};

use crate::installation::Installation;
use crate::world::ALICE;

fn order(grant: &str) -> Value {
    json!({"grant": grant, "claim": {"kind": "account_state", "address": ALICE}})
}

#[tokio::test]
async fn only_compliance_makes_and_ends_grants() {
    let installation = Installation::start().await;
    let grant = installation.grant(&installation.terms()).await;
    let people = &installation.people;
    for person in [&people.dave, &people.alice, &people.nobody] {
        let token = installation.token(person).await;
        let made = installation
            .post("/v1/grants", &token, &installation.terms())
            .await;
        assert_eq!(
            (made.status, made.code()),
            (403, "forbidden"),
            "{}",
            person.login
        );
        let path = format!("/v1/grants/{grant}");
        let ended = installation
            .send(Method::DELETE, &path, Some(&token), None)
            .await;
        assert_eq!(
            (ended.status, ended.code()),
            (403, "forbidden"),
            "{}",
            person.login
        );
    }
    let mut own = installation.terms();
    own["auditor"] = json!({"subject": "carol"});
    let carol = installation.token(&people.carol).await;
    let to_oneself = installation.post("/v1/grants", &carol, &own).await;
    assert_eq!((to_oneself.status, to_oneself.code()), (403, "forbidden"));
    let mut long = installation.terms();
    long["expires_at"] = json!(installation.now() + 91 * 86_400);
    let too_long = installation.post("/v1/grants", &carol, &long).await;
    assert_eq!((too_long.status, too_long.code()), (403, "forbidden"));
    let rows = installation.audit().await;
    let denied = rows
        .iter()
        .filter(|entry| entry.row.outcome == Outcome::Denied)
        .count();
    assert_eq!(denied, 8);
}

#[tokio::test]
async fn an_auditor_sees_their_own_grants_and_compliance_all() {
    let installation = Installation::start().await;
    let people = &installation.people;
    let daves = installation.grant(&installation.terms()).await;
    let mut terms = installation.terms();
    terms["auditor"] = json!({"subject": "erin"});
    let erins = installation.grant(&terms).await;
    let listed = async |person| {
        let token = installation.token(person).await;
        let answer = installation
            .send(Method::GET, "/v1/grants", Some(&token), None)
            .await;
        let grants = answer.body["grants"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let mut ids: Vec<Value> = grants.iter().map(|grant| grant["id"].clone()).collect();
        ids.sort_by_key(ToString::to_string);
        (answer.status, ids)
    };
    let mut both = vec![json!(daves), json!(erins)];
    both.sort_by_key(ToString::to_string);
    assert_eq!(listed(&people.carol).await, (200, both));
    assert_eq!(listed(&people.dave).await, (200, vec![json!(daves)]));
    assert_eq!(listed(&people.erin).await, (200, vec![json!(erins)]));
    assert_eq!(listed(&people.alice).await, (403, vec![]));
}

#[tokio::test]
async fn a_request_without_a_good_token_is_refused_and_recorded() {
    let installation = Installation::start().await;
    let token = installation.token(&installation.people.dave).await;
    let changed = format!("{}x", &token[..token.len() - 1]);
    for bad in [None, Some("nonsense"), Some(changed.as_str())] {
        let answer = installation
            .send(Method::GET, "/v1/grants", bad, None)
            .await;
        assert_eq!(
            (answer.status, answer.code()),
            (401, "unauthenticated"),
            "{}",
            answer.text
        );
    }
    installation.clock.advance_ms(7_300 * 1000);
    let expired = installation
        .send(Method::GET, "/v1/grants", Some(&token), None)
        .await;
    assert_eq!((expired.status, expired.code()), (401, "unauthenticated"));
    let rows = installation.audit().await;
    assert_eq!(rows.len(), 4);
    assert!(
        rows.iter()
            .all(|entry| entry.row.outcome == Outcome::Unauthenticated)
    );
    assert!(rows.iter().all(|entry| entry.row.principal == "anonymous"));
}

#[tokio::test]
async fn a_grant_ends_at_its_time_and_when_revoked() {
    let installation = Installation::start().await;
    let ending = installation.grant(&installation.terms()).await;
    let revoked = installation.grant(&installation.terms()).await;
    let dave = installation.token(&installation.people.dave).await;
    let given = installation
        .post("/v1/packages", &dave, &order(&revoked))
        .await;
    assert_eq!(given.status, 200);

    let carol = installation.token(&installation.people.carol).await;
    let path = format!("/v1/grants/{revoked}");
    for _ in 0..2 {
        let ended = installation
            .send(Method::DELETE, &path, Some(&carol), None)
            .await;
        assert_eq!(ended.status, 204);
    }
    let after = installation
        .post("/v1/packages", &dave, &order(&revoked))
        .await;
    assert_eq!((after.status, after.code()), (403, "grant_revoked"));
    let absent = "/v1/grants/0197f3a2-0000-7000-8000-00000000dead";
    let absent = installation
        .send(Method::DELETE, absent, Some(&carol), None)
        .await;
    assert_eq!((absent.status, absent.code()), (404, "unknown_grant"));
    let nonsense = installation
        .send(Method::DELETE, "/v1/grants/7", Some(&carol), None)
        .await;
    assert_eq!((nonsense.status, nonsense.code()), (400, "invalid_request"));

    installation.clock.advance_ms(3_600 * 1000);
    let late = installation
        .post("/v1/packages", &dave, &order(&ending))
        .await;
    assert_eq!((late.status, late.code()), (403, "grant_expired"));
    let listed = installation
        .send(Method::GET, "/v1/grants", Some(&dave), None)
        .await;
    let mut states: Vec<&str> = listed.body["grants"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|grant| grant["state"].as_str())
        .collect();
    states.sort_unstable();
    assert_eq!(states, ["expired", "revoked"]);
}

/// SDS-3: the right ends while the package is being made.
#[tokio::test]
async fn a_grant_that_ends_before_delivery_gives_nothing() {
    let installation = Installation::start().await;
    let dave = installation.token(&installation.people.dave).await;
    let carol = installation.token(&installation.people.carol).await;
    let chain = &installation.chain;
    chain.hold.store(true, Ordering::SeqCst);

    let grant = installation.grant(&installation.terms()).await;
    let order = order(&grant);
    let meanwhile = async {
        chain.held.acquire().await.expect("open").forget();
        let path = format!("/v1/grants/{grant}");
        let ended = installation
            .send(Method::DELETE, &path, Some(&carol), None)
            .await;
        assert_eq!(ended.status, 204);
        chain.release.add_permits(1);
    };
    let (answer, ()) = tokio::join!(installation.post("/v1/packages", &dave, &order), meanwhile);
    assert_eq!(
        (answer.status, answer.code()),
        (403, "grant_revoked"),
        "{}",
        answer.text
    );

    let grant = installation.grant(&installation.terms()).await;
    let order = json!({"grant": grant, "claim": order["claim"]});
    let meanwhile = async {
        chain.held.acquire().await.expect("open").forget();
        installation.clock.advance_ms(3_600 * 1000);
        chain.release.add_permits(1);
    };
    let (answer, ()) = tokio::join!(installation.post("/v1/packages", &dave, &order), meanwhile);
    assert_eq!(
        (answer.status, answer.code()),
        (403, "grant_expired"),
        "{}",
        answer.text
    );

    let mut connection = installation.database.connect().await.expect("a connection");
    let delivered: i64 = sqlx::query_scalar("SELECT count(*) FROM package")
        .fetch_one(&mut connection)
        .await
        .expect("a count");
    assert_eq!(delivered, 0);
}

#[tokio::test]
async fn terms_that_make_no_sense_are_refused_with_their_reason() {
    let installation = Installation::start().await;
    let carol = installation.token(&installation.people.carol).await;
    let with = |name: &str, value: Value| {
        let mut terms = installation.terms();
        terms[name] = value;
        terms
    };
    let many: Vec<String> = (0..21).map(|i| format!("0x{i:040x}")).collect();
    for (terms, part) in [
        (with("case_reference", json!("")), "case_reference"),
        (with("kinds", json!([])), "kinds"),
        (with("kinds", json!(["storage_slot"])), "storage"),
        (with("kinds", json!(["everything"])), "everything"),
        (with("expires_at", json!(1)), "expires_at"),
        (with("last_batch", json!(-1)), "body is not valid"),
        (with("scope", json!({"accounts": many})), "at most 20"),
        (
            with("scope", json!({"accounts": ["0x12"]})),
            "body is not valid",
        ),
        (with("surprise", json!(1)), "surprise"),
    ] {
        let answer = installation.post("/v1/grants", &carol, &terms).await;
        assert_eq!(
            (answer.status, answer.code()),
            (400, "invalid_request"),
            "{}",
            answer.text
        );
        assert!(answer.text.contains(part), "{part}: {}", answer.text);
    }
    for (method, path, status) in [
        (Method::GET, "/v2/grants", 404),
        (Method::PUT, "/v1/grants", 405),
    ] {
        let answer = installation.send(method, path, Some(&carol), None).await;
        assert_eq!(answer.status, status, "{}", answer.text);
    }
    let key = installation
        .send(Method::GET, "/v1/issuer-key", None, None)
        .await;
    let issuer = crate::world::issuer();
    assert_eq!(key.body["thumbprint"], json!(issuer.thumbprint()));
}
