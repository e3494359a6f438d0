//! The story: a token is issued and used, another desk sees nothing, compliance sees all, the batch
//! is anchored on Ethereum, and an auditor checks a package against it.

use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes, TxKind, U256};
use alloy::sol;
use alloy::sol_types::{SolCall as _, SolConstructor as _};
use anyhow::{Context as _, bail, ensure};
use cloister_test_kit::cli::Cli;
use cloister_test_kit::client::{Client, Wallet};
use cloister_test_kit::process::Program;
use cloister_test_kit::stack::Stack;
use cloister_test_kit::tools;
use serde_json::{Value, json};

use crate::proving::Proving;
use crate::report::{Batch, L1Transaction, Report};

sol! {
    /// The functions of the demo's token that the story uses.
    contract Token {
        constructor(string name, string symbol);
        function mint(address to, uint256 amount);
        function transfer(address to, uint256 amount) returns (bool);
        function balanceOf(address account) returns (uint256);
    }
}

/// How much is minted, and how much is transferred, in the token's smallest unit.
const MINTED: u64 = 1_000_000;
const SENT: u64 = 250_000;

/// What later steps need of earlier ones.
struct Issue {
    token: Address,
    treasury: Address,
    customer: Address,
    transfer: B256,
}

/// Plays the story.
pub(crate) async fn play(
    stack: &mut Stack,
    report: &mut Report,
    proving: Option<&Proving>,
) -> anyhow::Result<()> {
    let cli = Cli::new(stack, "alice")?;
    report
        .step(
            "alice logs in by the device flow",
            cli.login(stack, &stack.people.alice),
        )
        .await?;
    let mut treasury = Wallet::random();
    report
        .step("alice links her wallet", cli.link(stack, &treasury))
        .await?;
    let alice = Client::login(stack, &stack.people.alice).await?;
    let issue = issue(&alice, &mut treasury, report).await?;
    report
        .step(
            "bob of the other desk sees nothing of it",
            other_desk(stack, &issue),
        )
        .await?;
    report
        .step(
            "the compliance officer sees all of it",
            compliance(stack, &issue),
        )
        .await?;
    let batch = report
        .step("the operator seals the batch", seal(stack))
        .await?;
    let committed = report
        .step(
            "the batch is committed to Ethereum",
            wait_committed(stack, &alice, batch),
        )
        .await?;
    report.set_batch(committed);
    disclose(stack, report, &issue, batch).await?;
    match proving {
        Some(proving) => proving.play(stack, report, batch).await,
        None => Ok(()),
    }
}

/// Deploys the token, mints and transfers.
async fn issue(alice: &Client, wallet: &mut Wallet, report: &mut Report) -> anyhow::Result<Issue> {
    let token = report
        .step(
            "alice deploys an ERC-20 (OpenZeppelin)",
            deploy(alice, wallet),
        )
        .await?;
    let treasury = wallet.address();
    let customer = Wallet::random().address();
    let mint = Token::mintCall {
        to: treasury,
        amount: U256::from(MINTED),
    }
    .abi_encode();
    let mint = wallet.sign(TxKind::Call(token), U256::ZERO, mint.into())?;
    report.step("alice mints", succeed(alice, &mint)).await?;
    let transfer = Token::transferCall {
        to: customer,
        amount: U256::from(SENT),
    }
    .abi_encode();
    let transfer = wallet.sign(TxKind::Call(token), U256::ZERO, transfer.into())?;
    let receipt = report
        .step("alice transfers", succeed(alice, &transfer))
        .await?;
    let transfer = text(&receipt, "transactionHash")?.parse()?;
    Ok(Issue {
        token,
        treasury,
        customer,
        transfer,
    })
}

async fn deploy(alice: &Client, wallet: &mut Wallet) -> anyhow::Result<Address> {
    let folder = tools::checkout().join("tests/contracts");
    Program::new(tools::node_program("forge")?)
        .arg("build")
        .folder(&folder)
        .output()
        .await?;
    let artifact = std::fs::read_to_string(folder.join("out/DemoToken.sol/DemoToken.json"))?;
    let artifact: Value = serde_json::from_str(&artifact)?;
    let code = artifact.pointer("/bytecode/object").and_then(Value::as_str);
    let mut code = alloy::hex::decode(code.context("the artefact has no code")?)?;
    let arguments = Token::constructorCall {
        name: "Demo Euro".into(),
        symbol: "DEUR".into(),
    };
    code.extend(arguments.abi_encode());
    let raw = wallet.sign(TxKind::Create, U256::ZERO, Bytes::from(code))?;
    let receipt = succeed(alice, &raw).await?;
    Ok(text(&receipt, "contractAddress")?.parse()?)
}

