//! The demo's token, compiled with forge, and what tests do with it.

use std::path::PathBuf;

use alloy::primitives::{Address, Bytes, TxKind, U256};
use alloy::sol;
use alloy::sol_types::{SolCall as _, SolConstructor as _};
use cloister_test_kit::client::{Client, Wallet};
use cloister_test_kit::process::Program;
use cloister_test_kit::tools;
use serde_json::Value;

sol! {
    contract Token {
        constructor(string name, string symbol);
        function mint(address to, uint256 amount);
        function transfer(address to, uint256 amount) returns (bool);
        function balanceOf(address account) returns (uint256);
    }
}

/// The folder of the Foundry project with the token.
pub(crate) fn project() -> PathBuf {
    tools::checkout().join("tests/contracts")
}

/// Compiles the token; the artefact's path.
pub(crate) async fn artifact() -> PathBuf {
    let forge = Program::new(tools::node_program("forge").unwrap());
    forge.arg("build").folder(project()).output().await.unwrap();
    project().join("out/DemoToken.sol/DemoToken.json")
}

/// Code that deploys the token.
pub(crate) async fn creation_code(name: &str) -> Bytes {
    let text = std::fs::read_to_string(artifact().await).unwrap();
    let artifact: Value = serde_json::from_str(&text).unwrap();
    let mut code = alloy::hex::decode(artifact["bytecode"]["object"].as_str().unwrap()).unwrap();
    let arguments = Token::constructorCall {
        name: name.to_owned(),
        symbol: "TST".to_owned(),
    };
    code.extend(arguments.abi_encode());
    code.into()
}

/// Deploys the token and returns its address.
pub(crate) async fn deploy(client: &Client, wallet: &mut Wallet) -> Address {
    let raw = wallet
        .sign(TxKind::Create, U256::ZERO, creation_code("Test").await)
        .unwrap();
    let receipt = client.send(&raw).await.unwrap();
    assert_eq!(receipt["status"], "0x1", "{receipt}");
    receipt["contractAddress"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap()
}

/// Signs a mint.
pub(crate) fn mint(wallet: &mut Wallet, token: Address, to: Address, amount: u128) -> String {
    let input = Token::mintCall {
        to,
        amount: U256::from(amount),
    }
    .abi_encode();
    wallet
        .sign(TxKind::Call(token), U256::ZERO, input.into())
        .unwrap()
}

/// Signs a transfer.
pub(crate) fn transfer(wallet: &mut Wallet, token: Address, to: Address, amount: u128) -> String {
    let input = Token::transferCall {
        to,
        amount: U256::from(amount),
    }
    .abi_encode();
    wallet
        .sign(TxKind::Call(token), U256::ZERO, input.into())
        .unwrap()
}

/// The parameters of an `eth_call` to `balanceOf`.
pub(crate) fn balance_call(from: Address, token: Address, of: Address) -> Value {
    let data = alloy::hex::encode_prefixed(Token::balanceOfCall { account: of }.abi_encode());
    serde_json::json!([{"from": from, "to": token, "data": data}, "latest"])
}

/// The balance of `of`.
pub(crate) async fn balance(client: &Client, from: Address, token: Address, of: Address) -> U256 {
    let answer = client
        .rpc("eth_call", balance_call(from, token, of))
        .await
        .unwrap();
    answer.as_str().unwrap().parse().unwrap()
}
