//! Developers' own tools, unmodified: viem, ethers, forge and cast.

use cloister_test_kit::cli::Cli;
use cloister_test_kit::client::{Client, Wallet};
use cloister_test_kit::pki;
use cloister_test_kit::process::Program;
use cloister_test_kit::stack::{CHAIN_ID, Options, Stack};
use cloister_test_kit::tools;
use serde_json::{Value, json};

use crate::token;

async fn run_script(script: &str) {
    let stack = Stack::start(Options::default()).await.unwrap();
    let alice = Client::login(&stack, &stack.people.alice).await.unwrap();
    let wallet = Wallet::random();
    alice.link(&wallet).await.unwrap();
    let recipient = Wallet::random().address();
    let config = json!({
        "url": stack.gateway_url(),
        "token": alice.token().unwrap(),
        "chain_id": CHAIN_ID,
        "private_key": format!("0x{}", wallet.key()),
        "recipient": recipient.to_checksum(None),
        "artifact": token::artifact().await,
        "nonce": 0,
    });
    let file = stack.file("client.json");
    pki::write_secret(&file, &config.to_string()).unwrap();
    let printed = Program::new(tools::node_program("node").unwrap())
        .arg(
            tools::checkout()
                .join("tests/clients")
                .join(script)
                .display()
                .to_string(),
        )
        .arg(file.display().to_string())
        .variable(
            "NODE_EXTRA_CA_CERTS",
            stack.pki.ca_file().display().to_string(),
        )
        .output()
        .await
        .unwrap();
    let seen: Value = serde_json::from_str(printed.lines().last().unwrap()).unwrap();

    let carol = Client::login(&stack, &stack.people.carol).await.unwrap();
    let transfer = carol
        .rpc("eth_getTransactionReceipt", json!([seen["transfer"]]))
        .await
        .unwrap();
    assert_eq!(transfer["status"], "0x1");
    assert_eq!(
        transfer["to"].as_str().unwrap().to_lowercase(),
        seen["address"].as_str().unwrap().to_lowercase()
    );
}

#[tokio::test]
async fn a_viem_script_deploys_and_uses_a_token() {
    run_script("viem.mjs").await;
}

#[tokio::test]
async fn an_ethers_script_deploys_and_uses_a_token() {
    run_script("ethers.mjs").await;
}

#[tokio::test]
async fn forge_create_and_cast_send_work_through_the_rpc_proxy() {
    let stack = Stack::start(Options::default()).await.unwrap();
    let cli = Cli::new(&stack, "alice").unwrap();
    cli.login(&stack, &stack.people.alice).await.unwrap();
    let wallet = Wallet::random();
    cli.link(&stack, &wallet).await.unwrap();
    let proxy = cli.rpc_proxy().await.unwrap();
    let key = format!("0x{}", wallet.key());

    let forge = Program::new(tools::node_program("forge").unwrap()).folder(token::project());
    let created = forge
        .args([
            "create",
            "src/DemoToken.sol:DemoToken",
            "--json",
            "--broadcast",
        ])
        .args(["--rpc-url", proxy.url(), "--private-key", &key])
        .args(["--constructor-args", "Forge Token", "FRG"])
        .output()
        .await
        .unwrap();
    let created = &created[created.find('{').unwrap()..];
    let created: Value = serde_json::from_str(created).unwrap();
    let address = created["deployedTo"].as_str().unwrap().to_owned();

    let cast = || Program::new(tools::node_program("cast").unwrap()).folder(token::project());
    let to = Wallet::random().address().to_checksum(None);
    for call in [
        [
            "mint(address,uint256)",
            &wallet.address().to_checksum(None),
            "1000",
        ],
        ["transfer(address,uint256)", &to, "250"],
    ] {
        let sent = cast()
            .args([
                "send",
                "--json",
                "--rpc-url",
                proxy.url(),
                "--private-key",
                &key,
                &address,
            ])
            .args(call)
            .output()
            .await
            .unwrap();
        let sent: Value = serde_json::from_str(&sent).unwrap();
        assert_eq!(sent["status"], "0x1", "{sent}");
    }
    let balance = cast()
        .args([
            "call",
            "--rpc-url",
            proxy.url(),
            "--from",
            &wallet.address().to_checksum(None),
        ])
        .args([&address, "balanceOf(address)(uint256)", &to])
        .output()
        .await
        .unwrap();
    assert_eq!(balance.trim(), "250");
}
