//! Malformed, oversized, unknown and unauthenticated requests.

use std::time::Duration;

use cloister_test_kit::client::Client;
use cloister_test_kit::service::ServiceName;
use cloister_test_kit::stack::Stack;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _};

use crate::support::{rows, stack};

async fn post(client: &Client, body: impl Into<String>) -> (u16, Value) {
    let (status, text) = client.post_raw("/", body.into()).await.unwrap();
    (
        status,
        serde_json::from_str(&text).unwrap_or(Value::String(text)),
    )
}

#[tokio::test]
async fn each_bad_request_has_its_own_answer() {
    let stack = stack().await;
    let alice = Client::login(&stack, &stack.people.alice).await.unwrap();
    let one = |id: u64| json!({"jsonrpc": "2.0", "id": id, "method": "eth_chainId"});
    for (body, code) in [
        ("{".to_owned(), -32700),
        ("[]".to_owned(), -32600),
        ("7".to_owned(), -32600),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"eth_mine"}"#.to_owned(),
            -32601,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":{}}"#.to_owned(),
            -32602,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":["x"]}"#.to_owned(),
            -32602,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"eth_accounts"}"#.to_owned(),
            -32004,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"personal_sign"}"#.to_owned(),
            -32004,
        ),
        ("[".repeat(100), -32005),
        (Value::from(vec![one(1); 101]).to_string(), -32005),
    ] {
        let (status, answer) = post(&alice, body.clone()).await;
        assert_eq!(answer["error"]["code"], code, "{body}: {answer}");
        assert_eq!(status, 200, "{answer}");
    }
    let (status, answer) = alice.post_endless(1024 * 1024 + 1).await.unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(
        (status, &answer["error"]["code"]),
        (413, &json!(-32005)),
        "{answer}"
    );

    let (_, batch) = post(&alice, json!([one(1), 5, one(2)]).to_string()).await;
    let ids: Vec<_> = batch
        .as_array()
        .unwrap()
        .iter()
        .map(|answer| &answer["id"])
        .collect();
    assert_eq!(ids, [&json!(1), &Value::Null, &json!(2)]);
    let notification = r#"{"jsonrpc":"2.0","method":"eth_chainId"}"#;
    assert_eq!(
        post(&alice, notification).await,
        (204, Value::String(String::new()))
    );
}

#[tokio::test]
async fn without_a_valid_token_only_constants_are_to_be_had() {
    // Defends SGW-5: a refusal of somebody unknown leaves a row.
    let stack = stack().await;
    let nobody = Client::new(&stack, None).unwrap();
    assert!(
        nobody
            .rpc("eth_chainId", json!([]))
            .await
            .unwrap()
            .is_string()
    );
    assert_eq!(rows(&stack, 1).await[0].0, "-");
    let height = r#"{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}"#;
    for token in [None, Some("e30.e30.e30"), Some("")] {
        let client = Client::new(&stack, token.map(str::to_owned)).unwrap();
        let (status, answer) = post(&client, height).await;
        assert_eq!(status, 401, "{answer}");
        assert_eq!(answer["error"]["data"]["code"], "unauthenticated");
        let row = rows(&stack, 1).await.remove(0);
        assert_eq!(
            row,
            (
                "-".to_owned(),
                "POST /".to_owned(),
                3,
                "unauthenticated".to_owned()
            )
        );
    }
    let mixed = format!("[{height}, {{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"eth_chainId\"}}]");
    assert_eq!(post(&nobody, mixed).await.0, 401);
    // The same token with a changed signature.
    let alice = Client::login(&stack, &stack.people.alice).await.unwrap();
    let mut token = alice.token().unwrap().to_owned();
    let flipped = if token.ends_with('A') { 'B' } else { 'A' };
    token.truncate(token.len() - 3);
    token.extend([flipped, flipped, flipped]);
    let forged = Client::new(&stack, Some(token)).unwrap();
    assert_eq!(post(&forged, height).await.0, 401);
}

#[tokio::test]
async fn every_request_leaves_a_row_before_its_answer() {
    // Defends SGW-5.
    let stack = stack().await;
    let alice = Client::login(&stack, &stack.people.alice).await.unwrap();
    let name = format!("{}|alice", stack.provider().unwrap().issuer());
    let row = |method: &str, outcome, rule: &str| {
        (name.clone(), method.to_owned(), outcome, rule.to_owned())
    };
    alice.rpc("eth_blockNumber", json!([])).await.unwrap();
    assert_eq!(
        rows(&stack, 1).await,
        [row("eth_blockNumber", 1, "rpc-any-role")]
    );
    alice
        .refused("cloister_sealBatch", json!([]))
        .await
        .unwrap();
    assert_eq!(
        rows(&stack, 1).await,
        [row("cloister_sealBatch", 2, "default-deny")]
    );
    alice.refused("eth_mine", json!([])).await.unwrap();
    assert_eq!(rows(&stack, 1).await, [row("eth_mine", 2, "method-table")]);
    alice.refused("eth_getBalance", json!([])).await.unwrap();
    assert_eq!(
        rows(&stack, 1).await,
        [row("eth_getBalance", 4, "rpc-any-role")]
    );
}

/// How many rows the ledger has.
async fn count(stack: &Stack) -> usize {
    rows(stack, 100_000).await.len()
}