async fn succeed(client: &Client, raw: &str) -> anyhow::Result<Value> {
    let receipt = client.send(raw).await?;
    ensure!(
        text(&receipt, "status")? == "0x1",
        "the transaction reverted: {receipt}"
    );
    Ok(receipt)
}

pub(crate) fn text(value: &Value, field: &str) -> anyhow::Result<String> {
    let found = value.get(field).and_then(Value::as_str);
    Ok(found
        .with_context(|| format!("no `{field}` in {value}"))?
        .to_owned())
}

fn balance_call(token: Address, from: Option<Address>, of: Address) -> Value {
    let data = Token::balanceOfCall { account: of }.abi_encode();
    let mut call = json!({"to": token, "data": alloy::hex::encode_prefixed(data)});
    if let (Some(from), Some(fields)) = (from, call.as_object_mut()) {
        fields.insert("from".to_owned(), json!(from));
    }
    json!([call, "latest"])
}

/// Bob gets, for what is there and not his, the very answers that he gets for what does not exist.
async fn other_desk(stack: &Stack, issue: &Issue) -> anyhow::Result<()> {
    let bob = Client::login(stack, &stack.people.bob).await?;
    let wallet = Wallet::random();
    bob.link(&wallet).await?;
    let (no_contract, no_account) = (Wallet::random().address(), Wallet::random().address());
    let no_transaction = B256::from(U256::from_be_bytes(issue.transfer.0) ^ U256::from(1_u8));
    let from = Some(wallet.address());
    let pairs = [
        (
            "eth_getTransactionByHash",
            json!([issue.transfer]),
            json!([no_transaction]),
        ),
        (
            "eth_getTransactionReceipt",
            json!([issue.transfer]),
            json!([no_transaction]),
        ),
        (
            "eth_getCode",
            json!([issue.token, "latest"]),
            json!([no_contract, "latest"]),
        ),
        (
            "eth_getBalance",
            json!([issue.treasury, "latest"]),
            json!([no_account, "latest"]),
        ),
        (
            "eth_getTransactionCount",
            json!([issue.treasury, "latest"]),
            json!([no_account, "latest"]),
        ),
        (
            "eth_call",
            balance_call(issue.token, from, issue.customer),
            balance_call(no_contract, from, issue.customer),
        ),
        (
            "eth_getLogs",
            json!([{"fromBlock": "0x0", "toBlock": "latest", "address": issue.token}]),
            json!([{"fromBlock": "0x0", "toBlock": "latest", "address": no_contract}]),
        ),
    ];
    for (method, hidden, absent) in pairs {
        let (hidden, absent) = (
            bob.respond(method, hidden).await?,
            bob.respond(method, absent).await?,
        );
        ensure!(
            hidden == absent,
            "{method} tells apart: {hidden} and {absent}"
        );
    }
    let transfer = bob
        .rpc("eth_getTransactionByHash", json!([issue.transfer]))
        .await?;
    ensure!(transfer.is_null(), "bob sees the transfer: {transfer}");
    let denied = bob
        .refused("eth_call", balance_call(issue.token, from, issue.customer))
        .await?;
    ensure!(
        denied.get("code") == Some(&json!(-32001)),
        "bob's call was not denied: {denied}"
    );
    Ok(())
}

async fn compliance(stack: &Stack, issue: &Issue) -> anyhow::Result<()> {
    let carol = Client::login(stack, &stack.people.carol).await?;
    let transfer = carol
        .rpc("eth_getTransactionByHash", json!([issue.transfer]))
        .await?;
    let sender = text(&transfer, "from")?;
    ensure!(
        sender.parse::<Address>()? == issue.treasury,
        "the sender is {sender}"
    );
    let logs = json!([{"fromBlock": "0x0", "toBlock": "latest", "address": issue.token}]);
    let logs = carol.rpc("eth_getLogs", logs).await?;
    let count = logs.as_array().map_or(0, Vec::len);
    ensure!(count == 3, "{count} of 3 events are visible");
    Ok(())
}

