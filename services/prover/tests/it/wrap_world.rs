//! Wraps of a small circuit for any batch, and their verifier on Ethereum: everything is as with the
//! released circuit, but a wrap takes a second.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes, U256, hex, keccak256};
use alloy::sol_types::SolValue as _;
use anyhow::Context as _;
use cloister_proto::prover::v1 as api;
use cloister_test_kit::{anvil, tools};
use cloister_wrap::evm::{calldata, image, replay};
use cloister_wrap::release::Release;
use cloister_wrap::statement::Statement;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::Connection as _;

use crate::sample;
use crate::world::{GUARDIAN, World, account};

/// Version of the guest program that the sample circuit's wraps pretend to be about.
pub(crate) const IMAGE: u32 = 9;
/// Longest transaction: the head fits, and two of the four queries.
pub(crate) const MAX_BYTES: u32 = 16_384;

fn statement(batch_hash: B256) -> Statement {
    Statement {
        public_values: batch_hash.to_vec(),
        ..sample::statement()
    }
}

/// A wrap that holds for a batch; another one for each number.
pub(crate) async fn wrap(batch_hash: B256, number: u32) -> anyhow::Result<Vec<u8>> {
    static KEPT: Mutex<BTreeMap<(B256, u32), Vec<u8>>> = Mutex::new(BTreeMap::new());
    let make = move || {
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        let wrap = kept.entry((batch_hash, number)).or_insert_with(|| {
            let prover = &sample::world().prover;
            let traces = sample::traces_of(&statement(batch_hash), number);
            prover.prove(prover.tables(&traces).unwrap()).unwrap()
        });
        wrap.clone()
    };
    Ok(tokio::task::spawn_blocking(make).await?)
}

/// A whole proof as the verifier takes it without a session.
async fn whole_proof(batch_hash: B256) -> anyhow::Result<Bytes> {
    let wrap = wrap(batch_hash, 77).await?;
    let verifier = &sample::world().verifier;
    let replay = replay::replay(verifier, &statement(batch_hash), &wrap).context("a true wrap")?;
    let queries = sample::PARAMETERS.queries as usize;
    let head = Bytes::from(calldata::head(&replay));
    let range = Bytes::from(calldata::range(verifier, &replay, 0, queries));
    let parts = (head, Bytes::new(), U256::ZERO, U256::from(queries), range);
    Ok(parts.abi_encode_params().into())
}

fn sample_image() -> Vec<u8> {
    let statement = sample::statement();
    let verifier = &sample::world().verifier;
    image::image(verifier, &statement.program, &statement.machine).unwrap()
}

/// A world whose prover takes wraps of the sample circuit. It is not started, and there is no
/// verifier on Ethereum yet.
pub(crate) async fn world(more: &str) -> anyhow::Result<World> {
    // Nothing is final before a test is over.
    let options = anvil::Options {
        slots_in_an_epoch: 32,
        ..anvil::Options::default()
    };
    let mut world = World::with(options).await?;
    let statement = sample::statement();
    let release = Release {
        image: IMAGE,
        program: statement.program,
        machine: statement.machine,
        key: sample::world().prover.key().clone(),
    };
    let path = world.file("sample.release");
    std::fs::write(&path, release.encode())?;
    world.settings.more = format!(
        "max_transaction_bytes = {MAX_BYTES}\nwrap_release = \"{}\"\n{more}",
        path.display()
    );
    Ok(world)
}

/// As [`world`], with a verifier on Ethereum and the prover started.
pub(crate) async fn started(more: &str) -> anyhow::Result<World> {
    let mut world = world(more).await?;
    add_verifier(&world, 1).await?;
    world.start().await?;
    Ok(world)
}

/// One query goes in a transaction, because more would take too much gas.
pub(crate) fn one_query_at_a_time(world: &World) {
    let begin = hex::encode(&keccak256("begin(address,bytes32[],bytes)")[..4]);
    world.proxy.dear(move |question| {
        // One query takes 14,000 hexadecimal digits, two at least 20,000.
        question.len() > 18_000 && !question.contains(&begin)
    });
}

