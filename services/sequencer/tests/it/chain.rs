//! Transactions, blocks, calls, logs.

use alloy::primitives::{Address, TxKind, U256, keccak256};
use cloister_proto::sequencer::v1::{
    CallRequest, CallStatus, GetAccountRequest, GetBlockRequest, GetLogsRequest, GetStorageRequest,
    GetTransactionRequest, StreamBlocksRequest, TopicFilter, get_block_request::By,
};

use crate::harness::{
    Client, Sequencer, Wallet, block, check_links, code, contract, deploying, height, in_parallel,
    submit, topic, transaction, wallets, word,
};

async fn account(client: &Client, address: Address, pending: bool) -> (u64, U256) {
    let request = GetAccountRequest {
        address: address.to_vec().into(),
        with_code: false,
        pending,
    };
    let answer = client
        .clone()
        .get_account(request)
        .await
        .unwrap()
        .into_inner();
    (answer.nonce, U256::from_be_slice(&answer.balance))
}

async fn deploy(client: &Client, wallet: &mut Wallet, code: &[u8]) -> Address {
    let sent = wallet.send(client, TxKind::Create, 0, code).await.unwrap();
    let receipt = transaction(client, &sent.hash)
        .await
        .unwrap()
        .receipt
        .unwrap();
    assert!(receipt.succeeded);
    Address::from_slice(&receipt.contract_address.unwrap())
}

fn call(from: Address, to: Address, input: &[u8]) -> CallRequest {
    CallRequest {
        from: from.to_vec().into(),
        to: Some(to.to_vec().into()),
        input: input.to_vec().into(),
        ..CallRequest::default()
    }
}

#[tokio::test]
async fn acknowledges_a_transfer_with_its_durable_block() {
    let sequencer = Sequencer::start("").await.unwrap();
    let client = sequencer.gateway().unwrap();
    let (mut alice, bob) = (sequencer.funded(), Wallet::random());
    let raw = alice.next(TxKind::Call(bob.address()), 5, &[]);
    let sent = submit(&client, raw.clone()).await.unwrap();
    assert_eq!(sent.hash, keccak256(&raw).as_slice());
    let place = sent.block.unwrap();
    let found = transaction(&client, &sent.hash).await.unwrap();
    assert_eq!(found.raw, raw);
    assert_eq!(found.block.as_ref(), Some(&place));
    assert_eq!(found.sender, alice.address().as_slice());
    let receipt = found.receipt.clone().unwrap();
    assert!(receipt.succeeded);
    assert_eq!(
        (receipt.gas_used, receipt.cumulative_gas_used),
        (21_000, 21_000)
    );
    assert_eq!(
        account(&client, bob.address(), false).await,
        (0, U256::from(5))
    );
    assert_eq!(account(&client, alice.address(), true).await.0, 1);
    let by_number = block(&client, place.number).await.unwrap().unwrap();
    assert_eq!(by_number.transactions, [found]);
    for by in [By::Hash(place.hash.clone()), By::Latest(true)] {
        let request = GetBlockRequest { by: Some(by) };
        let found = client
            .clone()
            .get_block(request)
            .await
            .unwrap()
            .into_inner()
            .block;
        assert_eq!(found.as_ref(), Some(&by_number));
    }
}

