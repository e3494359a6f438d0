//! Transactions and calls: what is taken, what is refused, and in which words.

use alloy::consensus::{SignableTransaction as _, TxEip4844, TxEip7702, TxEnvelope, TxLegacy};
use alloy::eips::eip2718::Encodable2718 as _;
use alloy::eips::eip7702::Authorization;
use alloy::primitives::{Address, Bytes, TxKind, U256, hex};
use alloy::signers::SignerSync as _;
use alloy::signers::local::PrivateKeySigner;
use cloister_test_kit::client::{Client, Wallet};
use cloister_test_kit::stack::CHAIN_ID;
use serde_json::json;

use crate::support::{
    NOWHERE, balance_data, code, deploy, person, refusal, reverter, stack, token, transfer,
    transfer_data,
};

fn legacy(wallet: &Wallet, chain_id: Option<u64>) -> String {
    let signer: PrivateKeySigner = wallet.key().parse().unwrap();
    let unsigned = TxLegacy {
        chain_id,
        gas_limit: 30_000,
        ..TxLegacy::default()
    };
    let signature = signer.sign_hash_sync(&unsigned.signature_hash()).unwrap();
    hex::encode_prefixed(TxEnvelope::Legacy(unsigned.into_signed(signature)).encoded_2718())
}

fn blob(wallet: &Wallet) -> String {
    let signer: PrivateKeySigner = wallet.key().parse().unwrap();
    let unsigned = TxEip4844 {
        chain_id: CHAIN_ID,
        ..TxEip4844::default()
    };
    let signature = signer.sign_hash_sync(&unsigned.signature_hash()).unwrap();
    let envelope = TxEnvelope::Eip4844(unsigned.into_signed(signature).into());
    hex::encode_prefixed(envelope.encoded_2718())
}

#[tokio::test]
async fn each_bad_transaction_has_its_own_refusal() {
    let stack = stack().await;
    let (alice, mut wallet) = person(&stack, &stack.people.alice).await;
    let stranger = Wallet::random();
    assert_eq!(
        refusal(&alice, &legacy(&stranger, Some(CHAIN_ID))).await,
        "signer_not_linked"
    );
    assert_eq!(
        refusal(&alice, &legacy(&wallet, Some(1))).await,
        "wrong_chain_id"
    );
    assert_eq!(
        refusal(&alice, &legacy(&wallet, None)).await,
        "not_replay_protected"
    );
    assert_eq!(
        refusal(&alice, &blob(&wallet)).await,
        "unsupported_transaction_type"
    );
    assert_eq!(refusal(&alice, "0xdeadbeef").await, "transaction_malformed");
    let huge = format!("0x{}", "00".repeat(128 * 1024 + 1));
    assert_eq!(refusal(&alice, &huge).await, "transaction_too_large");

    let long = vec![0; 49_153];
    let raw = wallet
        .sign_with(0, TxKind::Create, U256::ZERO, long.into())
        .unwrap();
    assert_eq!(refusal(&alice, &raw).await, "code_size_exceeded");
    // The value limit allows it, the balance does not.
    let to_nowhere = TxKind::Call(NOWHERE);
    let raw = wallet
        .sign_with(0, to_nowhere, U256::from(1), Bytes::new())
        .unwrap();
    assert_eq!(refusal(&alice, &raw).await, "insufficient_funds");
    let much = U256::from(1_001) * U256::from(10).pow(U256::from(18));
    let raw = wallet.sign_with(0, to_nowhere, much, Bytes::new()).unwrap();
    assert_eq!(refusal(&alice, &raw).await, "denied");

    // 65,535 bytes of code are over EIP-170's limit: included, and failed.
    let code = hex!("61ffff6000f3").to_vec();
    let raw = wallet
        .sign(TxKind::Create, U256::ZERO, code.into())
        .unwrap();
    let receipt = alice.send(&raw).await.unwrap();
    assert_eq!(receipt["status"], "0x0", "{receipt}");
    let raw = wallet
        .sign_with(0, TxKind::Create, U256::ZERO, token())
        .unwrap();
    let used = alice
        .refused("eth_sendRawTransaction", json!([raw]))
        .await
        .unwrap();
    assert_eq!(used["code"], -32000);
    assert!(
        used["message"]
            .as_str()
            .unwrap()
            .starts_with("nonce too low"),
        "{used}"
    );
}