/// Sends a transaction from an account that the node holds; its hash.
async fn post(
    world: &World,
    from: Address,
    to: Option<Address>,
    data: Vec<u8>,
    tip: &str,
) -> anyhow::Result<Value> {
    let transaction = json!({
        "from": from,
        "to": to,
        "data": hex::encode_prefixed(data),
        "gas": "0xf00000",
        "maxFeePerGas": "0x746a528800",
        "maxPriorityFeePerGas": tip,
    });
    let sent = world.anvil.rpc("eth_sendTransaction", json!([transaction]));
    sent.await
}

/// As [`post`], and demands that it succeeds; its receipt.
async fn send(
    world: &World,
    from: Address,
    to: Option<Address>,
    data: Vec<u8>,
) -> anyhow::Result<Value> {
    let hash = post(world, from, to, data, "0x1").await?;
    let mut turn = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..3_000 {
        turn.tick().await;
        let question = world.anvil.rpc("eth_getTransactionReceipt", json!([hash]));
        let receipt = question.await?;
        if !receipt.is_null() {
            anyhow::ensure!(receipt["status"] == "0x1", "a call reverted: {receipt}");
            return Ok(receipt);
        }
    }
    anyhow::bail!("a transaction was not included")
}

async fn create(world: &World, code: Vec<u8>) -> anyhow::Result<Address> {
    let receipt = send(world, account(GUARDIAN), None, code).await?;
    let address = receipt["contractAddress"].as_str().context("an address")?;
    Ok(address.parse()?)
}

/// The call of a function that takes only static arguments.
fn call(function: &str, words: &[U256]) -> Vec<u8> {
    let mut data = keccak256(function)[..4].to_vec();
    data.extend(words.iter().flat_map(U256::to_be_bytes::<32>));
    data
}

/// Deploys a verifier of the sample circuit and has the governor add it as the next version.
pub(crate) async fn add_verifier(world: &World, version: u32) -> anyhow::Result<()> {
    let image = sample_image();
    // Init code that returns what follows it: a zero byte, so that nobody can call it, and the data.
    let length = u16::try_from(image.len() + 1)?.to_be_bytes();
    let part = [
        &[0x61, length[0], length[1]][..],
        &hex!("80600a5f395ff3"),
        &[0],
        &image,
    ];
    let part = create(world, part.concat()).await?;
    let path = tools::checkout().join("contracts/artifacts/WrapVerifier.json");
    let artifact: Value = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    let mut code = hex::decode(artifact["bytecode"].as_str().context("bytecode")?)?;
    let router = world.deployment.router;
    code.extend((router, vec![part], keccak256(&image)).abi_encode_params());
    let verifier = create(world, code).await?;

    let timelock = world.deployment.timelock;
    let purse = json!([timelock, "0x8ac7230489e80000"]);
    world.anvil.rpc("anvil_setBalance", purse).await?;
    let impersonate = world
        .anvil
        .rpc("anvil_impersonateAccount", json!([timelock]));
    impersonate.await?;
    let deployed = world
        .anvil
        .rpc("eth_getCode", json!([verifier, "latest"]))
        .await?;
    let deployed = deployed.as_str().context("code")?;
    let words = [
        U256::from(version),
        U256::from_be_slice(verifier.as_slice()),
        keccak256(hex::decode(deployed)?).into(),
    ];
    let add = call("addVerifier(uint32,address,bytes32)", &words);
    send(world, timelock, Some(router), add).await?;
    Ok(())
}

/// Has the guardian freeze a version.
pub(crate) async fn freeze(world: &World, version: u32) -> anyhow::Result<()> {
    let data = call("freezeVerifier(uint32)", &[U256::from(version)]);
    let router = world.deployment.router;
    send(world, account(GUARDIAN), Some(router), data).await?;
    Ok(())
}

/// Somebody else sends the proof of a batch, in one transaction; its hash.
pub(crate) async fn prove_as_stranger(world: &World, batch: u64) -> anyhow::Result<Vec<u8>> {
    let proof = whole_proof(world.batches.hash(batch)).await?;
    let mut data = keccak256("prove(uint64,uint64,uint32,bytes)")[..4].to_vec();
    data.extend((batch, batch, 1_u32, proof).abi_encode_params());
    let rollup = world.deployment.rollup;
    // Before everything that waits.
    let tip = "0x746a528800";
    let hash = post(world, account(GUARDIAN), Some(rollup), data, tip).await?;
    Ok(hex::decode(hash.as_str().context("a hash")?)?)
}

