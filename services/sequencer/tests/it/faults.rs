//! Killed at any moment, the database away, a second sequencer: nothing acknowledged is lost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use alloy::primitives::{Address, TxKind};
use cloister_proto::sequencer::v1::{GetBatchRequest, get_batch_request::By};
use cloister_test_kit::postgres::{Cluster, Options};
use tokio::task::JoinHandle;

use crate::harness::{
    Client, LIMIT, Sequencer, Wallet, check_links, code, contract, height, seal, shared_database,
    submit, transaction, wallets,
};

const TO: TxKind = TxKind::Call(Address::repeat_byte(0xb0));

/// What one sender got acknowledged: hashes, and how its submissions ended that were not.
type Sent = (Wallet, Vec<Vec<u8>>, Vec<String>);

/// Each wallet sends one transaction after another until `stop`, and again from its nonce after a
/// refusal.
fn load(client: &Client, wallets: Vec<Wallet>, stop: &Arc<AtomicBool>) -> Vec<JoinHandle<Sent>> {
    wallets
        .into_iter()
        .map(|wallet| {
            let (client, stop) = (client.clone(), Arc::clone(stop));
            tokio::spawn(send_until(client, wallet, stop))
        })
        .collect()
}

async fn send_until(client: Client, mut wallet: Wallet, stop: Arc<AtomicBool>) -> Sent {
    let (mut acknowledged, mut refused) = (Vec::new(), Vec::new());
    while !stop.load(Ordering::Relaxed) {
        let raw = wallet.sign(wallet.draft(TO, 1, &[]));
        match submit(&client, raw).await {
            Ok(sent) => {
                acknowledged.push(sent.hash.to_vec());
                wallet.nonce += 1;
            }
            Err(status) => {
                let code = code::<()>(Err(status));
                // An earlier answer was lost on the way, its block was not.
                if code == "already_known" {
                    wallet.nonce += 1;
                }
                refused.push(code);
                tokio::task::yield_now().await;
            }
        }
    }
    (wallet, acknowledged, refused)
}

async fn all_there(client: &Client, sent: Vec<JoinHandle<Sent>>) -> (Vec<Wallet>, usize) {
    let (mut wallets, mut count) = (Vec::new(), 0);
    for one in sent {
        let (wallet, acknowledged, _) = one.await.unwrap();
        for hash in &acknowledged {
            let found = transaction(client, hash).await.unwrap();
            assert!(found.receipt.unwrap().succeeded);
        }
        count += acknowledged.len();
        wallets.push(wallet);
    }
    (wallets, count)
}

