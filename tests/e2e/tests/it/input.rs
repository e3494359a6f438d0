//! Bad input at the gateway: each has its own clear answer and loses nothing.

use alloy::primitives::{Bytes, TxKind, U256};
use cloister_test_kit::client::{Client, Wallet};
use cloister_test_kit::service::ServiceName;
use cloister_test_kit::stack::{Options, Stack};
use serde_json::{Value, json};

use crate::token;

async fn text(client: &Client, body: &str) -> (u16, Value) {
    let (status, text) = client.post_raw("/", body.to_owned()).await.unwrap();
    let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
    (status, value)
}

#[tokio::test]
async fn bad_requests_are_told_apart() {
    let stack = Stack::start(Options::default()).await.unwrap();
    let alice = Client::login(&stack, &stack.people.alice).await.unwrap();

    let (_, malformed) = text(&alice, "{\"jsonrpc\": \"2.0\", \"id\": 1, ").await;
    assert_eq!(malformed["error"]["code"], -32700, "{malformed}");
    let (_, shapeless) = text(&alice, "[]").await;
    assert_eq!(shapeless["error"]["code"], -32600, "{shapeless}");
    let unknown = alice.refused("eth_mine", json!([])).await.unwrap();
    assert_eq!(unknown["code"], -32601, "{unknown}");
    assert_eq!(alice.post_endless(2 * 1024 * 1024).await.unwrap().0, 413);
    let one = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []});
    let (_, many) = text(&alice, &Value::from(vec![one; 1_000]).to_string()).await;
    assert_eq!(many["error"]["code"], -32005, "{many}");

    let nobody = Client::new(&stack, None).unwrap();
    let question = r#"{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}"#;
    assert_eq!(text(&nobody, question).await.0, 401);
    let forged = Client::new(&stack, Some("e30.e30.e30".to_owned())).unwrap();
    assert_eq!(text(&forged, question).await.0, 401);
    // The stack lives on.
    alice.rpc("eth_blockNumber", json!([])).await.unwrap();
}

async fn code_of(client: &Client, raw: String) -> String {
    let error = client
        .refused("eth_sendRawTransaction", json!([raw]))
        .await
        .unwrap();
    error["data"]["code"]
        .as_str()
        .unwrap_or_else(|| panic!("no code in {error}"))
        .to_owned()
}

#[tokio::test]
async fn bad_transactions_are_told_apart() {
    let stack = Stack::start(Options::default()).await.unwrap();
    let alice = Client::login(&stack, &stack.people.alice).await.unwrap();
    let mut wallet = Wallet::random();
    alice.link(&wallet).await.unwrap();

    // A contract that reverts, deployed so that later refusals are not for want of rights.
    let token = token::deploy(&alice, &mut wallet).await;
    let mut stranger = Wallet::random();
    let unlinked = token::transfer(&mut stranger, token, wallet.address(), 1);
    assert_eq!(code_of(&alice, unlinked).await, "signer_not_linked");

    let input = Bytes::new();
    let used = wallet
        .sign_with(
            0,
            TxKind::Create,
            U256::ZERO,
            token::creation_code("x").await,
        )
        .unwrap();
    assert_eq!(code_of(&alice, used).await, "nonce_too_low");
    let mut huge = vec![0x61, 0xff, 0xff, 0x60, 0x00, 0xf3];
    huge.extend([0; 8]);
    // PUSH2 0xffff PUSH1 0 RETURN: 65,535 bytes of code, over EIP-170's 24,576.
    let receipt = {
        let raw = wallet
            .sign(TxKind::Create, U256::ZERO, huge.into())
            .unwrap();
        alice.send(&raw).await.unwrap()
    };
    assert_eq!(receipt["status"], "0x0", "{receipt}");
    let rich = wallet
        .sign_with(wallet.nonce(), TxKind::Create, U256::from(1), input)
        .unwrap();
    assert_eq!(code_of(&alice, rich).await, "insufficient_funds");

    let call = token::Token::transferCall {
        to: stranger.address(),
        amount: U256::from(5),
    };
    let data = alloy::hex::encode_prefixed(alloy::sol_types::SolCall::abi_encode(&call));
    let call = json!([{"from": wallet.address(), "to": token, "data": data}, "latest"]);
    let reverted = alice.refused("eth_call", call).await.unwrap();
    assert_eq!(reverted["code"], 3, "{reverted}");
    let reason = reverted["data"].as_str().unwrap();
    // ERC20InsufficientBalance(address,uint256,uint256)
    assert!(reason.starts_with("0xe450d38c"), "{reverted}");
}

#[tokio::test]
async fn an_unknown_configuration_key_stops_a_service_before_it_starts() {
    let mut stack = Stack::prepare(Options::default()).unwrap();
    stack.start_postgres().await.unwrap();
    stack.start_provider().await.unwrap();
    stack.start_service(ServiceName::Sequencer).await.unwrap();
    let path = stack.file("sequencer.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("[surprise]\nkey = 1\n{text}")).unwrap();
    let service = stack.service(ServiceName::Sequencer).unwrap();
    let refusal = service.check_config().await.unwrap_err().to_string();
    assert!(refusal.contains("surprise"), "{refusal}");
}
