//! Linking wallets: bound to the principal, the domain and the chain; once.

use cloister_test_kit::client::{Client, Wallet};
use serde_json::{Value, json};

use crate::support::stack;

async fn post(client: &Client, path: &str, body: Value) -> (u16, Value) {
    let (status, text) = client.post_raw(path, body.to_string()).await.unwrap();
    (
        status,
        serde_json::from_str(&text).unwrap_or(Value::String(text)),
    )
}

async fn challenge(client: &Client, wallet: &Wallet) -> String {
    let body = json!({"address": wallet.address()});
    let (status, answer) = post(client, "/wallets/challenge", body).await;
    assert_eq!(status, 200, "{answer}");
    answer["message"].as_str().unwrap().to_owned()
}

fn proof(wallet: &Wallet, message: &str) -> Value {
    json!({"message": message, "signature": wallet.sign_text(message).unwrap()})
}

fn message(answer: &Value) -> &str {
    answer["error"]["message"].as_str().unwrap()
}

#[tokio::test]
async fn a_wallet_is_linked_once_to_one_principal() {
    // Defends SGW-8.
    let stack = stack().await;
    let alice = Client::login(&stack, &stack.people.alice).await.unwrap();
    let bob = Client::login(&stack, &stack.people.bob).await.unwrap();
    let wallet = Wallet::random();
    let for_alice = challenge(&alice, &wallet).await;

    let (status, stolen) = post(&bob, "/wallets", proof(&wallet, &for_alice)).await;
    assert_eq!(status, 400, "a nonce of somebody else: {stolen}");
    assert!(message(&stolen).contains("nonce is unknown"), "{stolen}");

    let stranger = Wallet::random();
    let signature = stranger.sign_text(&for_alice).unwrap();
    let wrong = json!({"message": for_alice, "signature": signature});
    let (status, wrong) = post(&alice, "/wallets", wrong).await;
    assert_eq!(status, 400, "{wrong}");
    assert!(
        message(&wrong).contains("signature is not one of the wallet"),
        "{wrong}"
    );

    for (from, to, what) in [
        ("localhost:", "evil.example:", "another domain"),
        ("Chain ID: ", "Chain ID: 1", "another chain"),
    ] {
        let changed = for_alice.replacen(from, to, 1);
        let (status, refused) = post(&alice, "/wallets", proof(&wallet, &changed)).await;
        assert_eq!(status, 400, "{refused}");
        assert!(message(&refused).contains(what), "{refused}");
    }

    let (status, linked) = post(&alice, "/wallets", proof(&wallet, &for_alice)).await;
    assert_eq!(status, 201, "{linked}");
    let (status, replayed) = post(&alice, "/wallets", proof(&wallet, &for_alice)).await;
    assert_eq!(status, 400, "a nonce is good once: {replayed}");

    let for_bob = challenge(&bob, &wallet).await;
    let (status, taken) = post(&bob, "/wallets", proof(&wallet, &for_bob)).await;
    assert_eq!(status, 409, "{taken}");
    let me = alice.rpc("cloister_whoami", json!([])).await.unwrap();
    assert_eq!(me["wallets"], json!([format!("{:?}", wallet.address())]));
    assert_eq!(
        bob.rpc("cloister_whoami", json!([])).await.unwrap()["wallets"],
        json!([])
    );
}

#[tokio::test]
async fn a_body_that_is_not_what_the_endpoint_takes_is_refused() {
    let stack = stack().await;
    let alice = Client::login(&stack, &stack.people.alice).await.unwrap();
    for body in [
        json!({}),
        json!({"address": "0x1"}),
        json!({"address": "x", "more": 1}),
        json!(1),
    ] {
        let (status, answer) = post(&alice, "/wallets/challenge", body).await;
        assert!((400..=422).contains(&status), "{status} {answer}");
        assert_eq!(
            answer["error"]["data"]["code"], "invalid_params",
            "{answer}"
        );
    }
    let nobody = Client::new(&stack, None).unwrap();
    let (status, _) = post(&nobody, "/wallets/challenge", json!({})).await;
    assert_eq!(status, 401);
}
