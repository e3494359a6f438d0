//! The contracts on a real node: deployed, called and read through this crate.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may end a test by a panic too"
)]

mod proofs;
mod verifiers;

use std::time::Duration;

use alloy::consensus::{SignableTransaction as _, TxEip1559};
use alloy::eips::eip2718::Encodable2718 as _;
use alloy::network::TxSignerSync as _;
use alloy::primitives::TxKind;
use alloy::signers::local::PrivateKeySigner;
use cloister_l1::{
    Address, AnchorState, B256, Bytes, DeployError, DeployPlan, Deployment, Endpoint, EthClient,
    Inclusion, L1Error, MAX_TRANSACTION_GAS, Progress, Refusal, Rollup, SendError, U256, deploy,
};
use cloister_test_kit::anvil::{Anvil, FUNDED, Options};
use cloister_types::batch::PublicHeader;
use cloister_types::{BatchHeader, BatchNumber};

const CHAIN_ID: u64 = 424_242;

fn key(index: usize) -> PrivateKeySigner {
    FUNDED[index].1.parse().unwrap()
}

fn plan() -> DeployPlan {
    DeployPlan {
        chain_id: CHAIN_ID,
        genesis_state_root: B256::repeat_byte(1),
        genesis_batch_hash: B256::repeat_byte(2),
        committer: key(1).address(),
        guardian: key(0).address(),
        governors: vec![key(0).address()],
        timelock_delay_s: 3_600,
        finality_blocks: 64,
        verifiers: vec![],
        max_fee_per_gas_wei: 500_000_000_000,
        inclusion_timeout: Duration::from_secs(30),
    }
}

struct World {
    anvil: Anvil,
    client: EthClient,
    deployment: Deployment,
}

impl World {
    async fn new() -> Self {
        Self::with(&plan(), &mut |_| ()).await
    }

    async fn with(plan: &DeployPlan, progress: Progress<'_>) -> Self {
        let anvil = Anvil::start(Options::default()).await.unwrap();
        let client = client(&anvil.url());
        let deployment = deploy(&client, &key(0), plan, progress).await.unwrap();
        Self {
            anvil,
            client,
            deployment,
        }
    }

    fn rollup(&self) -> Rollup {
        self.client.rollup(self.deployment.rollup)
    }

    async fn commit(&self, batches: &[PublicHeader]) -> Inclusion {
        let input = Rollup::commit_call(batches);
        self.send(1, self.deployment.rollup, input).await
    }

    /// Sends a transaction with all the gas that one may have, and waits for it.
    async fn send(&self, signer: usize, to: Address, input: Bytes) -> Inclusion {
        let signer = key(signer);
        let mut transaction = TxEip1559 {
            chain_id: 31_337,
            nonce: self.client.nonce(signer.address()).await.unwrap(),
            gas_limit: MAX_TRANSACTION_GAS,
            max_fee_per_gas: 100_000_000_000,
            to: TxKind::Call(to),
            input,
            ..TxEip1559::default()
        };
        let signature = signer.sign_transaction_sync(&mut transaction).unwrap();
        let raw = transaction.into_signed(signature).encoded_2718();
        let hash = self.client.send_raw(&raw).await.unwrap();
        let mut turn = tokio::time::interval(Duration::from_millis(20));
        for _ in 0..1_000 {
            turn.tick().await;
            if let Some(inclusion) = self.client.inclusion(hash).await.unwrap() {
                return inclusion;
            }
        }
        panic!("not included");
    }
}

fn client(url: &str) -> EthClient {
    EthClient::connect(&Endpoint::new(url.parse().unwrap(), Duration::from_secs(5))).unwrap()
}

fn batch(number: u64, previous_hash: B256) -> PublicHeader {
    let mut header = BatchHeader {
        chain_id: CHAIN_ID,
        number: BatchNumber(number),
        previous_hash,
        state_root: B256::repeat_byte(7),
        ..BatchHeader::default()
    };
    header.private.transaction_count = 9;
    header.public()
}

#[tokio::test]
async fn set_4_deploys_an_installation_in_which_the_deployer_holds_no_power() {
    let world = World::new().await;
    let deployment = &world.deployment;
    assert_eq!(deployment.transactions.len(), 4);
    for transaction in &deployment.transactions {
        assert!(transaction.succeeded);
        assert!(transaction.gas_used < MAX_TRANSACTION_GAS);
    }
    let rollup = world.rollup();
    assert_eq!(rollup.chain_id().await, Ok(CHAIN_ID));
    assert_eq!(rollup.is_committer(key(1).address()).await, Ok(true));
    assert_eq!(rollup.is_committer(key(0).address()).await, Ok(false));
    let genesis = rollup.anchor(BatchNumber::GENESIS).await.unwrap().unwrap();
    assert_eq!(genesis.batch_hash, B256::repeat_byte(2));
    assert_eq!(genesis.state_root, B256::repeat_byte(1));
    assert_eq!(genesis.state, AnchorState::Finalized);
}