#[tokio::test]
async fn a_malformed_request_leaves_one_row() {
    // Defends SGW-5.
    let stack = stack().await;
    let alice = Client::login(&stack, &stack.people.alice).await.unwrap();
    let nobody = Client::new(&stack, None).unwrap();
    let name = format!("{}|alice", stack.provider().unwrap().issuer());
    let entry = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"});
    let bodies = [
        "{".to_owned(),
        "[]".to_owned(),
        "7".to_owned(),
        r#"{"jsonrpc":"1.0","id":1,"method":"eth_chainId"}"#.to_owned(),
        "[".repeat(100),
        Value::from(vec![entry; 101]).to_string(),
        Value::from(vec![7; 100]).to_string(),
    ];
    let mut expected = count(&stack).await;
    for (client, who) in [(&alice, name.as_str()), (&nobody, "-")] {
        for body in &bodies {
            let (status, answer) = post(client, body.clone()).await;
            assert_eq!(status, 200, "{body}: {answer}");
            let row = rows(&stack, 1).await.remove(0);
            let wanted = (
                who.to_owned(),
                "POST /".to_owned(),
                4,
                "malformed".to_owned(),
            );
            assert_eq!(row, wanted, "{body}");
            expected += 1;
            assert_eq!(count(&stack).await, expected, "{body}");
        }
    }
    let http = stack.provider().unwrap().browser().unwrap();
    let ask = async |method: Method, path: &str| {
        let url = format!("{}{path}", stack.gateway_url());
        let request = http
            .request(method, url)
            .bearer_auth(alice.token().unwrap());
        request.body("{").send().await.unwrap().status()
    };
    for (method, path, endpoint) in [
        (Method::POST, "/wallets", "POST /wallets"),
        (
            Method::POST,
            "/wallets/challenge",
            "POST /wallets/challenge",
        ),
        (Method::DELETE, "/wallets/0x1", "DELETE /wallets"),
    ] {
        let status = ask(method, path).await;
        assert!(status.is_client_error(), "{endpoint}: {status}");
        let row = rows(&stack, 1).await.remove(0);
        let wanted = (name.clone(), endpoint.to_owned(), 4, "malformed".to_owned());
        assert_eq!(row, wanted);
        expected += 1;
        assert_eq!(count(&stack).await, expected, "{endpoint}");
    }
}

#[tokio::test]
async fn a_malformed_request_is_not_answered_without_its_row() {
    // Defends SGW-5.
    let stack = stack().await;
    let alice = Client::login(&stack, &stack.people.alice).await.unwrap();
    let database = &stack.databases.as_ref().unwrap().gateway;
    let mut database = database.connect().await.unwrap();
    let mut blocker = database.begin().await.unwrap();
    blocker
        .execute("LOCK TABLE audit_log IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    for body in ["{", "7", "[7]"] {
        let (status, answer) = post(&alice, body).await;
        assert_eq!(status, 503, "{body}: {answer}");
        assert_eq!(answer["error"]["data"]["part"], "audit ledger", "{body}");
    }
    let (status, answer) = alice.post_raw("/wallets", "{".to_owned()).await.unwrap();
    assert_eq!(status, 503, "{answer}");
    blocker.rollback().await.unwrap();
}

/// A gateway that lets everybody ask once a second, and twice after a pause.
async fn strict_stack() -> Stack {
    let mut stack = stack().await;
    let limits =
        "\n[limits]\nrequests_per_second = 1\nburst = 2\nanonymous_requests_per_second = 1\n";
    let path = stack.file("gateway.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, config + limits).unwrap();
    let gateway = stack.service(ServiceName::Gateway).unwrap();
    gateway.kill();
    gateway.start().unwrap();
    gateway.wait_ready(Duration::from_mins(1)).await.unwrap();
    stack
}

/// Asks ten times at once; how often that was too much.
async fn too_often(stack: &Stack, token: Option<&str>, method: &str, path: &str) -> usize {
    let http = stack.provider().unwrap().browser().unwrap();
    let url = format!("{}{path}", stack.gateway_url());
    let knock = |_| {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = http.request(method, &url).body("{}");
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        async { request.send().await.unwrap().status() }
    };
    let answers = futures::future::join_all((0..10).map(knock)).await;
    let limited = answers
        .iter()
        .filter(|status| **status == StatusCode::TOO_MANY_REQUESTS);
    limited.count()
}

#[tokio::test]
async fn nobody_asks_more_often_than_the_limit_by_any_endpoint() {
    // Defends SGW-14.
    let stack = strict_stack().await;
    let alice = Client::login(&stack, &stack.people.alice).await.unwrap();
    let token = alice.token().unwrap();
    let authenticated = [
        ("POST", "/"),
        ("GET", "/auth/me"),
        ("POST", "/auth/logout"),
        ("GET", "/wallets"),
        ("POST", "/wallets"),
        ("POST", "/wallets/challenge"),
        (
            "DELETE",
            "/wallets/0x00000000000000000000000000000000000abcde",
        ),
    ];
    let open = [("GET", "/auth/login"), ("GET", "/auth/callback")];
    let mut unlimited = Vec::new();
    for (method, path) in authenticated {
        let tokens = [
            ("no", None),
            ("a bad", Some("e30.e30.e30")),
            ("a", Some(token)),
        ];
        for (which, token) in tokens {
            if too_often(&stack, token, method, path).await == 0 {
                unlimited.push(format!("{method} {path} with {which} token"));
            }
        }
    }
    for (method, path) in open {
        if too_often(&stack, None, method, path).await == 0 {
            unlimited.push(format!("{method} {path}"));
        }
    }
    assert_eq!(unlimited, Vec::<String>::new());
}
