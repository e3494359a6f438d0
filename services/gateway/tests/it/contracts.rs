//! What a contract is called in policies: said once by its deployer, changed by others only.

use alloy::primitives::{Address, TxKind, U256, hex};
use cloister_test_kit::client::{Client, Wallet};
use cloister_test_kit::stack::Stack;
use serde_json::{Value, json};

use crate::support::{
    NOWHERE, cli, code, deploy, person, refusal, rows, stack, token, transfer, transfer_data,
};

const REGISTER: &str = "cloister_registerContract";

fn abi(signatures: &[(&str, &[&str])]) -> Value {
    let function = |(name, types): &(&str, &[&str])| {
        let inputs: Vec<_> = types
            .iter()
            .map(|ty| json!({"name": "", "type": ty}))
            .collect();
        json!({"type": "function", "name": name, "inputs": inputs, "outputs": [],
            "stateMutability": "nonpayable"})
    };
    signatures.iter().map(function).collect()
}

/// An ABI by which a transfer is no transfer of the ERC-20 template any more.
fn lifting() -> Value {
    json!({"template": "access", "abi": abi(&[("transfer", &["address", "uint256"])])})
}

/// More tokens than a trader may move at once.
fn too_much(wallet: &Wallet, token: Address) -> String {
    let mut data = transfer_data(NOWHERE, 0).to_vec();
    let amount = U256::from(1_000_001) * U256::from(10).pow(U256::from(18));
    data.truncate(36);
    data.extend(amount.to_be_bytes::<32>());
    wallet
        .sign_with(wallet.nonce(), TxKind::Call(token), U256::ZERO, data.into())
        .unwrap()
}

