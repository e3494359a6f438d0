//! Refusals, replacement, order.

use alloy::{
    consensus::{SignableTransaction, TxEnvelope, TxLegacy},
    eips::eip2718::Encodable2718,
    primitives::{Address, TxKind, U256},
    signers::SignerSync,
};

use cloister_proto::sequencer::v1::{GetAccountRequest, SubmitTransactionResponse};
use tonic::Status;

use crate::harness::{CHAIN_ID, Client, Sequencer, Wallet, code, submit, transaction};

const TO: TxKind = TxKind::Call(Address::repeat_byte(0xb0));

fn legacy(wallet: &Wallet, chain_id: Option<u64>) -> Vec<u8> {
    let draft = TxLegacy {
        chain_id,
        nonce: wallet.nonce,
        gas_price: 0,
        gas_limit: 21_000,
        to: TO,
        value: U256::ONE,
        input: alloy::primitives::Bytes::new(),
    };
    let signature = wallet
        .signer
        .sign_hash_sync(&draft.signature_hash())
        .unwrap();
    TxEnvelope::Legacy(draft.into_signed(signature)).encoded_2718()
}

#[tokio::test]
async fn refuses_what_can_never_be_included_with_an_exact_code() {
    let sequencer = Sequencer::start("").await.unwrap();
    let client = sequencer.gateway().unwrap();
    let alice = sequencer.funded();
    let poor = Wallet::random();
    let draft = || alice.draft(TO, 1, &[]);
    let mut foreign = draft();
    foreign.chain_id = CHAIN_ID + 1;
    let mut little_gas = draft();
    little_gas.gas_limit = 20_999;
    let mut much_gas = draft();
    much_gas.gas_limit = 16_777_217;
    let mut above_block = draft();
    above_block.gas_limit = 100_000_001;
    let mut tip = draft();
    tip.max_priority_fee_per_gas = 1;
    for (raw, expected) in [
        (alice.sign(foreign), "wrong_chain_id"),
        (alice.sign(little_gas), "intrinsic_gas_too_low"),
        (alice.sign(much_gas), "gas_limit_above_cap"),
        (alice.sign(above_block), "gas_limit_above_block"),
        (alice.sign(tip), "priority_fee_above_max_fee"),
        (poor.sign(poor.draft(TO, 1, &[])), "insufficient_funds"),
        (legacy(&alice, None), "not_replay_protected"),
        (legacy(&alice, Some(1)), "wrong_chain_id"),
        (vec![3, 0xc0], "unsupported_transaction_type"),
        (vec![5, 0xc0], "unsupported_transaction_type"),
        (vec![], "transaction_malformed"),
        (vec![2, 0xc1], "transaction_malformed"),
    ] {
        assert_eq!(code(submit(&client, raw).await), expected);
    }
    assert!(
        submit(&client, legacy(&alice, Some(CHAIN_ID)))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn keeps_nonces_in_order_and_tells_which_is_next() {
    let settings = "[mempool]\nmax_per_sender = 8\ngap_timeout_ms = 60000\n";
    let sequencer = Sequencer::start(settings).await.unwrap();
    let client = sequencer.gateway().unwrap();
    let mut alice = sequencer.funded();
    let first = alice.next(TO, 1, &[]);
    let second = alice.next(TO, 2, &[]);
    let ahead = tokio::spawn({
        let client = client.clone();
        async move { submit(&client, second).await }
    });
    let sent = submit(&client, first.clone()).await.unwrap();
    let next = ahead.await.unwrap().unwrap();
    let place = |hash: &[u8]| {
        let (client, hash) = (client.clone(), hash.to_vec());
        async move {
            let found = transaction(&client, &hash).await.unwrap();
            (found.block.unwrap().number, found.index)
        }
    };
    assert!(place(&sent.hash).await < place(&next.hash).await);
    assert_eq!(code(submit(&client, first).await), "already_known");
    let mut used = alice.draft(TO, 99, &[]);
    used.nonce = 0;
    assert_eq!(
        code(submit(&client, alice.sign(used)).await),
        "nonce_too_low"
    );
    let mut far = alice.draft(TO, 1, &[]);
    far.nonce += 8;
    let refused = submit(&client, alice.sign(far)).await.unwrap_err();
    assert_eq!(
        refused.message(),
        "nonce `10` is ahead of the account: send nonce `2` first"
    );
    assert_eq!(code::<()>(Err(refused)), "nonce_too_high");
}

#[tokio::test]
async fn a_gap_that_stays_open_is_refused_in_the_end() {
    let sequencer = Sequencer::start("[mempool]\ngap_timeout_ms = 100\n")
        .await
        .unwrap();
    let client = sequencer.gateway().unwrap();
    let mut alice = sequencer.funded();
    alice.nonce = 1;
    let raw = alice.sign(alice.draft(TO, 1, &[]));
    assert_eq!(code(submit(&client, raw.clone()).await), "nonce_too_high");
    alice.nonce = 0;
    alice.send(&client, TO, 1, &[]).await.unwrap();
    submit(&client, raw).await.unwrap();
}

/// Submits on a task of its own and returns once the pool holds it: with a long interval between
/// blocks it waits there, and the account's pending nonce counts it.
async fn park(
    client: &Client,
    wallet: &Wallet,
    raw: Vec<u8>,
    pending: u64,
) -> tokio::task::JoinHandle<Result<SubmitTransactionResponse, Status>> {
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { submit(&client, raw).await }
    });
    let request = GetAccountRequest {
        address: wallet.address().to_vec().into(),
        with_code: false,
        pending: true,
    };
    while client
        .clone()
        .get_account(request.clone())
        .await
        .unwrap()
        .into_inner()
        .nonce
        < pending
    {}
    waiting
}