async fn seal(stack: &Stack) -> anyhow::Result<u64> {
    let operator = Client::login(stack, &stack.people.operator).await?;
    let batch = operator.rpc("cloister_sealBatch", json!([])).await?;
    number(batch.get("number").unwrap_or(&batch))
}

/// A JSON number or a hexadecimal quantity.
pub(crate) fn number(value: &Value) -> anyhow::Result<u64> {
    if let Some(number) = value.as_u64() {
        return Ok(number);
    }
    let digits = value.as_str().and_then(|text| text.strip_prefix("0x"));
    Ok(u64::from_str_radix(
        digits.with_context(|| format!("`{value}` is no number"))?,
        16,
    )?)
}

async fn wait_committed(stack: &Stack, client: &Client, batch: u64) -> anyhow::Result<Batch> {
    for _ in 0..600 {
        let finality = client
            .rpc("cloister_getFinality", json!([format!("{batch:#x}")]))
            .await?;
        let state = text(&finality, "state")?;
        if state != "sealed" {
            return Ok(Batch {
                number: batch,
                state,
                commit_transactions: transactions(stack, &finality["commitTransactions"]).await?,
                prove_transactions: Vec::new(),
                prove_gas: 0,
                prove_calldata_bytes: 0,
            });
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("batch {batch} was not committed within a minute")
}

/// Ethereum transactions as the gateway tells them, with what the node says of their size.
pub(crate) async fn transactions(
    stack: &Stack,
    told: &Value,
) -> anyhow::Result<Vec<L1Transaction>> {
    let node = stack.anvil.as_ref().context("no Ethereum node runs")?;
    let mut transactions = Vec::new();
    for transaction in told.as_array().context("no transactions")? {
        let hash = text(transaction, "hash")?;
        let found = node.rpc("eth_getTransactionByHash", json!([hash])).await?;
        let digits = text(&found, "input")?.len().saturating_sub(2);
        transactions.push(L1Transaction {
            hash,
            gas: number(transaction.get("gasUsed").context("no gas")?)?,
            calldata_bytes: digits / 2,
        });
    }
    ensure!(!transactions.is_empty(), "no transactions");
    Ok(transactions)
}

/// The officer grants, the auditor takes packages and checks them with nothing but Ethereum.
async fn disclose(
    stack: &Stack,
    report: &mut Report,
    issue: &Issue,
    batch: u64,
) -> anyhow::Result<()> {
    let (officer, auditor) = (Cli::new(stack, "carol")?, Cli::new(stack, "dave")?);
    report
        .step("the officer and the auditor log in", async {
            officer.login(stack, &stack.people.carol).await?;
            auditor.login(stack, &stack.people.dave).await
        })
        .await?;
    let grant = report
        .step(
            "the officer grants the auditor one case",
            grant(&officer, issue),
        )
        .await?;
    let taken = report
        .step(
            "the auditor takes two packages",
            take(&auditor, &grant, issue, batch),
        )
        .await?;
    for file in &taken {
        let name = format!("the auditor verifies {file} against Ethereum");
        let verified = verify(stack, &auditor, file, &["committed"]);
        report.step(&name, verified).await?;
    }
    report
        .step(
            "a tampered package is refused",
            tampered(stack, &auditor, &taken),
        )
        .await?;
    report
        .step(
            "a look beyond the grant is refused",
            beyond(&auditor, &grant),
        )
        .await?;
    report
        .step("the audit ledgers are whole", ledgers(stack, &officer))
        .await
}

async fn grant(officer: &Cli, issue: &Issue) -> anyhow::Result<String> {
    let [treasury, customer, token] =
        [issue.treasury, issue.customer, issue.token].map(|address| address.to_string());
    let case = [
        "--case",
        "Demo 2026/1",
        "--legal-basis",
        "supervisory request",
    ];
    let scope = [
        "--account",
        &treasury,
        "--account",
        &customer,
        "--token",
        &token,
    ];
    let arguments = ["disclose", "grant", "--auditor", "dave", "--days", "7"];
    let arguments = arguments.iter().chain(&case).chain(&scope).copied();
    let grant: Value = serde_json::from_str(&officer.run(arguments).await?)?;
    text(&grant, "id")
}

async fn take(
    auditor: &Cli,
    grant: &str,
    issue: &Issue,
    batch: u64,
) -> anyhow::Result<[String; 2]> {
    let (customer, token) = (issue.customer.to_string(), issue.token.to_string());
    let (batch, transfer) = (batch.to_string(), issue.transfer.to_string());
    let files = ["balance.json", "transaction.json"];
    let [balance, transaction] = files.map(|name| auditor.file(name).display().to_string());
    let get = [
        "disclose", "get", "--grant", grant, "--batch", &batch, "--out",
    ];
    let claim = ["--token", &token, "--holder", &customer];
    auditor
        .run(get.iter().chain(&[balance.as_str()]).chain(&claim).copied())
        .await?;
    let claim = ["--transaction", transfer.as_str()];
    auditor
        .run(
            get.iter()
                .chain(&[transaction.as_str()])
                .chain(&claim)
                .copied(),
        )
        .await?;
    Ok(files.map(str::to_owned))
}

/// The package holds, and its report says that the batch is in one of these states.
pub(crate) async fn verify(
    stack: &Stack,
    auditor: &Cli,
    file: &str,
    states: &[&str],
) -> anyhow::Result<()> {
    let answer = auditor
        .run(verification(
            stack,
            &auditor.file(file).display().to_string(),
        )?)
        .await?;
    let answer: Value = serde_json::from_str(&answer)?;
    ensure!(
        answer.pointer("/verified") == Some(&json!(true)),
        "not verified: {answer}"
    );
    let state = answer.pointer("/report/state").and_then(Value::as_str);
    ensure!(
        state.is_some_and(|state| states.contains(&state)),
        "the report says the batch is {state:?}"
    );
    Ok(())
}

fn verification(stack: &Stack, file: &str) -> anyhow::Result<Vec<String>> {
    let rollup = stack
        .rollup
        .clone()
        .context("the contracts were not deployed")?;
    let key = stack
        .file("disclosure-signing.pub.pem")
        .display()
        .to_string();
    let arguments = [
        "verify",
        file,
        "--json",
        "--l1-rpc",
        &stack.l1_url()?,
        "--rollup",
        &rollup,
    ];
    Ok(arguments
        .iter()
        .chain(&["--issuer-key", &key])
        .map(|&part| part.to_owned())
        .collect())
}

/// Changes one character of the signed content.
async fn tampered(stack: &Stack, auditor: &Cli, taken: &[String]) -> anyhow::Result<()> {
    let file = taken.first().context("no package was taken")?;
    let mut package: Value = serde_json::from_slice(&std::fs::read(auditor.file(file))?)?;
    let payload = text(&package, "payload")?;
    let middle = payload.len() / 2;
    let (before, after) = payload.split_at(middle);
    let other = if after.starts_with('A') { "B" } else { "A" };
    let changed = format!("{before}{other}{}", after.get(1..).unwrap_or_default());
    package["payload"] = Value::String(changed);
    let path = auditor.file("tampered.json");
    std::fs::write(&path, package.to_string())?;
    let refusal = auditor
        .run(verification(stack, &path.display().to_string())?)
        .await;
    let refusal = refusal
        .err()
        .context("a tampered package was taken for good")?
        .to_string();
    ensure!(
        refusal.contains("\"verified\":false"),
        "refused for another reason: {refusal}"
    );
    Ok(())
}

async fn beyond(auditor: &Cli, grant: &str) -> anyhow::Result<()> {
    let stranger = Wallet::random().address().to_string();
    let out = auditor.file("beyond.json").display().to_string();
    let arguments = [
        "disclose",
        "get",
        "--grant",
        grant,
        "--account",
        &stranger,
        "--out",
        &out,
    ];
    let refusal = auditor.run(arguments).await;
    let refusal = refusal
        .err()
        .context("the auditor obtained more than was granted")?
        .to_string();
    // A service that is away would fail too.
    ensure!(
        refusal.contains("(404): nothing can be disclosed"),
        "refused for another reason: {refusal}"
    );
    ensure!(
        !auditor.file("beyond.json").exists(),
        "a refused package was written"
    );
    Ok(())
}

async fn ledgers(stack: &Stack, officer: &Cli) -> anyhow::Result<()> {
    for service in ["gateway.toml", "disclosure.toml"] {
        let config = stack.file(service).display().to_string();
        let verdict = officer
            .run(["audit", "verify", "--service-config", &config])
            .await?;
        ensure!(verdict.starts_with("WHOLE"), "{verdict}");
    }
    Ok(())
}
