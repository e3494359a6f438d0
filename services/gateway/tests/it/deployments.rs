//! Who owns a contract survives a gateway that dies between inclusion and record.

use std::time::Duration;

use alloy::primitives::{B256, Bytes, TxKind, U256, hex};
use cloister_test_kit::service::ServiceName;
use serde_json::json;

use crate::support::{NOWHERE, balance_data, code, deploy, person, stack, token};

#[tokio::test]
async fn an_announced_deployment_is_recorded_by_the_next_process() {
    // Defends SGW-6.
    let mut stack = stack().await;
    let (alice, mut wallet) = person(&stack, &stack.people.alice).await;
    let contract = deploy(&alice, &mut wallet, token()).await;
    let call = json!([{"to": contract, "data": balance_data(contract)}]);
    alice.rpc("eth_call", call.clone()).await.unwrap();

    // As if the process had died right after the sequencer's answer.
    stack.service(ServiceName::Gateway).unwrap().kill();
    let gateway = stack.databases.as_ref().unwrap().gateway.clone();
    let mut database = gateway.connect().await.unwrap();
    sqlx::query(
        "WITH lost AS (DELETE FROM contracts RETURNING *)
         INSERT INTO deployments
           SELECT transaction_hash, address, issuer, subject, deployer, desk, 0 FROM lost",
    )
    .execute(&mut database)
    .await
    .unwrap();
    // One that never came into a block is given up after an hour.
    sqlx::query(
        "INSERT INTO deployments
           SELECT $1, address, issuer, subject, wallet, desk, 0 FROM deployments",
    )
    .bind(hex!("7777777777777777777777777777777777777777777777777777777777777777").as_slice())
    .execute(&mut database)
    .await
    .unwrap();

    let service = stack.service(ServiceName::Gateway).unwrap();
    service.start().unwrap();
    service.wait_ready(Duration::from_mins(1)).await.unwrap();
    for attempt in 0.. {
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM deployments")
            .fetch_one(&mut database)
            .await
            .unwrap();
        if left == 0 {
            break;
        }
        assert!(attempt < 200, "{left} deployments are still open");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    alice.rpc("eth_call", call).await.unwrap();
}

#[tokio::test]
async fn a_refused_deployment_leaves_nothing_behind() {
    let stack = stack().await;
    let (alice, mut wallet) = person(&stack, &stack.people.alice).await;
    deploy(&alice, &mut wallet, token()).await;
    wallet.set_nonce(0);
    let raw = wallet
        .sign(
            alloy::primitives::TxKind::Create,
            alloy::primitives::U256::ZERO,
            B256::ZERO.into(),
        )
        .unwrap();
    assert_eq!(
        code(&alice, "eth_sendRawTransaction", json!([raw])).await,
        "nonce_too_low"
    );
    let gateway = stack.databases.as_ref().unwrap().gateway.clone();
    let mut database = gateway.connect().await.unwrap();
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM deployments")
        .fetch_one(&mut database)
        .await
        .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_deployment_that_is_sent_twice_keeps_its_owner() {
    // Defends SGW-6.
    let stack = stack().await;
    let (alice, wallet) = person(&stack, &stack.people.alice).await;
    let raw = wallet
        .sign_with(1, TxKind::Create, U256::ZERO, token())
        .unwrap();
    // It waits for the transaction before it; its sender gives up, and tries again.
    let soon = json!([raw, "0xc8"]);
    let waits = alice
        .refused("eth_sendRawTransactionSync", soon.clone())
        .await
        .unwrap();
    assert_eq!(waits["code"], 4, "{waits}");
    let again = alice
        .refused("eth_sendRawTransactionSync", soon)
        .await
        .unwrap();
    assert_eq!(again["data"]["code"], "already_known", "{again}");
    let first = wallet
        .sign_with(0, TxKind::Call(NOWHERE), U256::ZERO, Bytes::new())
        .unwrap();
    alice.send(&first).await.unwrap();

    let contract = wallet.address().create(1);
    let call = json!([{"to": contract, "data": balance_data(contract)}]);
    for attempt in 0.. {
        let answer = alice.respond("eth_call", call.clone()).await.unwrap();
        if answer.get("result").is_some() {
            break;
        }
        assert!(attempt < 300, "nobody owns the contract: {answer}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
