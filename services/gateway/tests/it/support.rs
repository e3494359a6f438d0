//! A stack without Ethereum, and small contracts written by hand.

use alloy::primitives::{Address, B256, Bytes, TxKind, U256, address, hex, keccak256};
use cloister_test_kit::cli::Cli;
use cloister_test_kit::client::{Client, Wallet};
use cloister_test_kit::pki;
use cloister_test_kit::service::ServiceName;
use cloister_test_kit::stack::{Options, Stack};
use serde_json::{Value, json};
use sqlx::Row as _;

/// An address at which nothing is.
pub(crate) const NOWHERE: Address = address!("0x00000000000000000000000000000000000abcde");

/// Postgres, provider, sequencer and gateway; nobody answers for the prover.
pub(crate) async fn stack() -> Stack {
    let mut stack = Stack::prepare(Options::default()).unwrap();
    stack.start_postgres().await.unwrap();
    stack.start_provider().await.unwrap();
    stack.start_service(ServiceName::Sequencer).await.unwrap();
    stack.start_service(ServiceName::Gateway).await.unwrap();
    stack
}

/// A person with a linked wallet.
pub(crate) async fn person(
    stack: &Stack,
    person: &cloister_test_kit::oidc::Person,
) -> (Client, Wallet) {
    let client = Client::login(stack, person).await.unwrap();
    let wallet = Wallet::random();
    client.link(&wallet).await.unwrap();
    (client, wallet)
}

/// Init code that leaves `runtime` behind.
fn init_code(runtime: &[u8]) -> Bytes {
    let length = u8::try_from(runtime.len()).unwrap();
    let mut code = vec![
        0x60, length, 0x60, 0x0c, 0x60, 0, 0x39, 0x60, length, 0x60, 0, 0xf3,
    ];
    code.extend(runtime);
    code.into()
}

/// A contract that answers every call with `Transfer(caller, first argument, second argument)` and
/// the number 1, whatever the function.
pub(crate) fn token() -> Bytes {
    let mut runtime = hex!("602435600052600435337f").to_vec();
    runtime.extend(transfer_topic());
    runtime.extend(hex!("60206000a3600160005260206000f3"));
    init_code(&runtime)
}

/// A contract that reverts with its arguments as data.
pub(crate) fn reverter() -> Bytes {
    // PUSH1 4 CALLDATASIZE SUB, DUP1 PUSH1 4 PUSH1 0 CALLDATACOPY, PUSH1 0 REVERT
    init_code(&hex!("600436038060046000376000fd"))
}

pub(crate) fn transfer_topic() -> B256 {
    keccak256("Transfer(address,address,uint256)")
}

/// Call data of `transfer(to, value)`.
pub(crate) fn transfer_data(to: Address, value: u64) -> Bytes {
    let mut data = hex!("a9059cbb").to_vec();
    data.extend(to.into_word());
    data.extend(B256::from(U256::from(value)));
    data.into()
}

/// Call data of `balanceOf(of)`.
pub(crate) fn balance_data(of: Address) -> Bytes {
    let mut data = hex!("70a08231").to_vec();
    data.extend(of.into_word());
    data.into()
}

/// Deploys code and returns the contract's address.
pub(crate) async fn deploy(client: &Client, wallet: &mut Wallet, code: Bytes) -> Address {
    let raw = wallet.sign(TxKind::Create, U256::ZERO, code).unwrap();
    let receipt = client.send(&raw).await.unwrap();
    assert_eq!(receipt["status"], "0x1", "{receipt}");
    receipt["contractAddress"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap()
}

/// Calls `transfer` and returns the receipt.
pub(crate) async fn transfer(
    client: &Client,
    wallet: &mut Wallet,
    token: Address,
    to: Address,
    value: u64,
) -> Value {
    let input = transfer_data(to, value);
    let raw = wallet.sign(TxKind::Call(token), U256::ZERO, input).unwrap();
    client.send(&raw).await.unwrap()
}

/// What a refusal's `data.code` says.
pub(crate) async fn code(client: &Client, method: &str, params: Value) -> String {
    let error = client.refused(method, params).await.unwrap();
    error["data"]["code"]
        .as_str()
        .unwrap_or_else(|| panic!("no code in {error}"))
        .to_owned()
}

/// Refusal of a raw transaction.
pub(crate) async fn refusal(client: &Client, raw: &str) -> String {
    code(client, "eth_sendRawTransaction", json!([raw])).await
}

/// `cloister` in the hands of somebody who is logged in as `client` is.
pub(crate) fn cli(stack: &Stack, name: &str, client: &Client) -> Cli {
    let cli = Cli::new(stack, name).unwrap();
    let session = json!({"access_token": client.token().unwrap(), "refresh_token": null,
        "expires_at": 9_999_999_999_u64});
    pki::write_secret(&cli.file("session.json"), &session.to_string()).unwrap();
    cli
}

/// The newest rows of the audit ledger: principal, method, outcome, rule.
pub(crate) async fn rows(stack: &Stack, count: i64) -> Vec<(String, String, i16, String)> {
    let database = &stack.databases.as_ref().unwrap().gateway;
    let mut connection = database.connect().await.unwrap();
    let rows = sqlx::query(
        "SELECT principal, method, outcome::int2 AS outcome, rule FROM audit_log
         ORDER BY sequence DESC LIMIT $1",
    )
    .bind(count)
    .fetch_all(&mut connection)
    .await
    .unwrap();
    rows.iter()
        .map(|row| {
            (
                row.get("principal"),
                row.get("method"),
                row.get("outcome"),
                row.get("rule"),
            )
        })
        .collect()
}