#[tokio::test]
async fn a_contract_belongs_to_the_desk_that_deployed_it() {
    let stack = stack().await;
    let (alice, mut wallet) = person(&stack, &stack.people.alice).await;
    let (bob, purse) = person(&stack, &stack.people.bob).await;
    let contract = deploy(&alice, &mut wallet, reverter()).await;
    let me = wallet.address();

    // The ERC-20 template is the default: the function is known, the call runs, and reverts.
    let call = |from, data: Bytes| json!([{"from": from, "to": contract, "data": data}, "latest"]);
    let data = transfer_data(NOWHERE, 7);
    let reverted = alice
        .refused("eth_call", call(me, data.clone()))
        .await
        .unwrap();
    assert_eq!(
        (&reverted["code"], &reverted["data"]),
        (&json!(3), &json!(data.slice(4..)))
    );
    let estimate = alice
        .refused("eth_estimateGas", call(me, data.clone()))
        .await
        .unwrap();
    assert_eq!(estimate["code"], 3, "{estimate}");
    assert_eq!(
        code(&bob, "eth_call", call(purse.address(), data.clone())).await,
        "denied"
    );

    // A function that the ABI lacks is denied until somebody who may attaches an ABI.
    let sweep: Bytes = hex!("35faa416").into();
    assert_eq!(
        code(&alice, "eth_call", call(me, sweep.clone())).await,
        "denied"
    );
    let abi = json!({"abi": [{"type": "function", "name": "sweep", "inputs": [], "outputs": [],
        "stateMutability": "nonpayable"}]});
    let refused = code(&bob, "cloister_registerContract", json!([contract, abi])).await;
    assert_eq!(refused, "denied");
    let registered = alice
        .rpc("cloister_registerContract", json!([contract, abi]))
        .await
        .unwrap();
    assert_eq!(
        (&registered["desk"], &registered["functions"]),
        (&json!("rates"), &json!(1))
    );
    let reverted = alice.refused("eth_call", call(me, sweep)).await.unwrap();
    assert_eq!(
        (&reverted["code"], &reverted["data"]),
        (&json!(3), &json!("0x"))
    );
    assert_eq!(code(&alice, "eth_call", call(me, data)).await, "denied");
    let bad = json!([contract, {"template": "erc9999"}]);
    assert_eq!(
        code(&alice, "cloister_registerContract", bad).await,
        "invalid_params"
    );
}

#[tokio::test]
async fn calls_run_in_the_name_of_a_linked_wallet_on_the_latest_state() {
    let stack = stack().await;
    let (alice, mut wallet) = person(&stack, &stack.people.alice).await;
    let contract = deploy(&alice, &mut wallet, token()).await;
    let data = balance_data(NOWHERE);
    let one = json!(format!("0x{:064x}", 1));
    let call = json!({"to": contract, "data": data});
    for block in [
        json!("latest"),
        json!("pending"),
        json!("safe"),
        json!("finalized"),
        json!(null),
    ] {
        assert_eq!(
            alice.rpc("eth_call", json!([call, block])).await.unwrap(),
            one
        );
    }
    let head = alice.rpc("eth_blockNumber", json!([])).await.unwrap();
    assert_eq!(
        alice.rpc("eth_call", json!([call, head])).await.unwrap(),
        one
    );
    assert_eq!(
        code(&alice, "eth_call", json!([call, "0x0"])).await,
        "historical_state"
    );
    let overrides = json!([call, "latest", {NOWHERE.to_string(): {"balance": "0x1"}}]);
    assert_eq!(code(&alice, "eth_call", overrides).await, "invalid_params");
    let foreign = json!([{"from": NOWHERE, "to": contract, "data": data}]);
    assert_eq!(code(&alice, "eth_call", foreign).await, "wallet_not_linked");
    let unlinked = Client::login(&stack, &stack.people.bob).await.unwrap();
    assert_eq!(
        code(&unlinked, "eth_call", json!([call])).await,
        "no_wallet"
    );
}

#[tokio::test]
async fn clients_find_what_they_read() {
    let stack = stack().await;
    let (alice, mut wallet) = person(&stack, &stack.people.alice).await;
    let contract = deploy(&alice, &mut wallet, token()).await;
    let raw = wallet
        .sign(
            TxKind::Call(contract),
            U256::ZERO,
            transfer_data(NOWHERE, 3),
        )
        .unwrap();
    let receipt = alice
        .rpc("eth_sendRawTransactionSync", json!([raw]))
        .await
        .unwrap();
    assert_eq!(receipt["status"], "0x1", "{receipt}");
    let (hash, block) = (&receipt["transactionHash"], &receipt["blockNumber"]);
    let by_hash = alice
        .rpc("eth_getTransactionByHash", json!([hash]))
        .await
        .unwrap();
    let by_index = alice
        .rpc(
            "eth_getTransactionByBlockNumberAndIndex",
            json!([block, receipt["transactionIndex"]]),
        )
        .await
        .unwrap();
    assert_eq!(by_hash, by_index);
    assert_eq!(
        alice
            .rpc("eth_getRawTransactionByHash", json!([hash]))
            .await
            .unwrap(),
        json!(raw)
    );
    let whole = alice
        .rpc("eth_getBlockByHash", json!([receipt["blockHash"], false]))
        .await
        .unwrap();
    assert_eq!(whole["transactions"], json!([hash]));
    let logs = alice
        .rpc("eth_getLogs", json!([{"blockHash": receipt["blockHash"]}]))
        .await
        .unwrap();
    assert_eq!(logs[0]["transactionHash"], *hash);
    let me = wallet.address();
    let count = alice
        .rpc("eth_getTransactionCount", json!([me, "latest"]))
        .await
        .unwrap();
    assert_eq!(count, format!("{:#x}", wallet.nonce()));
    assert_ne!(
        alice.rpc("eth_getCode", json!([contract])).await.unwrap(),
        "0x"
    );
    let fees = alice
        .rpc("eth_feeHistory", json!(["0x2", "latest", [50]]))
        .await
        .unwrap();
    assert_eq!(fees["gasUsedRatio"], json!([0.0, 0.0]));
    let failed = transfer(&alice, &mut wallet, contract, NOWHERE, 1).await;
    assert_eq!(failed["status"], "0x1");
}

