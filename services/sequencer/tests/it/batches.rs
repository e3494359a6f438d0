//! Sealed batches: their headers, inputs and proofs.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, Bytes, TxKind, U256};
use cloister_crypto::{
    NativeCrypto,
    activity::{opened_leaf, root_from_path},
    audit::combined_head,
    state::{leaf_commit, leaf_key},
};
use cloister_proto::sequencer::v1::{
    AnchorAuditHeadRequest, Batch, GetBatchInputRequest, GetBatchRequest, GetInfoRequest,
    GetStateProofRequest, GetTransactionProofRequest, StateKey as WireKey, StateOpening,
    StorageSlot, StreamBatchesRequest, get_batch_request::By, state_key::Key,
};
use cloister_state_tree::{LeafKey, Proof};
use cloister_stf::execute_encoded;
use cloister_types::{
    AccountValue, ActivityHead, BatchHeader, Salt, StateKey, StateKind, TransactionOpening,
};

use crate::harness::{
    Client, Sequencer, Wallet, code, contract, seal, submit, topic, transaction, word,
};

async fn batch(client: &Client, number: u64) -> Option<Batch> {
    let request = GetBatchRequest {
        by: Some(By::Number(number)),
    };
    client
        .clone()
        .get_batch(request)
        .await
        .unwrap()
        .into_inner()
        .batch
}

async fn header(client: &Client, number: u64) -> BatchHeader {
    let found = batch(client, number).await.unwrap();
    let header = BatchHeader::decode(&found.header).unwrap();
    assert_eq!(header.hash(), B256::from_slice(&found.hash));
    header
}

async fn input(client: &Client, number: u64) -> Bytes {
    let request = GetBatchInputRequest { number };
    let mut stream = client
        .clone()
        .get_batch_input(request)
        .await
        .unwrap()
        .into_inner();
    let mut bytes = Vec::new();
    while let Some(part) = stream.message().await.unwrap() {
        bytes.extend_from_slice(&part.chunk);
    }
    bytes.into()
}

fn account(address: Address) -> (Key, StateKey) {
    (
        Key::Account(address.to_vec().into()),
        StateKey::Account(address),
    )
}

fn activity(address: Address) -> (Key, StateKey) {
    (
        Key::Activity(address.to_vec().into()),
        StateKey::Activity(address),
    )
}

fn slot(address: Address, slot: B256) -> (Key, StateKey) {
    let place = StorageSlot {
        address: address.to_vec().into(),
        slot: slot.to_vec().into(),
    };
    (Key::Storage(place), StateKey::Storage(address, slot))
}

/// Asks for keys at a batch, verifies each path against the header, and answers the values.
async fn proved(client: &Client, number: u64, keys: &[(Key, StateKey)]) -> Vec<Option<Vec<u8>>> {
    let request = GetStateProofRequest {
        batch: number,
        keys: keys
            .iter()
            .map(|(key, _)| WireKey {
                key: Some(key.clone()),
            })
            .collect(),
    };
    let answer = client
        .clone()
        .get_state_proof(request)
        .await
        .unwrap()
        .into_inner();
    let header = BatchHeader::decode(&answer.batch.unwrap().header).unwrap();
    assert_eq!(header.number.0, number);
    assert_eq!(answer.openings.len(), keys.len());
    keys.iter()
        .zip(&answer.openings)
        .map(|((_, key), opening)| verified(&header.state_root, key, opening))
        .collect()
}

fn verified(root: &B256, key: &StateKey, opening: &StateOpening) -> Option<Vec<u8>> {
    let place = LeafKey(leaf_key(key));
    let proof = Proof::decode(&opening.proof).unwrap();
    let commit = proof.verify(&root.0, &place).unwrap();
    let value = opening.value.as_ref().map(|value| value.to_vec());
    let expected = value.as_ref().map(|value| {
        let salt: [u8; 16] = opening.salt.as_ref().try_into().unwrap();
        leaf_commit(key.kind(), &Salt::from(salt), value)
    });
    assert_eq!(commit.map(|commit| commit.0), expected);
    value
}