#[tokio::test]
async fn set_1_the_contract_computes_the_hash_that_rust_computes() {
    let world = World::new().await;
    let first = batch(1, B256::repeat_byte(2));
    let second = batch(2, first.hash());
    let inclusion = world.commit(&[first, second]).await;
    assert!(inclusion.succeeded);
    let rollup = world.rollup();
    for header in [first, second] {
        let anchor = rollup.anchor(header.number).await.unwrap().unwrap();
        assert_eq!(anchor.batch_hash, header.hash());
        assert_eq!(anchor.state_root, header.state_root);
        assert_eq!(anchor.message_root, B256::ZERO);
        assert_eq!(anchor.l1_message_count, 0);
        assert_eq!(anchor.state, AnchorState::Committed);
        assert_eq!(anchor.commit_block, inclusion.block_number);
        assert_eq!((anchor.prove_block, anchor.verifier_version), (None, None));
    }
    assert_eq!(rollup.last_committed().await, Ok(BatchNumber(2)));
    assert_eq!(rollup.anchor(BatchNumber(3)).await, Ok(None));
    let heads = rollup.heads().await.unwrap();
    assert_eq!(
        (heads.committed, heads.proved),
        (BatchNumber(2), BatchNumber(0))
    );
    let events = rollup.commits_from(0).await.unwrap();
    let numbers: Vec<u64> = events.iter().map(|event| event.number.0).collect();
    assert_eq!(numbers, [0, 1, 2]);
    assert_eq!(rollup.commits_of(BatchNumber(2), 0).await.unwrap().len(), 1);
}

#[tokio::test]
async fn names_why_the_contract_refuses() {
    let world = World::new().await;
    let refusal = async |from: Address, header: PublicHeader| {
        let input = Rollup::commit_call(&[header]);
        let to = world.deployment.rollup;
        match world.client.estimate_gas(from, to, input).await {
            Err(L1Error::Reverts(refusal)) => refusal,
            other => panic!("{other:?}"),
        }
    };
    let committer = key(1).address();
    let stranger = key(0).address();
    let good = batch(1, B256::repeat_byte(2));
    assert_eq!(
        refusal(stranger, good).await,
        Refusal::Unauthorized { account: stranger }
    );
    assert_eq!(
        refusal(committer, batch(1, B256::repeat_byte(9))).await,
        Refusal::BatchHashMismatch { number: 1 }
    );
    assert_eq!(
        refusal(committer, batch(5, B256::repeat_byte(2))).await,
        Refusal::UnexpectedBatch {
            expected: 1,
            got: 5
        }
    );
    let mut message = good;
    message.message_root = B256::repeat_byte(5);
    assert!(matches!(
        refusal(committer, message).await,
        Refusal::Contract(name) if name.contains("MessagesUnsupported")
    ));
}

#[tokio::test]
async fn an_address_without_the_contract_is_named() {
    let anvil = Anvil::start(Options::default()).await.unwrap();
    let address = Address::repeat_byte(0x42);
    let rollup = client(&anvil.url()).rollup(address);
    let refused = rollup
        .anchor(BatchNumber(1))
        .await
        .expect_err("no contract");
    assert_eq!(refused, L1Error::NoContract { address });
}

#[tokio::test]
async fn sl1_1_an_unreachable_node_is_not_named() {
    let mut world = World::new().await;
    let url = format!("{}/v2/SECRET-ACCESS-KEY", world.anvil.url());
    world.anvil.stop().await.unwrap();
    let refused = client(&url).head().await.expect_err("no node");
    assert_eq!(
        refused,
        L1Error::Unreachable {
            reason: "no connection".to_owned()
        }
    );
    assert!(refused.is_transient());
    assert!(!format!("{refused} {refused:?}").contains("SECRET"));
}

#[tokio::test]
async fn does_not_deploy_at_any_price_nor_nonsense() {
    let anvil = Anvil::start(Options::default()).await.unwrap();
    let client = client(&anvil.url());
    let cheap = DeployPlan {
        max_fee_per_gas_wei: 1,
        ..plan()
    };
    let refused = deploy(&client, &key(0), &cheap, &mut |_| ())
        .await
        .expect_err("too dear");
    assert!(matches!(
        refused,
        DeployError::Send(SendError::TooDear { limit_wei: 1, .. })
    ));
    for bad in [
        DeployPlan {
            chain_id: 0,
            ..plan()
        },
        DeployPlan {
            governors: vec![],
            ..plan()
        },
        DeployPlan {
            genesis_batch_hash: B256::ZERO,
            ..plan()
        },
        DeployPlan {
            committer: Address::ZERO,
            ..plan()
        },
    ] {
        let refused = deploy(&client, &key(0), &bad, &mut |_| ())
            .await
            .expect_err("nonsense");
        assert!(matches!(refused, DeployError::BadPlan { .. }), "{refused}");
    }
    assert_eq!(client.nonce(key(0).address()).await, Ok(0));
    assert!(client.balance(key(0).address()).await.unwrap() > U256::ZERO);
}
