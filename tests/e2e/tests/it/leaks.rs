//! What reaches Ethereum: every byte of it is searched for what must stay inside.

use std::collections::BTreeMap;
use std::time::Duration;

use alloy::primitives::{TxKind, U256};
use cloister_test_kit::client::{Client, Wallet};
use cloister_test_kit::stack::{Options, Stack};
use serde_json::{Value, json};
use sqlx::Row as _;

use crate::token;

/// The contract that keeps block hashes has this address on every chain (EIP-2935); it is private to
/// none.
const HISTORY_CONTRACT: &str = "f90827f1c53a10cb7a02335b175320002935";

/// Values above this are amounts that must not be found on Ethereum.
const SMALLEST_AMOUNT: u128 = 1 << 32;

/// Hexadecimal text to search for, with a word for the failure message.
type Needles = BTreeMap<String, &'static str>;

fn note(needles: &mut Needles, what: &'static str, bytes: &[u8]) {
    let trimmed: &[u8] = match bytes.iter().position(|&byte| byte != 0) {
        Some(first) => &bytes[first..],
        None => return,
    };
    // Shorter strings are everywhere by chance.
    if trimmed.len() > 4 {
        needles.insert(alloy::hex::encode(trimmed), what);
    }
}

fn note_amount(needles: &mut Needles, bytes: &[u8]) {
    if U256::from_be_slice(bytes) > U256::from(SMALLEST_AMOUNT) {
        note(needles, "amount", bytes);
    }
}

fn note_hex(needles: &mut Needles, what: &'static str, value: &Value) {
    if let Some(text) = value.as_str() {
        note(needles, what, &alloy::hex::decode(text).unwrap());
    }
}

/// Everything private, as a compliance officer sees it and as the sequencer's database holds it.
async fn private_strings(stack: &Stack) -> Needles {
    let mut needles = Needles::new();
    let carol = Client::login(stack, &stack.people.carol).await.unwrap();
    let head = carol.rpc("eth_blockNumber", json!([])).await.unwrap();
    let head = u64::from_str_radix(head.as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
    assert!(head >= 3, "the story made only {head} blocks");
    for number in 0..=head {
        let block = carol
            .rpc(
                "eth_getBlockByNumber",
                json!([format!("{number:#x}"), true]),
            )
            .await
            .unwrap();
        note_hex(&mut needles, "block hash", &block["hash"]);
        for transaction in block["transactions"].as_array().unwrap() {
            note_hex(&mut needles, "transaction hash", &transaction["hash"]);
            note_hex(&mut needles, "address", &transaction["from"]);
            note_hex(&mut needles, "address", &transaction["to"]);
            let value: U256 = transaction["value"].as_str().unwrap().parse().unwrap();
            note_amount(&mut needles, &value.to_be_bytes::<32>());
        }
    }
    let mut database = stack
        .databases
        .as_ref()
        .unwrap()
        .sequencer
        .connect()
        .await
        .unwrap();
    for row in sqlx::query("select hash from code")
        .fetch_all(&mut database)
        .await
        .unwrap()
    {
        note(&mut needles, "code hash", row.get("hash"));
    }
    let leaves = sqlx::query("select kind, address, slot, value from leaf");
    for row in leaves.fetch_all(&mut database).await.unwrap() {
        let value: &[u8] = row.get("value");
        note(&mut needles, "address", row.get("address"));
        match row.get::<i16, _>("kind") {
            // Nonce 8 ‖ balance 32 ‖ code hash 32.
            1 => note_amount(&mut needles, &value[8..40]),
            2 => {
                note(&mut needles, "storage key", row.get("slot"));
                note_amount(&mut needles, value);
            }
            _ => {}
        }
    }
    needles.remove(HISTORY_CONTRACT);
    needles
}

/// All that the Ethereum node holds: every block, transaction, receipt and log it can name, and a
/// dump of every account's storage.
async fn public_text(stack: &Stack) -> String {
    let anvil = stack.anvil.as_ref().unwrap();
    let head = anvil.rpc("eth_blockNumber", json!([])).await.unwrap();
    let head = u64::from_str_radix(head.as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
    let mut text = String::new();
    for number in 0..=head {
        let number = format!("{number:#x}");
        let block = anvil
            .rpc("eth_getBlockByNumber", json!([number, true]))
            .await
            .unwrap();
        let receipts = anvil
            .rpc("eth_getBlockReceipts", json!([number]))
            .await
            .unwrap();
        text += &block.to_string();
        text += &receipts.to_string();
    }
    text
}

/// SET-5, A9: only the fields that the `Rollup` contract stores reach Ethereum.
#[tokio::test]
async fn nothing_private_reaches_ethereum() {
    let mut stack = Stack::start(Options::default()).await.unwrap();
    let alice = Client::login(&stack, &stack.people.alice).await.unwrap();
    let mut wallet = stack.funded_wallet().unwrap();
    alice.link(&wallet).await.unwrap();
    let token = token::deploy(&alice, &mut wallet).await;
    let customer = Wallet::random().address();
    let own = wallet.address();
    let mint = token::mint(&mut wallet, token, own, 0x1234_5678_9abc_def0_1122);
    assert_eq!(alice.send(&mint).await.unwrap()["status"], "0x1");
    let transfer = token::transfer(&mut wallet, token, customer, 0x0fed_cba9_8765_4321);
    assert_eq!(alice.send(&transfer).await.unwrap()["status"], "0x1");
    let paid = U256::from(0x0dea_dbee_f012_3456_u64);
    let payment = wallet
        .sign(TxKind::Call(customer), paid, Vec::new().into())
        .unwrap();
    assert_eq!(alice.send(&payment).await.unwrap()["status"], "0x1");
    let operator = Client::login(&stack, &stack.people.operator).await.unwrap();
    operator.rpc("cloister_sealBatch", json!([])).await.unwrap();
    wait_committed(&alice, 1).await;

    let needles = private_strings(&stack).await;
    for what in [
        "address",
        "block hash",
        "transaction hash",
        "code hash",
        "storage key",
        "amount",
    ] {
        assert!(
            needles.values().any(|kind| *kind == what),
            "nothing of kind `{what}` to search for"
        );
    }
    let mut public = public_text(&stack).await;
    let node = stack.anvil.as_mut().unwrap();
    node.stop().await.unwrap();
    public += &node.state_text().unwrap();
    let public = public.to_lowercase();
    // The search itself must be able to find: what the contract stores is there.
    let root = stack
        .rollup
        .as_ref()
        .unwrap()
        .trim_start_matches("0x")
        .to_lowercase();
    assert!(
        public.contains(&root),
        "the Rollup's own address was not found"
    );
    for (needle, what) in &needles {
        assert!(
            !public.contains(needle),
            "a private {what} reached Ethereum: {needle}"
        );
    }
}

/// Waits until a batch is committed. While a service starts again there may be no answer.
pub(crate) async fn wait_committed(client: &Client, batch: u64) {
    for _ in 0..600 {
        let answer = client
            .respond("cloister_getFinality", json!([format!("{batch:#x}")]))
            .await
            .unwrap();
        let refusal = &answer["error"]["data"]["code"];
        assert!(refusal.is_null() || refusal == "unavailable", "{answer}");
        if answer["result"]["state"] == "committed" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("batch {batch} was not committed within a minute");
}