#[tokio::test]
async fn replaces_a_waiting_transaction_at_ten_percent_more() {
    let sequencer = Sequencer::start("[block]\ninterval_ms = 3000\n")
        .await
        .unwrap();
    let client = sequencer.gateway().unwrap();
    let mut alice = sequencer.funded();
    alice.send(&client, TO, 1, &[]).await.unwrap();
    let priced = |price: u128, value: u64| {
        let mut draft = alice.draft(TO, value, &[]);
        draft.max_fee_per_gas = price;
        draft.max_priority_fee_per_gas = price;
        alice.sign(draft)
    };
    let waiting = park(&client, &alice, priced(100, 1), 2).await;
    assert_eq!(
        code(submit(&client, priced(100, 2)).await),
        "underpriced_replacement"
    );
    assert_eq!(
        code(submit(&client, priced(109, 3)).await),
        "underpriced_replacement"
    );
    let sent = submit(&client, priced(110, 4)).await.unwrap();
    assert_eq!(code(waiting.await.unwrap()), "replaced");
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
async fn a_full_pool_refuses_newcomers() {
    let settings = "[block]\ninterval_ms = 3000\n[mempool]\nmax_transactions = 2\n";
    let sequencer = Sequencer::start(settings).await.unwrap();
    let client = sequencer.gateway().unwrap();
    let mut alice = sequencer.funded();
    alice.send(&client, TO, 1, &[]).await.unwrap();
    let mut waiting = Vec::new();
    for pending in [2, 3] {
        let raw = alice.next(TO, 1, &[]);
        waiting.push(park(&client, &alice, raw, pending).await);
    }
    let raw = alice.sign(alice.draft(TO, 1, &[]));
    assert_eq!(code(submit(&client, raw).await), "mempool_full");
    for one in waiting {
        one.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn limits_what_one_sender_has_waiting() {
    let settings = "[block]\ninterval_ms = 3000\n[mempool]\nmax_per_sender = 2\n";
    let sequencer = Sequencer::start(settings).await.unwrap();
    let client = sequencer.gateway().unwrap();
    let mut alice = sequencer.funded();
    alice.send(&client, TO, 1, &[]).await.unwrap();
    let mut waiting = Vec::new();
    for pending in [2, 3] {
        let raw = alice.next(TO, 1, &[]);
        waiting.push(park(&client, &alice, raw, pending).await);
    }
    let raw = alice.sign(alice.draft(TO, 1, &[]));
    assert_eq!(code(submit(&client, raw).await), "nonce_too_high");
    for one in waiting {
        one.await.unwrap().unwrap();
    }
}