/// Gives the prover a wrap for a batch, as the jobs would, in place of one that it may have.
pub(crate) async fn give(world: &mut World, batch: u64, wrap: &[u8]) -> anyhow::Result<()> {
    let database = world.database.clone();
    let there = async || {
        let mut connection = database.connect().await?;
        let count: i64 = sqlx::query_scalar("select count(*) from batch where number = $1")
            .bind(i64::try_from(batch)?)
            .fetch_one(&mut connection)
            .await?;
        connection.close().await?;
        Ok(count == 1)
    };
    world.until("the prover has the batch", there).await?;
    let mut connection = world.database.connect().await?;
    sqlx::query(
        "with stored as (insert into artefact (shelf, bytes, sha256) \
            values ('postgres', $2, $3) returning id), \
         chunk as (insert into artefact_chunk (artefact, number, data) \
            select id, 0, $4 from stored) \
         insert into proving (batch, state, execution, instructions, segments, program, machine, \
            image, proof, verify_wall_ms, verified_at, wrap, wrapped_at, wrap_verify_wall_ms) \
         select $1, 'verified', 'equal', 1, 1, $5, $5, $6, id, 1, now(), id, now(), 1 from stored \
         on conflict (batch) do update set wrap = excluded.wrap",
    )
    .bind(i64::try_from(batch)?)
    .bind(i64::try_from(wrap.len())?)
    .bind(Sha256::digest(wrap).to_vec())
    .bind(wrap)
    .bind([0_u8; 32].as_slice())
    .bind(i32::try_from(IMAGE)?)
    .execute(&mut connection)
    .await?;
    connection.close().await?;
    Ok(())
}

/// Gives the prover a true wrap.
pub(crate) async fn give_true(world: &mut World, batch: u64) -> anyhow::Result<()> {
    let wrap = wrap(world.batches.hash(batch), 1).await?;
    give(world, batch, &wrap).await
}

/// Seals a batch, waits until it is committed, and gives the prover a true wrap; its number.
pub(crate) async fn seal(world: &mut World) -> anyhow::Result<u64> {
    world.batches.seal(1);
    let batch = world.batches.newest();
    world.until_committed(batch).await?;
    give_true(world, batch).await?;
    Ok(batch)
}

/// Waits until the prover says that a batch is in a state or beyond it.
pub(crate) async fn until(
    world: &mut World,
    batch: u64,
    state: api::BatchState,
) -> anyhow::Result<api::BatchStatus> {
    let client = world.client("gateway")?;
    let ask = async || {
        let request = api::GetBatchStatusRequest { number: batch };
        let answer = client.clone().get_batch_status(request).await?;
        let status = answer.into_inner().status.unwrap_or_default();
        Ok(status.state >= i32::from(state))
    };
    world
        .until(&format!("batch {batch} is {state:?}"), ask)
        .await?;
    world.batch(batch).await?.context("the batch")
}

/// What the prover's database says of its transactions in the chain, in order: what for, for which
/// batches, and whether they succeeded.
pub(crate) async fn transactions(world: &World) -> anyhow::Result<Vec<(String, i64, i64, bool)>> {
    let mut connection = world.database.connect().await?;
    let rows = sqlx::query_as(
        "select kind, first_batch, last_batch, succeeded from l1_transaction \
         where succeeded is not null order by nonce",
    )
    .fetch_all(&mut connection)
    .await?;
    connection.close().await?;
    Ok(rows)
}

/// As [`transactions`], only what they were for; all succeeded.
pub(crate) async fn kinds(world: &World) -> anyhow::Result<Vec<String>> {
    let all = transactions(world).await?;
    assert!(all.iter().all(|(_, _, _, succeeded)| *succeeded), "{all:?}");
    Ok(all.into_iter().map(|(kind, ..)| kind).collect())
}
