//! Parts that are away: each refusal is clear, and nothing is answered without its audit row.

use cloister_test_kit::client::Client;
use cloister_test_kit::service::ServiceName;
use serde_json::json;
use sqlx::{Connection as _, Executor as _};

use crate::support::{deploy, person, rows, stack, token};

#[tokio::test]
async fn nothing_is_answered_while_the_ledger_is_away() {
    // Defends SGW-5.
    let stack = stack().await;
    let alice = Client::login(&stack, &stack.people.alice).await.unwrap();
    alice.rpc("eth_blockNumber", json!([])).await.unwrap();
    let mut database = stack
        .databases
        .as_ref()
        .unwrap()
        .gateway
        .connect()
        .await
        .unwrap();
    let mut blocker = database.begin().await.unwrap();
    blocker
        .execute("LOCK TABLE audit_log IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let refused = alice.refused("eth_blockNumber", json!([])).await.unwrap();
    assert_eq!(refused["code"], -32003, "{refused}");
    assert_eq!(
        refused["data"],
        json!({"code": "unavailable", "part": "audit ledger"})
    );
    blocker.rollback().await.unwrap();
    alice.rpc("eth_blockNumber", json!([])).await.unwrap();
}

#[tokio::test]
async fn parts_that_are_away_are_named() {
    let mut stack = stack().await;
    let (alice, mut wallet) = person(&stack, &stack.people.alice).await;
    let operator = Client::login(&stack, &stack.people.operator).await.unwrap();
    deploy(&alice, &mut wallet, token()).await;
    let sealed = operator.rpc("cloister_sealBatch", json!([])).await.unwrap();
    let finality = operator
        .refused("cloister_getFinality", json!([sealed]))
        .await
        .unwrap();
    assert_eq!(
        finality["data"],
        json!({"code": "unavailable", "part": "prover"})
    );

    stack.service(ServiceName::Sequencer).unwrap().kill();
    let refused = alice.refused("eth_blockNumber", json!([])).await.unwrap();
    assert_eq!(
        refused["data"],
        json!({"code": "unavailable", "part": "sequencer"})
    );
    assert!(alice.rpc("eth_chainId", json!([])).await.is_ok());
    // The refusal is in the ledger as what it is.
    let row = rows(&stack, 2).await.remove(1);
    assert_eq!((row.1.as_str(), row.2), ("eth_blockNumber", 4));
}

#[tokio::test]
async fn the_audit_head_reaches_the_next_batch() {
    let stack = stack().await;
    let (alice, mut wallet) = person(&stack, &stack.people.alice).await;
    deploy(&alice, &mut wallet, token()).await;
    let database = &stack.databases.as_ref().unwrap().sequencer;
    let mut connection = database.connect().await.unwrap();
    for attempt in 0.. {
        let heads: i64 =
            sqlx::query_scalar("SELECT count(*) FROM audit_head WHERE ledger = 'gateway'")
                .fetch_one(&mut connection)
                .await
                .unwrap();
        if heads > 0 {
            return;
        }
        assert!(attempt < 100, "no head was reported within ten seconds");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}