#[tokio::test]
async fn seals_a_batch_that_executes_again_to_the_same_header() {
    let sequencer = Sequencer::start("[block]\ninterval_ms = 1\n")
        .await
        .unwrap();
    let client = sequencer.gateway().unwrap();
    let prover = sequencer.client("prover").unwrap();
    let mut alice = sequencer.funded();
    let info = client
        .clone()
        .get_info(GetInfoRequest {})
        .await
        .unwrap()
        .into_inner();
    let genesis = header(&client, 0).await;
    assert_eq!(info.genesis_batch_hash, genesis.hash().as_slice());
    assert_eq!(info.genesis_state_root, genesis.state_root.as_slice());
    let report = AnchorAuditHeadRequest {
        ledger: "gateway".to_owned(),
        count: 3,
        head: vec![4; 32].into(),
    };
    client.clone().anchor_audit_head(report).await.unwrap();
    let deployed = alice
        .send(&client, TxKind::Create, 0, &contract())
        .await
        .unwrap();
    let address = transaction(&client, &deployed.hash)
        .await
        .unwrap()
        .receipt
        .unwrap();
    let address = Address::from_slice(&address.contract_address.unwrap());
    for value in [1, 2] {
        alice
            .send(&client, TxKind::Call(address), 0, &word(value))
            .await
            .unwrap();
    }
    assert_eq!(batch(&client, 1).await, None);
    assert_eq!(seal(&client).await.unwrap(), 1);
    let sealed = header(&client, 1).await;
    assert_eq!(sealed.previous_hash, genesis.hash());
    assert_eq!(sealed.private.state_root_before, genesis.state_root);
    assert_eq!(
        (sealed.private.first_block.0, sealed.private.last_block.0),
        (1, 3)
    );
    assert_eq!(sealed.private.transaction_count, 3);
    assert_eq!(
        sealed.private.policy_root,
        B256::from_slice(&info.policy_root)
    );
    let heads = BTreeMap::from([("gateway".to_owned(), (3, B256::repeat_byte(4)))]);
    assert_eq!(sealed.private.audit_head, combined_head(&heads));
    let again = execute_encoded(&input(&prover, 1).await, &NativeCrypto).unwrap();
    assert_eq!(*again.header(), sealed);
    // Nothing is open: sealing again changes nothing.
    assert_eq!(seal(&client).await.unwrap(), 1);
    let request = GetBatchInputRequest { number: 0 };
    let asked = prover.clone().get_batch_input(request).await;
    assert_eq!(code(asked.map(|_| ())), "batch_input_unknown");
}

#[tokio::test]
async fn proves_state_at_every_sealed_batch() {
    let sequencer = Sequencer::start("[block]\ninterval_ms = 1\n")
        .await
        .unwrap();
    let client = sequencer.gateway().unwrap();
    let mut alice = sequencer.funded();
    let bob = Wallet::random().address();
    let deployed = alice
        .send(&client, TxKind::Create, 0, &contract())
        .await
        .unwrap();
    let receipt = transaction(&client, &deployed.hash)
        .await
        .unwrap()
        .receipt
        .unwrap();
    let token = Address::from_slice(&receipt.contract_address.unwrap());
    for round in 1..=3_u64 {
        alice
            .send(&client, TxKind::Call(bob), 10, &[])
            .await
            .unwrap();
        alice
            .send(&client, TxKind::Call(token), 0, &word(round))
            .await
            .unwrap();
        assert_eq!(seal(&client).await.unwrap(), round);
    }
    let who = B256::from_slice(&topic(alice.address()));
    let keys = [
        account(bob),
        slot(token, who),
        activity(bob),
        activity(alice.address()),
        account(Address::repeat_byte(0x77)),
        slot(token, B256::repeat_byte(1)),
    ];
    for round in 1..=3_u64 {
        let values = proved(&client, round, &keys).await;
        let [
            Some(balance),
            Some(stored),
            Some(bobs),
            Some(alices),
            None,
            None,
        ] = &values[..]
        else {
            panic!("unexpected openings at batch {round}: {values:?}")
        };
        assert_eq!(
            AccountValue::decode(balance).unwrap().balance,
            U256::from(10 * round)
        );
        assert_eq!(stored, &word(round));
        assert_eq!(ActivityHead::decode(bobs).unwrap().count, round);
        // The deployment; then each round a transfer, a call and the call's log.
        assert_eq!(ActivityHead::decode(alices).unwrap().count, 1 + 3 * round);
    }
    assert_eq!(proved(&client, 0, &keys[..1]).await, [None]);
    assert_eq!(StateKind::Account.code(), 1);
}

