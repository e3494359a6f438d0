//! Two principals at two desks: what is not yours looks as if it were not there.

use alloy::primitives::{Address, B256, Bytes, TxKind, U256};
use cloister_test_kit::client::{Client, Wallet};
use serde_json::{Value, json};

use crate::support::{
    NOWHERE, balance_data, deploy, person, stack, token, transfer, transfer_data, transfer_topic,
};

/// The same answer for what is hidden and for what is absent, down to the bytes.
async fn alike(client: &Client, method: &str, hidden: Value, absent: Value) {
    let body = |params: &Value| {
        json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()
    };
    let first = client.post_raw("/", body(&hidden)).await.unwrap();
    let second = client.post_raw("/", body(&absent)).await.unwrap();
    assert_eq!(first, second, "{method} tells {hidden} from {absent}");
}

/// Calls and estimates, with and without data and value.
async fn calls_alike(bob: &Client, me: Address, token: Address) {
    let customer = Address::repeat_byte(0xcc);
    for data in [
        balance_data(customer),
        transfer_data(customer, 1),
        Bytes::new(),
    ] {
        for method in ["eth_call", "eth_estimateGas"] {
            let to = |to: Address| json!([{"from": me, "to": to, "data": data}]);
            alike(bob, method, to(token), to(NOWHERE)).await;
            let sent = |to: Address| json!([{"from": me, "to": to, "data": data, "value": "0x1"}]);
            alike(bob, method, sent(token), sent(NOWHERE)).await;
        }
    }
}

/// A transaction to the other desk's contract is refused like one to no contract.
async fn transactions_alike(bob: &Client, mut purse: Wallet, token: Address) {
    let me = purse.address();
    let nonce = purse.nonce();
    let mut sign = |to: Address| {
        purse.set_nonce(nonce);
        purse
            .sign(TxKind::Call(to), U256::ZERO, transfer_data(me, 1))
            .unwrap()
    };
    let (hidden, absent) = (sign(token), sign(NOWHERE));
    alike(
        bob,
        "eth_sendRawTransaction",
        json!([hidden]),
        json!([absent]),
    )
    .await;
    let denied = bob
        .refused("eth_sendRawTransaction", json!([hidden]))
        .await
        .unwrap();
    assert_eq!(denied["code"], -32001);
    assert_eq!(denied["data"], json!({"code": "denied", "rule": "send"}));
}

#[tokio::test]
async fn hidden_and_absent_are_indistinguishable() {
    // Defends SGW-2.
    let stack = stack().await;
    let (alice, mut treasury) = person(&stack, &stack.people.alice).await;
    let (bob, purse) = person(&stack, &stack.people.bob).await;
    let token = deploy(&alice, &mut treasury, token()).await;
    let customer = Address::repeat_byte(0xcc);
    let receipt = transfer(&alice, &mut treasury, token, customer, 5).await;
    let (hash, block) = (
        receipt["transactionHash"].clone(),
        receipt["blockNumber"].clone(),
    );
    let nothing = json!(B256::repeat_byte(0x77));
    let me = purse.address();

    for method in [
        "eth_getTransactionByHash",
        "eth_getTransactionReceipt",
        "eth_getRawTransactionByHash",
        "cloister_getBatchByTransaction",
        "cloister_getFinality",
    ] {
        alike(&bob, method, json!([hash]), json!([nothing])).await;
    }
    for method in ["eth_getBalance", "eth_getTransactionCount", "eth_getCode"] {
        for hidden in [token, treasury.address()] {
            alike(
                &bob,
                method,
                json!([hidden, "latest"]),
                json!([NOWHERE, "latest"]),
            )
            .await;
        }
    }
    calls_alike(&bob, me, token).await;
    let from = |from: Address| json!([{"from": from, "to": NOWHERE, "data": "0x01020304"}]);
    alike(&bob, "eth_call", from(treasury.address()), from(NOWHERE)).await;
    let logs = |of: Address| json!([{"fromBlock": "0x0", "toBlock": "latest", "address": of}]);
    alike(&bob, "eth_getLogs", logs(token), logs(NOWHERE)).await;
    for method in [
        "cloister_registerContract",
        "cloister_getContract",
        "cloister_getStateProof",
    ] {
        alike(&bob, method, json!([token]), json!([NOWHERE])).await;
    }
    for method in [
        "eth_getTransactionByBlockNumberAndIndex",
        "eth_getRawTransactionByBlockNumberAndIndex",
    ] {
        alike(&bob, method, json!([block, "0x0"]), json!([block, "0x9"])).await;
    }

    transactions_alike(&bob, purse, token).await;
}