/// A transaction to nowhere that delegates `authority` to `delegate` (EIP-7702).
fn delegating(sender: &Wallet, nonce: u64, authority: &Wallet, delegate: Address) -> String {
    let key = |wallet: &Wallet| -> PrivateKeySigner { wallet.key().parse().unwrap() };
    let authorization = Authorization {
        chain_id: U256::ZERO,
        address: delegate,
        nonce: if authority.address() == sender.address() {
            nonce + 1
        } else {
            0
        },
    };
    let signature = key(authority)
        .sign_hash_sync(&authorization.signature_hash())
        .unwrap();
    let unsigned = TxEip7702 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 200_000,
        to: NOWHERE,
        authorization_list: vec![authorization.into_signed(signature)],
        ..TxEip7702::default()
    };
    let signature = key(sender)
        .sign_hash_sync(&unsigned.signature_hash())
        .unwrap();
    let envelope = TxEnvelope::Eip7702(unsigned.into_signed(signature));
    hex::encode_prefixed(envelope.encoded_2718())
}

#[tokio::test]
async fn code_that_nobody_registered_is_not_reached_by_a_transfer() {
    // Defends SGW-15: contracts that a contract created are in no registry.
    let stack = stack().await;
    let (alice, mut wallet) = person(&stack, &stack.people.alice).await;
    let contract = deploy(&alice, &mut wallet, token()).await;
    let database = &stack.databases.as_ref().unwrap().gateway;
    let mut connection = database.connect().await.unwrap();
    let forgotten = sqlx::query("DELETE FROM contracts").execute(&mut connection);
    assert_eq!(forgotten.await.unwrap().rows_affected(), 1);
    let raw = wallet
        .sign(TxKind::Call(contract), U256::ZERO, Bytes::new())
        .unwrap();
    assert_eq!(refusal(&alice, &raw).await, "denied");
}

#[tokio::test]
async fn foreign_code_is_not_reached_by_a_transfer_or_a_delegation() {
    // Defends SGW-15.
    let stack = stack().await;
    let (alice, mut wallet) = person(&stack, &stack.people.alice).await;
    let (bob, mut purse) = person(&stack, &stack.people.bob).await;
    let token = deploy(&alice, &mut wallet, token()).await;

    let nothing = || (U256::ZERO, Bytes::new());
    let (value, data) = nothing();
    let raw = purse
        .sign_with(0, TxKind::Call(token), value, data)
        .unwrap();
    assert_eq!(refusal(&bob, &raw).await, "denied");
    let (value, data) = nothing();
    let raw = purse.sign(TxKind::Call(NOWHERE), value, data).unwrap();
    assert_eq!(bob.send(&raw).await.unwrap()["status"], "0x1");

    let victim = Wallet::random();
    let raw = delegating(&purse, 1, &victim, Address::ZERO);
    assert_eq!(refusal(&bob, &raw).await, "signer_not_linked");
    for hidden in [token, NOWHERE] {
        let raw = delegating(&purse, 1, &purse, hidden);
        assert_eq!(refusal(&bob, &raw).await, "denied");
    }
    let raw = delegating(&wallet, wallet.nonce(), &wallet, token);
    let receipt = alice.send(&raw).await.unwrap();
    assert_eq!(receipt["status"], "0x1", "{receipt}");
    let code = json!([wallet.address(), "latest"]);
    let code = alice.rpc("eth_getCode", code).await.unwrap();
    assert!(code.as_str().unwrap().starts_with("0xef0100"), "{code}");

    // A wallet that has delegated can still be paid.
    let to = TxKind::Call(wallet.address());
    let (value, data) = nothing();
    let raw = purse.sign(to, value, data).unwrap();
    assert!(bob.send(&raw).await.unwrap()["status"].is_string());
}