#[tokio::test]
async fn proves_no_state_at_a_batch_that_is_not_sealed() {
    let sequencer = Sequencer::start("").await.unwrap();
    let client = sequencer.gateway().unwrap();
    let request = GetStateProofRequest {
        batch: 4,
        keys: vec![WireKey {
            key: Some(account(Address::repeat_byte(0x77)).0),
        }],
    };
    assert_eq!(
        code(client.clone().get_state_proof(request).await),
        "batch_not_sealed"
    );
}

#[tokio::test]
async fn proves_each_transaction_of_a_batch() {
    let sequencer = Sequencer::start("[block]\ninterval_ms = 1\n")
        .await
        .unwrap();
    let client = sequencer.gateway().unwrap();
    let mut alice = sequencer.funded();
    let deployed = alice
        .send(&client, TxKind::Create, 0, &contract())
        .await
        .unwrap();
    let receipt = transaction(&client, &deployed.hash)
        .await
        .unwrap()
        .receipt
        .unwrap();
    let token = TxKind::Call(Address::from_slice(&receipt.contract_address.unwrap()));
    seal(&client).await.unwrap();
    let mut hashes = Vec::new();
    for value in 0..5 {
        hashes.push(
            alice
                .send(&client, token, 0, &word(value))
                .await
                .unwrap()
                .hash,
        );
    }
    let request = GetTransactionProofRequest {
        hash: hashes[0].clone(),
    };
    let early = client
        .clone()
        .get_transaction_proof(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(early.proof, None);
    seal(&client).await.unwrap();
    for (index, hash) in (0..).zip(hashes) {
        let request = GetTransactionProofRequest { hash: hash.clone() };
        let answer = client
            .clone()
            .get_transaction_proof(request)
            .await
            .unwrap()
            .into_inner();
        let proof = answer.proof.unwrap();
        let header = BatchHeader::decode(&proof.batch.unwrap().header).unwrap();
        let opening = TransactionOpening::decode(&proof.opening).unwrap();
        let siblings: Vec<B256> = proof
            .siblings
            .iter()
            .map(|one| B256::from_slice(one))
            .collect();
        assert_eq!((header.number.0, proof.index), (2, index));
        let root = root_from_path(
            opened_leaf(&opening).unwrap(),
            proof.index,
            header.private.transaction_count,
            &siblings,
        );
        assert_eq!(root, Some(header.private.transaction_root));
        assert_eq!(opening.logs.len(), 1);
        assert_eq!(proof.transaction.unwrap().hash, hash);
    }
}

#[tokio::test]
async fn closes_batches_by_their_limits_and_streams_them() {
    let settings = "[block]\ninterval_ms = 1\n[batch]\nmax_blocks = 2\nmax_age_ms = 600000\n";
    let sequencer = Sequencer::start(settings).await.unwrap();
    let client = sequencer.gateway().unwrap();
    let prover = sequencer.client("prover").unwrap();
    let mut alice = sequencer.funded();
    let request = StreamBatchesRequest { from_batch: 0 };
    let mut stream = prover
        .clone()
        .stream_batches(request)
        .await
        .unwrap()
        .into_inner();
    for _ in 0..5 {
        alice
            .send(&client, TxKind::Call(Address::repeat_byte(1)), 1, &[])
            .await
            .unwrap();
    }
    let mut blocks = Vec::new();
    for number in 0..=2 {
        let batch = stream.message().await.unwrap().unwrap().batch.unwrap();
        let header = BatchHeader::decode(&batch.header).unwrap();
        assert_eq!(batch.number, number);
        blocks.push((header.private.first_block.0, header.private.last_block.0));
    }
    assert_eq!(blocks, [(0, 0), (1, 2), (3, 4)]);
    let request = GetBatchRequest {
        by: Some(By::BlockNumber(4)),
    };
    let found = client
        .clone()
        .get_batch(request)
        .await
        .unwrap()
        .into_inner()
        .batch
        .unwrap();
    assert_eq!(found.number, 2);
    let request = GetBatchRequest {
        by: Some(By::BlockNumber(5)),
    };
    assert_eq!(
        client
            .clone()
            .get_batch(request)
            .await
            .unwrap()
            .into_inner()
            .batch,
        None
    );
}

#[tokio::test]
async fn closes_a_batch_by_its_age() {
    let settings = "[block]\ninterval_ms = 1\n[batch]\nmax_age_ms = 50\n";
    let sequencer = Sequencer::start(settings).await.unwrap();
    let client = sequencer.gateway().unwrap();
    let prover = sequencer.client("prover").unwrap();
    let mut alice = sequencer.funded();
    let request = StreamBatchesRequest { from_batch: 1 };
    let mut stream = prover
        .clone()
        .stream_batches(request)
        .await
        .unwrap()
        .into_inner();
    alice
        .send(&client, TxKind::Call(Address::repeat_byte(1)), 1, &[])
        .await
        .unwrap();
    let batch = stream.message().await.unwrap().unwrap().batch.unwrap();
    assert_eq!((batch.number, batch.transaction_count), (1, 1));
}

#[tokio::test]
async fn a_batch_with_an_authorization_and_a_destruction_executes_again() {
    let sequencer = Sequencer::start("[block]\ninterval_ms = 1\n")
        .await
        .unwrap();
    let client = sequencer.gateway().unwrap();
    let mut alice = sequencer.funded();
    // Init code that sends its value away and destroys itself: PUSH20 beneficiary SELFDESTRUCT.
    let mut code = vec![0x73];
    code.extend_from_slice(&[0xbe; 20]);
    code.push(0xff);
    alice
        .send(&client, TxKind::Create, 77, &code)
        .await
        .unwrap();
    let raw = delegation(&alice);
    alice.nonce += 2;
    submit(&client, raw).await.unwrap();
    alice
        .send(&client, TxKind::Call(alice.address()), 0, &word(5))
        .await
        .unwrap();
    assert_eq!(seal(&client).await.unwrap(), 1);
    let values = proved(&client, 1, &[account(Address::repeat_byte(0xbe))]).await;
    let value = AccountValue::decode(values[0].as_ref().unwrap()).unwrap();
    assert_eq!(value.balance, U256::from(77));
}

/// A transaction in which the wallet delegates itself to the identity precompile (EIP-7702).
fn delegation(wallet: &Wallet) -> Vec<u8> {
    use alloy::{
        consensus::{SignableTransaction, TxEip7702, TxEnvelope},
        eips::{eip2718::Encodable2718, eip7702::Authorization},
        signers::SignerSync,
    };
    let authorization = Authorization {
        chain_id: U256::from(crate::harness::CHAIN_ID),
        address: Address::with_last_byte(4),
        nonce: wallet.nonce + 1,
    };
    let signature = wallet
        .signer
        .sign_hash_sync(&authorization.signature_hash())
        .unwrap();
    let draft = TxEip7702 {
        chain_id: crate::harness::CHAIN_ID,
        nonce: wallet.nonce,
        gas_limit: 200_000,
        to: wallet.address(),
        authorization_list: vec![authorization.into_signed(signature)],
        ..TxEip7702::default()
    };
    let signature = wallet
        .signer
        .sign_hash_sync(&draft.signature_hash())
        .unwrap();
    TxEnvelope::Eip7702(draft.into_signed(signature)).encoded_2718()
}