#[tokio::test]
async fn what_is_unknown_is_absent() {
    let sequencer = Sequencer::start("").await.unwrap();
    let client = sequencer.gateway().unwrap();
    let request = GetTransactionRequest {
        hash: vec![1; 32].into(),
    };
    let found = client
        .clone()
        .get_transaction(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(found.transaction, None);
    assert_eq!(block(&client, 1).await.unwrap(), None);
    assert_eq!(block(&client, u64::MAX).await.unwrap(), None);
    assert_eq!(
        account(&client, Address::repeat_byte(9), false).await,
        (0, U256::ZERO)
    );
}

#[tokio::test]
async fn runs_contracts_and_finds_their_logs() {
    let sequencer = Sequencer::start("").await.unwrap();
    let client = sequencer.gateway().unwrap();
    let mut alice = sequencer.funded();
    let address = deploy(&client, &mut alice, &contract()).await;
    let mut places = Vec::new();
    for value in [7, 8] {
        let to = TxKind::Call(address);
        places.push(
            alice
                .send(&client, to, 0, &word(value))
                .await
                .unwrap()
                .block
                .unwrap()
                .number,
        );
    }
    let request = GetStorageRequest {
        address: address.to_vec().into(),
        slot: topic(alice.address()).into(),
    };
    let slot = client
        .clone()
        .get_storage(request)
        .await
        .unwrap()
        .into_inner()
        .value;
    assert_eq!(slot, word(8).as_slice());
    let head = height(&client).await.unwrap();
    let filter = |addresses: &[Address], topics: Vec<Vec<Vec<u8>>>, limit| GetLogsRequest {
        from_block: 0,
        to_block: head,
        addresses: addresses.iter().map(|one| one.to_vec().into()).collect(),
        topics: topics
            .into_iter()
            .map(|any| TopicFilter {
                any_of: any.into_iter().map(Into::into).collect(),
            })
            .collect(),
        limit,
    };
    let who = topic(alice.address());
    let event = word(0x2a).to_vec();
    for (request, expected, truncated) in [
        (filter(&[address], vec![], 0), vec![7, 8], false),
        (
            filter(&[], vec![vec![event.clone()], vec![who.clone()]], 0),
            vec![7, 8],
            false,
        ),
        (
            filter(&[], vec![vec![], vec![who.clone(), vec![1; 32]]], 1),
            vec![7],
            true,
        ),
        (filter(&[address], vec![vec![who]], 0), vec![], false),
        (filter(&[Address::repeat_byte(1)], vec![], 0), vec![], false),
    ] {
        let found = client.clone().get_logs(request).await.unwrap().into_inner();
        let values: Vec<u64> = found
            .transactions
            .iter()
            .flat_map(|one| &one.receipt.as_ref().unwrap().logs)
            .map(|log| U256::from_be_slice(&log.data).to())
            .collect();
        assert_eq!((values, found.truncated), (expected, truncated));
    }
}

#[tokio::test]
async fn calls_change_nothing_and_tell_why_they_failed() {
    let sequencer = Sequencer::start("").await.unwrap();
    let client = sequencer.gateway().unwrap();
    let mut alice = sequencer.funded();
    let address = deploy(&client, &mut alice, &contract()).await;
    let before = height(&client).await.unwrap();
    let works = call(alice.address(), address, &word(9));
    let answer = client
        .clone()
        .call(works.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.status(), CallStatus::Succeeded);
    assert_eq!(answer.output, word(9).as_slice());
    let reverts = call(alice.address(), address, &[]);
    let answer = client
        .clone()
        .call(reverts.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.status(), CallStatus::Reverted);
    assert_eq!(answer.output, word(0x2a).as_slice());
    let estimate = client
        .clone()
        .estimate_gas(reverts)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(estimate.gas, None);
    assert_eq!(estimate.failure.unwrap().output, word(0x2a).as_slice());
    let estimate = client
        .clone()
        .estimate_gas(works)
        .await
        .unwrap()
        .into_inner();
    let mut draft = alice.draft(TxKind::Call(address), 0, &word(9));
    draft.gas_limit = estimate.gas.unwrap();
    assert_eq!(height(&client).await.unwrap(), before);
    let sent = submit(&client, alice.sign(draft)).await.unwrap();
    assert!(
        transaction(&client, &sent.hash)
            .await
            .unwrap()
            .receipt
            .unwrap()
            .succeeded
    );
}

#[tokio::test]
async fn includes_a_reverting_call_as_failed() {
    let sequencer = Sequencer::start("").await.unwrap();
    let client = sequencer.gateway().unwrap();
    let mut alice = sequencer.funded();
    let address = deploy(&client, &mut alice, &contract()).await;
    let sent = alice
        .send(&client, TxKind::Call(address), 0, &[])
        .await
        .unwrap();
    let receipt = transaction(&client, &sent.hash)
        .await
        .unwrap()
        .receipt
        .unwrap();
    assert!(!receipt.succeeded);
    assert_eq!(receipt.logs, []);
}

#[tokio::test]
async fn code_over_the_size_limit_is_refused_or_fails() {
    let sequencer = Sequencer::start("").await.unwrap();
    let client = sequencer.gateway().unwrap();
    let mut alice = sequencer.funded();
    let mut draft = alice.draft(TxKind::Create, 0, &deploying(&vec![0; 49_153]));
    draft.gas_limit = 16_000_000;
    assert_eq!(
        code(submit(&client, alice.sign(draft)).await),
        "code_size_exceeded"
    );
    let mut draft = alice.draft(TxKind::Create, 0, &deploying(&vec![0; 24_577]));
    draft.gas_limit = 16_000_000;
    alice.nonce += 1;
    let sent = submit(&client, alice.sign(draft)).await.unwrap();
    let receipt = transaction(&client, &sent.hash)
        .await
        .unwrap()
        .receipt
        .unwrap();
    assert!(!receipt.succeeded);
    deploy(&client, &mut alice, &contract()).await;
}

#[tokio::test]
async fn gathers_what_arrives_together_into_few_blocks() {
    let sequencer = Sequencer::start("[block]\ninterval_ms = 500\n")
        .await
        .unwrap();
    let client = sequencer.gateway().unwrap();
    let mut funded = sequencer.funded();
    let wallets = wallets(&client, &mut funded, 24).await.unwrap();
    let before = height(&client).await.unwrap();
    let sent = in_parallel(wallets.len(), |number| {
        let (client, mut wallet) = (client.clone(), wallets[number].clone());
        async move {
            wallet
                .send(&client, TxKind::Call(Address::repeat_byte(2)), 1, &[])
                .await
        }
    });
    for one in sent {
        one.await.unwrap().unwrap();
    }
    let after = height(&client).await.unwrap();
    assert!(
        after - before <= 4,
        "{} blocks for 24 transactions",
        after - before
    );
    assert_eq!(check_links(&client).await.unwrap(), after);
}

#[tokio::test]
async fn makes_no_block_without_work() {
    let sequencer = Sequencer::start("[block]\ninterval_ms = 1\n")
        .await
        .unwrap();
    let client = sequencer.gateway().unwrap();
    let mut alice = sequencer.funded();
    alice
        .send(&client, TxKind::Call(Address::repeat_byte(1)), 1, &[])
        .await
        .unwrap();
    let raw = alice.sign(alice.draft(TxKind::Call(Address::repeat_byte(1)), u64::MAX, &[]));
    submit(&client, raw.clone()).await.unwrap();
    for _ in 0..20 {
        assert_eq!(code(submit(&client, raw.clone()).await), "already_known");
    }
    assert_eq!(height(&client).await.unwrap(), 2);
}

#[tokio::test]
async fn streams_every_block_in_order_old_and_new() {
    let sequencer = Sequencer::start("[block]\ninterval_ms = 1\n")
        .await
        .unwrap();
    let client = sequencer.gateway().unwrap();
    let mut alice = sequencer.funded();
    let to = TxKind::Call(Address::repeat_byte(3));
    for _ in 0..3 {
        alice.send(&client, to, 1, &[]).await.unwrap();
    }
    let request = StreamBlocksRequest { from_block: 1 };
    let mut stream = client
        .clone()
        .stream_blocks(request)
        .await
        .unwrap()
        .into_inner();
    let mut seen = Vec::new();
    while seen.len() < 6 {
        if seen.len() == 3 {
            for _ in 0..3 {
                alice.send(&client, to, 1, &[]).await.unwrap();
            }
        }
        let block = stream.message().await.unwrap().unwrap().block.unwrap();
        seen.push(block.r#ref.unwrap().number);
    }
    assert_eq!(seen, [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn refuses_requests_over_its_limits() {
    let sequencer = Sequencer::start("[limits]\nmax_log_blocks = 5\nmax_logs = 3\n")
        .await
        .unwrap();
    let client = sequencer.gateway().unwrap();
    let request = GetLogsRequest {
        from_block: 1,
        to_block: 6,
        ..GetLogsRequest::default()
    };
    assert_eq!(
        code(client.clone().get_logs(request).await),
        "limit_exceeded"
    );
    let request = GetLogsRequest {
        from_block: 6,
        to_block: 1,
        ..GetLogsRequest::default()
    };
    assert_eq!(code(client.clone().get_logs(request).await), "empty_range");
    let request = GetTransactionRequest {
        hash: vec![1; 31].into(),
    };
    assert_eq!(
        code(client.clone().get_transaction(request).await),
        "malformed_request"
    );
    let raw = vec![2; 200_000];
    assert_eq!(code(submit(&client, raw).await), "transaction_too_large");
    let status = submit(&client, vec![2; 2_000_000]).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::OutOfRange);
}
