//! Parts go away and come back; nothing acknowledged is lost.

use std::time::Duration;

use alloy::primitives::{Address, U256};
use cloister_test_kit::client::{Client, Wallet};
use cloister_test_kit::service::ServiceName;
use cloister_test_kit::stack::{Options, Stack};
use serde_json::json;

use crate::leaks::wait_committed;
use crate::token;

const READY: Duration = Duration::from_mins(1);

struct Bank {
    stack: Stack,
    alice: Client,
    wallet: Wallet,
    token: Address,
}

async fn bank() -> Bank {
    let stack = Stack::start(Options {
        durable: true,
        ..Options::default()
    })
    .await
    .unwrap();
    let alice = Client::login(&stack, &stack.people.alice).await.unwrap();
    let mut wallet = Wallet::random();
    alice.link(&wallet).await.unwrap();
    let token = token::deploy(&alice, &mut wallet).await;
    let own = wallet.address();
    let mint = token::mint(&mut wallet, token, own, 1_000_000);
    assert_eq!(alice.send(&mint).await.unwrap()["status"], "0x1");
    Bank {
        stack,
        alice,
        wallet,
        token,
    }
}

impl Bank {
    async fn pay(&mut self, to: Address, amount: u128) -> anyhow::Result<()> {
        let nonce = self.wallet.nonce();
        let raw = token::transfer(&mut self.wallet, self.token, to, amount);
        let sent = self.alice.send(&raw).await;
        if sent.is_err() {
            self.wallet.set_nonce(nonce);
        }
        sent.map(|receipt| assert_eq!(receipt["status"], "0x1"))
    }

    async fn balance(&self, of: Address) -> U256 {
        token::balance(&self.alice, self.wallet.address(), self.token, of).await
    }

    async fn restart(&mut self, name: ServiceName) {
        let service = self.stack.service(name).unwrap();
        service.kill();
        service.start().unwrap();
        service.wait_ready(READY).await.unwrap();
    }
}

#[tokio::test]
async fn killing_each_service_loses_nothing_acknowledged() {
    let mut bank = bank().await;
    let customer = Wallet::random().address();
    let mut paid = 0;
    let all = [
        ServiceName::Sequencer,
        ServiceName::Gateway,
        ServiceName::Prover,
        ServiceName::Disclosure,
        ServiceName::Sequencer,
    ];
    for name in all {
        bank.pay(customer, 10).await.unwrap();
        paid += 10;
        bank.restart(name).await;
        assert_eq!(
            bank.balance(customer).await,
            U256::from(paid),
            "after killing {name:?}"
        );
    }
    let operator = Client::login(&bank.stack, &bank.stack.people.operator)
        .await
        .unwrap();
    operator.rpc("cloister_sealBatch", json!([])).await.unwrap();
    bank.restart(ServiceName::Sequencer).await;
    bank.restart(ServiceName::Prover).await;
    wait_committed(&bank.alice, 1).await;
}

#[tokio::test]
async fn postgres_away_for_half_a_minute_is_survived() {
    let mut bank = bank().await;
    let customer = Wallet::random().address();
    bank.pay(customer, 7).await.unwrap();
    bank.stack.cluster.as_mut().unwrap().kill();

    let refusal = bank
        .alice
        .respond("eth_blockNumber", json!([]))
        .await
        .unwrap();
    assert_eq!(refusal["error"]["data"]["code"], "unavailable", "{refusal}");
    tokio::time::sleep(Duration::from_secs(30)).await;

    bank.stack.cluster.as_mut().unwrap().resume().await.unwrap();
    for name in [ServiceName::Sequencer, ServiceName::Gateway] {
        bank.stack
            .service(name)
            .unwrap()
            .wait_ready(READY)
            .await
            .unwrap();
    }
    assert_eq!(bank.balance(customer).await, U256::from(7));
    bank.pay(customer, 5).await.unwrap();
    assert_eq!(bank.balance(customer).await, U256::from(12));
}

#[tokio::test]
async fn ethereum_away_delays_commits_and_nothing_else() {
    let mut bank = bank().await;
    bank.stack.anvil.as_mut().unwrap().stop().await.unwrap();
    let customer = Wallet::random().address();
    bank.pay(customer, 3).await.unwrap();
    let operator = Client::login(&bank.stack, &bank.stack.people.operator)
        .await
        .unwrap();
    operator.rpc("cloister_sealBatch", json!([])).await.unwrap();
    let finality = bank
        .alice
        .rpc("cloister_getFinality", json!(["0x1"]))
        .await
        .unwrap();
    assert_eq!(finality["state"], "sealed", "{finality}");
    bank.stack.anvil.as_mut().unwrap().resume().await.unwrap();
    wait_committed(&bank.alice, 1).await;
}

#[tokio::test]
async fn the_provider_away_lets_valid_tokens_work() {
    let mut bank = bank().await;
    let bob = bank
        .stack
        .provider()
        .unwrap()
        .token(&bank.stack.people.bob)
        .await
        .unwrap();
    bank.stack.provider.as_mut().unwrap().stop();
    let customer = Wallet::random().address();
    bank.pay(customer, 3).await.unwrap();

    // Signed by a key that the gateway has cached.
    let unlogged = Client::new(&bank.stack, Some(bob)).unwrap();
    unlogged.rpc("eth_blockNumber", json!([])).await.unwrap();
    bank.stack
        .provider
        .as_mut()
        .unwrap()
        .resume()
        .await
        .unwrap();
    let bob = Client::login(&bank.stack, &bank.stack.people.bob)
        .await
        .unwrap();
    bob.rpc("eth_blockNumber", json!([])).await.unwrap();
}
