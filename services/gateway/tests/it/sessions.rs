//! How sessions and tokens end before their time.

use std::time::Duration;

use cloister_test_kit::client::Client;
use cloister_test_kit::service::ServiceName;
use cloister_test_kit::stack::Stack;
use reqwest::StatusCode;
use serde_json::json;

use crate::login::Browser;
use crate::support::{cli, code, stack};

const REVOKE: &str = "cloister_revokeSessions";

/// Runs a statement in the gateway's database.
async fn execute(stack: &Stack, statement: &'static str) -> u64 {
    let database = &stack.databases.as_ref().unwrap().gateway;
    let mut connection = database.connect().await.unwrap();
    let done = sqlx::query(statement).execute(&mut connection).await;
    done.unwrap().rows_affected()
}

async fn text(stack: &Stack, question: &'static str) -> String {
    let database = &stack.databases.as_ref().unwrap().gateway;
    let mut connection = database.connect().await.unwrap();
    let found = sqlx::query_scalar(question).fetch_one(&mut connection);
    found.await.unwrap()
}

#[tokio::test]
async fn what_is_revoked_is_refused_from_the_next_request_on_and_after_a_restart() {
    // Defends SGW-17.
    let mut stack = stack().await;
    let alice = Client::login(&stack, &stack.people.alice).await.unwrap();
    let bob = Client::login(&stack, &stack.people.bob).await.unwrap();
    let operator = Client::login(&stack, &stack.people.operator).await.unwrap();
    let browser = Browser::new(&stack);
    browser.login(&stack).await;
    assert_eq!(browser.get("/auth/me").await.0, StatusCode::OK);
    // Remembered as good from here on.
    alice.rpc("eth_blockNumber", json!([])).await.unwrap();

    let tool = cli(&stack, "olivia", &operator);
    let said = tool.run(["session", "revoke", "alice"]).await.unwrap();
    assert!(said.contains("browser sessions ended: 1,"), "{said}");
    assert_eq!(
        code(&alice, "eth_blockNumber", json!([])).await,
        "unauthenticated"
    );
    assert_eq!(browser.get("/auth/me").await.0, StatusCode::UNAUTHORIZED);

    let row = text(
        &stack,
        "SELECT concat_ws(' ', principal, resource, rule, outcome) FROM audit_log
         WHERE method = 'cloister_revokeSessions'",
    );
    let issuer = stack.provider().unwrap().issuer();
    let expected = format!("{issuer}|olivia principal:{issuer}|alice administer-operator 1");
    assert_eq!(row.await, expected);
    let why = text(
        &stack,
        "SELECT resource FROM audit_log WHERE outcome = 3 AND method = 'POST /'",
    );
    assert_eq!(why.await, format!("`{issuer}|alice` was revoked"));

    bob.rpc("eth_blockNumber", json!([])).await.unwrap();
    // The same name at another provider is somebody else.
    let elsewhere = json!(["bob", "https://elsewhere.example"]);
    operator.rpc(REVOKE, elsewhere).await.unwrap();
    bob.rpc("eth_blockNumber", json!([])).await.unwrap();

    let gateway = stack.service(ServiceName::Gateway).unwrap();
    gateway.kill();
    gateway.start().unwrap();
    gateway.wait_ready(Duration::from_mins(1)).await.unwrap();
    assert_eq!(
        code(&alice, "eth_blockNumber", json!([])).await,
        "unauthenticated"
    );
}

#[tokio::test]
async fn who_was_revoked_can_log_in_again() {
    let stack = stack().await;
    let carol = Client::login(&stack, &stack.people.carol).await.unwrap();
    carol.rpc(REVOKE, json!(["alice"])).await.unwrap();
    let browser = Browser::new(&stack);
    browser.login(&stack).await;
    assert_eq!(browser.get("/auth/me").await.0, StatusCode::OK);
    // A token counts as 30 seconds older than it says: the provider's clock may be ahead.
    let alice = Client::login(&stack, &stack.people.alice).await.unwrap();
    assert_eq!(
        code(&alice, "eth_blockNumber", json!([])).await,
        "unauthenticated"
    );
    execute(
        &stack,
        "UPDATE revocations SET revoked_at_ms = revoked_at_ms - 31000",
    )
    .await;
    alice.rpc("eth_blockNumber", json!([])).await.unwrap();
    // Revoked again it is refused again.
    carol.rpc(REVOKE, json!(["alice"])).await.unwrap();
    assert_eq!(
        code(&alice, "eth_blockNumber", json!([])).await,
        "unauthenticated"
    );
    assert_eq!(browser.get("/auth/me").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(code(&carol, REVOKE, json!([""])).await, "invalid_params");
}

#[tokio::test]
async fn a_session_that_the_revocation_did_not_see_is_refused_too() {
    // Defends SGW-17: a login that ended at the same moment wrote its row after the revocation
    // looked for it.
    let stack = stack().await;
    let browser = Browser::new(&stack);
    browser.login(&stack).await;
    let late =
        "INSERT INTO revocations SELECT issuer, subject, created_at_ms, '-', '-' FROM sessions";
    assert_eq!(execute(&stack, late).await, 1);
    assert_eq!(browser.get("/auth/me").await.0, StatusCode::UNAUTHORIZED);
    let before = "UPDATE revocations SET revoked_at_ms = revoked_at_ms - 1";
    assert_eq!(execute(&stack, before).await, 1);
    assert_eq!(browser.get("/auth/me").await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_session_ends_when_it_is_idle_or_old() {
    let stack = stack().await;
    let browser = Browser::new(&stack);
    browser.login(&stack).await;
    let older = "UPDATE sessions SET created_at_ms = created_at_ms - 1790000,
                   last_used_at_ms = last_used_at_ms - 1790000";
    assert_eq!(execute(&stack, older).await, 1);
    assert_eq!(browser.get("/auth/me").await.0, StatusCode::OK);
    // That was a use; another half an hour without one is too long.
    assert_eq!(execute(&stack, older).await, 1);
    let idle = "UPDATE sessions SET last_used_at_ms = last_used_at_ms - 10001";
    assert_eq!(execute(&stack, idle).await, 1);
    assert_eq!(browser.get("/auth/me").await.0, StatusCode::UNAUTHORIZED);

    browser.login(&stack).await;
    assert_eq!(browser.get("/auth/me").await.0, StatusCode::OK);
    let length =
        "SELECT string_agg((expires_at_ms - created_at_ms)::text, ' ' ORDER BY created_at_ms DESC)
                  FROM sessions";
    let lengths = text(&stack, length).await;
    assert!(lengths.starts_with("28800000"), "{lengths}");
    let old = "UPDATE sessions SET created_at_ms = created_at_ms - 28800000,
                 expires_at_ms = expires_at_ms - 28800000";
    assert!(execute(&stack, old).await > 0);
    assert_eq!(browser.get("/auth/me").await.0, StatusCode::UNAUTHORIZED);
}