#[tokio::test]
async fn a_block_shows_and_counts_only_what_is_visible() {
    // Defends SGW-3.
    let stack = stack().await;
    let (alice, mut treasury) = person(&stack, &stack.people.alice).await;
    let (bob, purse) = person(&stack, &stack.people.bob).await;
    let carol = Client::login(&stack, &stack.people.carol).await.unwrap();
    let token = deploy(&alice, &mut treasury, token()).await;
    let hidden = transfer(&alice, &mut treasury, token, NOWHERE, 5).await;
    let by_number = json!([hidden["blockNumber"], true]);

    let seen = bob
        .rpc("eth_getBlockByNumber", by_number.clone())
        .await
        .unwrap();
    assert_eq!(seen["transactions"], json!([]));
    assert_eq!(seen["gasUsed"], "0x0");
    assert_eq!(seen["logsBloom"], format!("0x{}", "0".repeat(512)));
    let genesis = bob
        .rpc("eth_getBlockByNumber", json!(["0x0", true]))
        .await
        .unwrap();
    assert_eq!(seen["size"], genesis["size"]);
    for (method, none) in [
        ("eth_getBlockReceipts", json!([])),
        ("eth_getBlockTransactionCountByNumber", json!("0x0")),
    ] {
        assert_eq!(
            bob.rpc(method, json!([hidden["blockNumber"]]))
                .await
                .unwrap(),
            none
        );
    }
    let whole = carol.rpc("eth_getBlockByNumber", by_number).await.unwrap();
    assert_eq!(whole["transactions"][0]["hash"], hidden["transactionHash"]);
    assert_eq!(whole["gasUsed"], hidden["gasUsed"]);

    sees_only_its_log((&alice, &mut treasury), (&bob, &purse), token).await;
    let logs = json!([{"fromBlock": "0x0", "toBlock": "latest"}]);
    assert_eq!(
        carol
            .rpc("eth_getLogs", logs)
            .await
            .unwrap()
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

/// Who is paid sees that log, not what else the transaction says.
async fn sees_only_its_log(
    (alice, treasury): (&Client, &mut Wallet),
    (bob, purse): (&Client, &Wallet),
    token: Address,
) {
    let paid = transfer(alice, treasury, token, purse.address(), 9).await;
    let hash = json!([paid["transactionHash"]]);
    let transaction = bob
        .rpc("eth_getTransactionByHash", hash.clone())
        .await
        .unwrap();
    assert_eq!(
        (&transaction["input"], &transaction["nonce"]),
        (&json!("0x"), &json!("0x0"))
    );
    let receipt = bob
        .rpc("eth_getTransactionReceipt", hash.clone())
        .await
        .unwrap();
    assert_eq!(receipt["logs"].as_array().unwrap().len(), 1);
    assert_eq!(receipt["logs"][0]["topics"][0], json!(transfer_topic()));
    assert_eq!(receipt["gasUsed"], "0x0");
    assert!(
        bob.rpc("eth_getRawTransactionByHash", hash)
            .await
            .unwrap()
            .is_null()
    );
    let logs = json!([{"fromBlock": "0x0", "toBlock": "latest"}]);
    let seen = bob.rpc("eth_getLogs", logs).await.unwrap();
    assert_eq!(seen.as_array().unwrap().len(), 1, "{seen}");
}