async fn age(stack: &Stack, seconds: i64) {
    let database = &stack.databases.as_ref().unwrap().gateway;
    sqlx::query("UPDATE contracts SET recorded_at_ms = recorded_at_ms - 1000 * $1")
        .bind(seconds)
        .execute(&mut database.connect().await.unwrap())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_deployer_says_once_what_a_contract_is_and_others_change_it() {
    // Defends SGW-16.
    let stack = stack().await;
    let (alice, mut wallet) = person(&stack, &stack.people.alice).await;
    let operator = Client::login(&stack, &stack.people.operator).await.unwrap();
    let carol = Client::login(&stack, &stack.people.carol).await.unwrap();
    let token = deploy(&alice, &mut wallet, token()).await;

    alice.rpc(REGISTER, json!([token, {}])).await.unwrap();
    let lift = json!([token, lifting()]);
    assert_eq!(code(&alice, REGISTER, lift.clone()).await, "denied");
    let name = format!("{}|alice", stack.provider().unwrap().issuer());
    let denied = (
        name,
        REGISTER.to_owned(),
        2,
        "register-four-eyes".to_owned(),
    );
    assert_eq!(rows(&stack, 1).await, [denied]);
    assert_eq!(refusal(&alice, &too_much(&wallet, token)).await, "denied");
    let receipt = transfer(&alice, &mut wallet, token, NOWHERE, 1).await;
    assert_eq!(receipt["status"], "0x1", "{receipt}");

    for (supervisor, subject) in [(&operator, "olivia"), (&carol, "carol")] {
        supervisor.rpc(REGISTER, lift.clone()).await.unwrap();
        let database = &stack.databases.as_ref().unwrap().gateway;
        let who: String = sqlx::query_scalar("SELECT registered_subject FROM contracts")
            .fetch_one(&mut database.connect().await.unwrap())
            .await
            .unwrap();
        assert_eq!(who, subject);
    }
    let raw = too_much(&wallet, token);
    assert_eq!(alice.send(&raw).await.unwrap()["status"], "0x1");
    let absent = json!([NOWHERE, {}]);
    for supervisor in [&operator, &carol] {
        let answer = code(supervisor, REGISTER, absent.clone()).await;
        assert_eq!(answer, "invalid_params");
    }
}

#[tokio::test]
async fn an_hour_after_the_deployment_its_deployer_registers_it_no_more() {
    // Defends SGW-16.
    let stack = stack().await;
    let (alice, mut wallet) = person(&stack, &stack.people.alice).await;
    let contract = deploy(&alice, &mut wallet, token()).await;
    age(&stack, 3_601).await;
    let lift = json!([contract, lifting()]);
    assert_eq!(code(&alice, REGISTER, lift).await, "denied");
    let second = deploy(&alice, &mut wallet, token()).await;
    age(&stack, 3_000).await;
    alice.rpc(REGISTER, json!([second, {}])).await.unwrap();
}

#[tokio::test]
async fn an_abi_gives_no_function_of_a_template_another_meaning() {
    // Defends SGW-16. These two have one selector.
    let stack = stack().await;
    let (alice, mut wallet) = person(&stack, &stack.people.alice).await;
    let operator = Client::login(&stack, &stack.people.operator).await.unwrap();
    let contract = deploy(&alice, &mut wallet, token()).await;
    let other = abi(&[("many_msg_babbage", &["bytes1"])]);
    assert_eq!(transfer_data(NOWHERE, 0)[..4], hex!("a9059cbb"));
    for template in ["erc20", "access"] {
        let wanted = json!([contract, {"template": template, "abi": other}]);
        for client in [&alice, &operator] {
            let refused = client.refused(REGISTER, wanted.clone()).await.unwrap();
            assert_eq!(refused["data"]["code"], "invalid_params", "{refused}");
            let message = refused["message"].as_str().unwrap();
            assert!(message.contains("`transfer(address,uint256)`"), "{message}");
        }
    }
}

#[tokio::test]
async fn the_tool_registers_a_contract_and_shows_it() {
    let stack = stack().await;
    let (alice, mut wallet) = person(&stack, &stack.people.alice).await;
    let contract = deploy(&alice, &mut wallet, token()).await.to_string();
    let tool = cli(&stack, "alice", &alice);
    let show = ["contract", "show", &contract];
    let shown: Value = serde_json::from_str(&tool.run(show).await.unwrap()).unwrap();
    assert_eq!(shown["registered"], Value::Null, "{shown}");
    assert_eq!(shown["desk"], "rates", "{shown}");

    let file = tool.file("Token.json");
    let artifact = json!({"abi": abi(&[("sweep", &[])]), "bytecode": "0x"});
    std::fs::write(&file, artifact.to_string()).unwrap();
    let file = file.display().to_string();
    let register = |template| {
        [
            "contract",
            "register",
            &contract,
            "--abi",
            &file,
            "--template",
            template,
        ]
        .map(str::to_owned)
    };
    let wrong = tool.run(register("erc9999")).await.unwrap_err();
    let wrong = format!("{wrong:#}");
    assert!(
        wrong.contains("`erc9999` is not a template: use one of access"),
        "{wrong}"
    );
    let said = tool.run(register("erc721")).await.unwrap();
    let expected = format!("registered {contract}: template erc721, desk rates, 1 functions\n");
    assert_eq!(said, expected);
    let again = format!("{:#}", tool.run(register("erc721")).await.unwrap_err());
    assert!(
        again.contains("no policy permits `register_contract` here"),
        "{again}"
    );

    let shown: Value = serde_json::from_str(&tool.run(show).await.unwrap()).unwrap();
    assert_eq!(shown["registered"]["subject"], "alice", "{shown}");
    assert_eq!(shown["functions"], json!(["sweep()"]), "{shown}");
    // SGW-2: another desk's is like none.
    let bob = Client::login(&stack, &stack.people.bob).await.unwrap();
    let [there, nowhere] = [contract.as_str(), &NOWHERE.to_string()].map(|at| json!([at]));
    let there = bob.refused("cloister_getContract", there).await.unwrap();
    assert_eq!(
        there,
        bob.refused("cloister_getContract", nowhere).await.unwrap()
    );
}