async fn grows_by(client: &Client, blocks: u64) {
    let from = height(client).await.unwrap();
    tokio::time::timeout(LIMIT, async {
        while height(client).await.unwrap() < from + blocks {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

// Defends SSQ-1, SSQ-2 and SSQ-4.
#[tokio::test]
async fn killed_under_load_again_and_again_it_loses_nothing_acknowledged() {
    let settings = "[block]\ninterval_ms = 5\n[batch]\nmax_blocks = 7\n";
    let mut sequencer = Sequencer::start(settings).await.unwrap();
    let mut funded = sequencer.funded();
    let client = sequencer.gateway().unwrap();
    funded
        .send(&client, TxKind::Create, 0, &contract())
        .await
        .unwrap();
    let mut senders = wallets(&client, &mut funded, 4).await.unwrap();
    let mut total = 0;
    for _ in 0..4 {
        let client = sequencer.gateway().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let sent = load(&client, senders, &stop);
        grows_by(&client, 20).await;
        sequencer.kill();
        stop.store(true, Ordering::Relaxed);
        sequencer.resume().await.unwrap();
        let client = sequencer.gateway().unwrap();
        let (wallets, count) = all_there(&client, sent).await;
        total += count;
        senders = wallets;
    }
    assert!(total >= 80, "only {total} transactions were acknowledged");
    let client = sequencer.gateway().unwrap();
    check_links(&client).await.unwrap();
    let last = seal(&client).await.unwrap();
    assert!(last >= 10, "only {last} batches");
    let request = GetBatchRequest {
        by: Some(By::BlockNumber(height(&client).await.unwrap())),
    };
    let batch = client
        .clone()
        .get_batch(request)
        .await
        .unwrap()
        .into_inner()
        .batch
        .unwrap();
    assert_eq!(batch.number, last);
}

#[tokio::test]
async fn killed_with_open_and_closed_batches_it_seals_them_after_the_restart() {
    let mut sequencer = Sequencer::start("[block]\ninterval_ms = 1\n")
        .await
        .unwrap();
    let mut alice = sequencer.funded();
    let client = sequencer.gateway().unwrap();
    alice.send(&client, TO, 1, &[]).await.unwrap();
    assert_eq!(seal(&client).await.unwrap(), 1);
    for _ in 0..3 {
        alice.send(&client, TO, 1, &[]).await.unwrap();
    }
    sequencer.kill();
    sequencer.resume().await.unwrap();
    let client = sequencer.gateway().unwrap();
    alice.send(&client, TO, 1, &[]).await.unwrap();
    assert_eq!(seal(&client).await.unwrap(), 2);
    assert_eq!(check_links(&client).await.unwrap(), 5);
}

// Defends SSQ-2.
#[tokio::test]
async fn recovers_by_itself_after_the_database_was_away() {
    let mut cluster = Cluster::start(Options { durable: true }).await.unwrap();
    let database = cluster.create_database("sequencer").await.unwrap();
    let settings = "[block]\ninterval_ms = 5\n[mempool]\nsubmit_timeout_ms = 2000\n\
                    [batch]\nmax_blocks = 10\n";
    let sequencer = Sequencer::start_on(&database, settings).await.unwrap();
    let client = sequencer.gateway().unwrap();
    let mut funded = sequencer.funded();
    let senders = wallets(&client, &mut funded, 4).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let sent = load(&client, senders, &stop);
    grows_by(&client, 20).await;
    cluster.kill();
    let refused = tokio::time::timeout(LIMIT, async {
        loop {
            let raw = funded.sign(funded.draft(TO, 1, &[]));
            match submit(&client, raw).await {
                Ok(_) => funded.nonce += 1,
                Err(status) => break code::<()>(Err(status)),
            }
        }
    });
    assert_eq!(refused.await.unwrap(), "unavailable");
    cluster.resume().await.unwrap();
    grows_by(&client, 20).await;
    stop.store(true, Ordering::Relaxed);
    let (_, count) = all_there(&client, sent).await;
    assert!(count >= 40, "only {count} transactions were acknowledged");
    let head = check_links(&client).await.unwrap();
    let last = tokio::time::timeout(LIMIT, async {
        loop {
            // The connection pool may need a moment to notice.
            if let Ok(number) = seal(&client).await {
                break number;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    assert!(last.await.unwrap() >= head / 10);
}

// Defends SSQ-3.
#[tokio::test]
async fn a_second_sequencer_takes_over_and_the_first_one_stops() {
    let database = shared_database().await.unwrap();
    let mut first = Sequencer::start_on(&database, "").await.unwrap();
    let mut alice = first.funded();
    let old = first.gateway().unwrap();
    alice.send(&old, TO, 1, &[]).await.unwrap();
    let mut second = Sequencer::prepare(&database, "").unwrap();
    second.resume().await.unwrap();
    let raw = alice.sign(alice.draft(TO, 2, &[]));
    assert!(submit(&old, raw).await.is_err());
    let (status, tail) = first.ended().await.unwrap();
    assert!(!status.success());
    assert!(
        tail.contains("another sequencer has taken over this database"),
        "{tail}"
    );
    let new = second.gateway().unwrap();
    alice.send(&new, TO, 3, &[]).await.unwrap();
    assert_eq!(check_links(&new).await.unwrap(), 2);
}

#[tokio::test]
async fn refuses_to_start_with_another_secret_or_chain() {
    let database = shared_database().await.unwrap();
    let mut sequencer = Sequencer::start_on(&database, "").await.unwrap();
    assert!(sequencer.stop().await.unwrap().success());
    let mut other = Sequencer::prepare(&database, "").unwrap();
    std::fs::write(other.file("secret"), "5f".repeat(32)).unwrap();
    let refused = other.resume().await.unwrap_err().to_string();
    assert!(
        refused.contains("state secret must be those that it began with"),
        "{refused}"
    );
    let mut other = Sequencer::prepare(&database, "").unwrap();
    let text = std::fs::read_to_string(other.file("sequencer.toml")).unwrap();
    std::fs::write(
        other.file("sequencer.toml"),
        text.replace("id = 2718", "id = 2719"),
    )
    .unwrap();
    let refused = other.resume().await.unwrap_err().to_string();
    assert!(
        refused.contains("holds chain 2718, the configuration names chain 2719"),
        "{refused}"
    );
    sequencer.resume().await.unwrap();
}

#[tokio::test]
async fn stops_in_order_when_asked() {
    let mut sequencer = Sequencer::start("[block]\ninterval_ms = 5\n")
        .await
        .unwrap();
    let client = sequencer.gateway().unwrap();
    let mut funded = sequencer.funded();
    let senders = wallets(&client, &mut funded, 4).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let sent = load(&client, senders, &stop);
    grows_by(&client, 10).await;
    assert!(sequencer.stop().await.unwrap().success());
    stop.store(true, Ordering::Relaxed);
    sequencer.resume().await.unwrap();
    let client = sequencer.gateway().unwrap();
    let (_, count) = all_there(&client, sent).await;
    assert!(count >= 10);
}

// Defends SSQ-7.
#[tokio::test]
async fn a_batch_that_does_not_execute_again_is_never_sealed() {
    let database = shared_database().await.unwrap();
    let settings = "[block]\ninterval_ms = 1\n[batch]\nmax_blocks = 1\nmax_unsealed = 3\n";
    let mut sequencer = Sequencer::start_on(&database, settings).await.unwrap();
    let client = sequencer.gateway().unwrap();
    let mut alice = sequencer.funded();
    // The opening of the funded account no longer fits its leaf: its balance is another.
    let mut connection = database.connect().await.unwrap();
    let damage = "update leaf_opening set value = set_byte(value, 39, 255 - get_byte(value, 39)) \
                  where octet_length(value) = 72 and version = 0";
    sqlx::query(damage).execute(&mut connection).await.unwrap();
    for _ in 0..4 {
        alice.send(&client, TO, 1, &[]).await.unwrap();
    }
    sequencer.logged("sealing halted").await.unwrap();
    let raw = alice.sign(alice.draft(TO, 1, &[]));
    let refused = submit(&client, raw.clone()).await.unwrap_err();
    assert!(
        refused
            .message()
            .starts_with("too many batches wait to be sealed"),
        "{refused}"
    );
    let request = GetBatchRequest {
        by: Some(By::Latest(true)),
    };
    let latest = client
        .clone()
        .get_batch(request)
        .await
        .unwrap()
        .into_inner()
        .batch
        .unwrap();
    assert_eq!(latest.number, 0);
    assert_eq!(check_links(&client).await.unwrap(), 4);
    // Repaired by hand, it goes on after a restart.
    sequencer.kill();
    sqlx::query(damage).execute(&mut connection).await.unwrap();
    sequencer.resume().await.unwrap();
    let client = sequencer.gateway().unwrap();
    assert_eq!(seal(&client).await.unwrap(), 4);
    submit(&client, raw).await.unwrap();
    assert_eq!(seal(&client).await.unwrap(), 5);
}

// Defends SSQ-1.
#[tokio::test]
async fn refuses_a_database_whose_commits_are_not_durable() {
    let database = shared_database().await.unwrap();
    let mut sequencer = Sequencer::prepare(&database, "").unwrap();
    sequencer.run("migrate").await.unwrap();
    let mut connection = database.connect().await.unwrap();
    let lax = "alter role current_user set synchronous_commit = off";
    sqlx::query(lax).execute(&mut connection).await.unwrap();
    let refused = sequencer.resume().await.unwrap_err().to_string();
    assert!(refused.contains("synchronous_commit = off"), "{refused}");
}
