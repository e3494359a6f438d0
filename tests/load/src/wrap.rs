//! What a wrap costs: the wrapper's time and memory, and Ethereum's gas.
//!
//! The wrapper wraps the golden batch; a node with the cap of EIP-7825 checks the wrap twice: in as few
//! transactions as gas allows, and in transactions of the size that nodes hand on. The peer's figures
//! are those of the first try with the same circuit, whose gas was an estimate.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use cloister_l1::{B256, Bytes, Endpoint, EthClient, Rollup};
use cloister_proto::sequencer::v1::GetInfoResponse;
use cloister_prove::client::{Engine, Options};
use cloister_prove::protocol::{Answer, Hash, Work};
use cloister_test_kit::anvil::{self, Anvil};
use cloister_test_kit::{l1, tools};
use cloister_types::BatchNumber;
use cloister_types::batch::PublicHeader;
use cloister_wrap::evm::{calldata, replay};
use cloister_wrap::release::Release;
use cloister_wrap::verify::Verifier;
use serde_json::{Value, json};

use crate::figure::{Figure, Filter, Report};

/// All figures.
pub(crate) const NAMES: &[&str] = &[
    "wrap_cpu_s",
    "wrap_wall_s",
    "wrap_peak_gb",
    "wrap_kb",
    "wrap_verify_ms",
    "wrap_transactions",
    "wrap_gas",
    "wrap_gas_largest",
    "wrap_calldata_kb",
    "wrap_pool_transactions",
    "wrap_pool_gas",
    "wrap_pool_calldata_kb",
    "wrap_gas_constraints",
    "wrap_gas_openings",
    "wrap_gas_rows",
    "wrap_gas_folds",
    "wrap_gas_trees",
    "wrap_gas_calldata",
    "wrap_gas_other",
];

/// The large parts of the gas in `contracts/snapshots/Wrap.json`, which the contracts' tests measure
/// and compare, and what the first try estimated for them: the constraints with their buses and their
/// folding into one, and what is opened.
const PARTS: [(&str, &[&str], Option<f64>); 6] = [
    (
        "wrap_gas_constraints",
        &["part: constraints, quotient"],
        Some(15_500_000.0),
    ),
    (
        "wrap_gas_openings",
        &["part: openings read", "part: openings combined"],
        Some(4_100_000.0),
    ),
    ("wrap_gas_rows", &["part: rows"], None),
    ("wrap_gas_folds", &["part: folds"], None),
    ("wrap_gas_trees", &["part: trees"], None),
    ("wrap_gas_calldata", &["part: calldata"], None),
];

/// The first try: processor seconds, gigabytes, kilobytes, milliseconds, and the middle of 36 to 43
/// million gas in three to four transactions.
const PEER: &str = "first try";
const PEER_CPU_S: f64 = 454.0;
const PEER_WALL_S: f64 = 239.0;
const PEER_PEAK_GB: f64 = 13.3;
const PEER_KB: f64 = 664.0;
const PEER_VERIFY_MS: f64 = 98.0;
const PEER_GAS: f64 = 39_500_000.0;
const PEER_TRANSACTIONS: f64 = 4.0;

/// Longest transactions: what nodes hand on as a rule, and what the limit of gas leaves at the floor of
/// EIP-7623.
const POOL_BYTES: usize = 131_072;
const BUILDER_BYTES: usize = 400_000;
/// What a transaction has beside its queries: call, context, signature.
const ENVELOPE_BYTES: usize = 4_096;
/// Longest wait for a transaction: the node mines each at once, but some take a second.
const INCLUSION_LIMIT: Duration = Duration::from_mins(1);
/// Longest wait for a wrap.
const LIMIT: Duration = Duration::from_mins(30);

/// Whether any of the figures is wanted.
pub(crate) fn is_wanted(filter: &Filter) -> bool {
    !filter.is_all() && NAMES.iter().any(|name| filter.wants(name))
}

/// Measures.
pub(crate) fn run(
    filter: &Filter,
    wrapper: Option<&PathBuf>,
    scratch: Option<&PathBuf>,
    report: &mut Report,
) -> Result<()> {
    let (Some(wrapper), Some(scratch)) = (wrapper, scratch) else {
        bail!("the figures of wraps need the wrapper: run `cargo xtask bench wrap`");
    };
    let mut show = |figure: Figure| {
        if filter.wants(figure.name) {
            report.figure(&figure);
        }
    };
    let golden = Golden::read()?;
    let bytes = wrap(wrapper, scratch, &golden, &mut show)?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(ethereum(&golden, &bytes, &mut show))?;
    parts(&mut show)
}

/// Where the gas goes.
fn parts(show: &mut impl FnMut(Figure)) -> Result<()> {
    Report::note("gas by part, of the wrap that the contracts are tested with");
    let snapshot = read("contracts/snapshots/Wrap.json")?;
    let lines = snapshot.as_object().context("no snapshot")?;
    let gas = |line: &str| -> Result<f64> {
        let gas = lines.get(line).and_then(Value::as_str);
        Ok(gas.with_context(|| format!("no `{line}`"))?.parse()?)
    };
    let mut other = 0.0;
    for line in lines.keys().filter(|line| !line.starts_with("part: ")) {
        other += gas(line)?;
    }
    for (name, lines, peer) in PARTS {
        let mut part = 0.0;
        for line in lines {
            part += gas(line)?;
        }
        other -= part;
        show(match peer {
            Some(peer) => Figure::beside(name, part, "gas", PEER, peer),
            None => Figure::alone(name, part, "gas"),
        });
    }
    show(Figure::alone("wrap_gas_other", other, "gas"));
    Ok(())
}

/// A JSON file of the checkout.
fn read(path: &str) -> Result<Value> {
    let path = tools::checkout().join(path);
    let text = std::fs::read(&path);
    let text = text.with_context(|| format!("cannot read `{}`", path.display()))?;
    Ok(serde_json::from_slice(&text)?)
}

/// The golden batch and the release that its wrap is of.
struct Golden {
    header: PublicHeader,
    hash: B256,
    genesis_state_root: B256,
    release: Release,
}

impl Golden {
    fn read() -> Result<Self> {
        let chain = read("tests/vectors/chain.json")?;
        let image = read("guest/image/v1/image.json")?;
        let batch = &chain["batch"];
        let commitment = |name: &str| -> Result<[u8; 32]> { Ok(word(&image, name)?.0) };
        Ok(Self {
            header: PublicHeader {
                chain_id: number(batch, "chain_id")?,
                number: BatchNumber(number(batch, "number")?),
                previous_hash: word(batch, "previous_hash")?,
                state_root: word(batch, "state_root")?,
                message_root: word(batch, "message_root")?,
                l1_message_count: number(batch, "l1_message_count")?,
                l1_message_hash: word(batch, "l1_message_hash")?,
                private_digest: word(batch, "private_digest")?,
            },
            hash: word(batch, "hash")?,
            genesis_state_root: word(&chain["genesis"], "state_root")?,
            release: Release::v1(1, commitment("program")?, commitment("machine")?)?,
        })
    }
}

fn word(of: &Value, name: &str) -> Result<B256> {
    let text = of[name].as_str();
    Ok(text.with_context(|| format!("no `{name}`"))?.parse()?)
}

fn number(of: &Value, name: &str) -> Result<u64> {
    of[name].as_u64().with_context(|| format!("no `{name}`"))
}

/// Has the wrapper wrap the golden batch's proof; the wrap.
fn wrap(
    wrapper: &Path,
    scratch: &Path,
    golden: &Golden,
    show: &mut impl FnMut(Figure),
) -> Result<Vec<u8>> {
    Report::note("wrapping a batch's proof (13 GB)");
    std::fs::create_dir_all(scratch)?;
    let output = scratch.join("golden.wrap");
    let options = Options {
        program: wrapper.to_owned(),
        key_cache: None,
        threads: None,
        memory_limit_bytes: None,
        elf: None,
    };
    let mut engine = Engine::start(&options, Box::new(Report::note))?;
    let work = Work::Wrap {
        proof: tools::checkout().join("crates/prove/tests/data/golden.proof"),
        batch_hash: Hash(golden.hash.0),
        output: output.clone(),
    };
    let (answer, usage) = engine.call(work, LIMIT)?;
    ensure!(matches!(answer, Answer::Wrapped { .. }), "{answer:?}");
    let bytes = std::fs::read(output)?;
    let thousandth = |number: u64| approximate(number) / 1e3;
    let mut beside = |name, value, unit, peer| {
        show(Figure::beside(name, value, unit, PEER, peer));
    };
    beside("wrap_cpu_s", thousandth(usage.cpu_ms), "s", PEER_CPU_S);
    beside("wrap_wall_s", thousandth(usage.wall_ms), "s", PEER_WALL_S);
    let peak = approximate(usage.peak_bytes) / 1e9;
    beside("wrap_peak_gb", peak, "GB", PEER_PEAK_GB);
    beside("wrap_kb", size(bytes.len()) / 1e3, "kB", PEER_KB);
    let verifier = Verifier::new(golden.release.key.clone())?;
    let begun = Instant::now();
    verifier.verify(&golden.release.statement(&golden.hash.0), &bytes)?;
    let took = begun.elapsed().as_secs_f64() * 1e3;
    beside("wrap_verify_ms", took, "ms", PEER_VERIFY_MS);
    Ok(bytes)
}

/// What Ethereum took to check a wrap.
struct Checked {
    gas: Vec<u64>,
    calldata: usize,
}

/// Has a node check the wrap in few and in many transactions.
async fn ethereum(golden: &Golden, wrap: &[u8], show: &mut impl FnMut(Figure)) -> Result<()> {
    Report::note("checking the wrap on an Ethereum node");
    let few = check(golden, wrap, BUILDER_BYTES).await?;
    let gas: u64 = few.gas.iter().sum();
    let count = size(few.gas.len());
    let mut beside = |name, value, unit, peer| {
        show(Figure::beside(name, value, unit, PEER, peer));
    };
    beside("wrap_transactions", count, "", PEER_TRANSACTIONS);
    beside("wrap_gas", approximate(gas), "gas", PEER_GAS);
    let largest = few.gas.iter().copied().max().unwrap_or_default();
    show(Figure::beside(
        "wrap_gas_largest",
        approximate(largest),
        "gas",
        "EIP-7825",
        approximate(cloister_l1::MAX_TRANSACTION_GAS),
    ));
    let kilobytes = |checked: &Checked| size(checked.calldata) / 1e3;
    show(Figure::alone("wrap_calldata_kb", kilobytes(&few), "kB"));
    let many = check(golden, wrap, POOL_BYTES).await?;
    let gas: u64 = many.gas.iter().sum();
    let count = size(many.gas.len());
    show(Figure::alone("wrap_pool_transactions", count, ""));
    show(Figure::beside(
        "wrap_pool_gas",
        approximate(gas),
        "gas",
        PEER,
        PEER_GAS,
    ));
    let figure = Figure::alone("wrap_pool_calldata_kb", kilobytes(&many), "kB");
    show(figure);
    Ok(())
}

/// Brings a wrap to the verifier of a new installation, in transactions of at most so many bytes.
async fn check(golden: &Golden, wrap: &[u8], most_bytes: usize) -> Result<Checked> {
    let node = Anvil::start(anvil::Options::default()).await?;
    let info = GetInfoResponse {
        chain_id: golden.header.chain_id,
        genesis_state_root: golden.genesis_state_root.to_vec().into(),
        genesis_batch_hash: golden.header.previous_hash.to_vec().into(),
        ..GetInfoResponse::default()
    };
    let rollup = l1::deploy(&node.url(), &info).await?;
    let endpoint = Endpoint::new(node.url().parse()?, Duration::from_mins(1));
    let client = EthClient::connect(&endpoint)?;
    let rollup = client.rollup(rollup.parse()?);
    let address = rollup.address().to_string();
    let commit = Rollup::commit_call(&[golden.header]);
    send(&node, &address, &commit).await?;

    let verifier = Verifier::new(golden.release.key.clone())?;
    let statement = golden.release.statement(&golden.hash.0);
    let replay = replay::replay(&verifier, &statement, wrap).context("the wrap does not hold")?;
    let head = Bytes::from(calldata::head(&replay));
    let block = client.head().await?.hash;
    let version = *rollup
        .verifiers_in(block)
        .await?
        .first()
        .context("no verifier")?;
    let contract = client.wrap_verifier(version.address);
    let context = contract
        .context_in(rollup.address(), golden.hash, &head, block)
        .await?;
    let mut ranges = ranges(&verifier, &replay, most_bytes)?;
    let (first, count, queries) = ranges.pop().context("no queries")?;
    let mut calls = vec![(
        version.address.to_string(),
        cloister_l1::WrapVerifier::begin_call(rollup.address(), golden.hash, &head),
    )];
    for (first, count, queries) in ranges {
        let call = cloister_l1::WrapVerifier::check_call(
            rollup.address(),
            &context,
            first,
            count,
            &queries,
        );
        calls.push((version.address.to_string(), call));
    }
    let batch = golden.header.number;
    let prove = Rollup::prove_call(batch, version.version, &context, first, count, &queries);
    calls.push((address, prove));
    let mut checked = Checked {
        gas: Vec::new(),
        calldata: 0,
    };
    for (to, call) in calls {
        checked.calldata += call.len();
        checked.gas.push(send(&node, &to, &call).await?);
    }
    let proved = rollup.anchor(batch).await?.context("no batch")?;
    ensure!(
        proved.state == cloister_l1::AnchorState::Proved,
        "not proved"
    );
    Ok(checked)
}

/// First query, number and bytes of each range, as few as fit.
fn ranges(
    verifier: &Verifier,
    replay: &replay::Replay,
    most_bytes: usize,
) -> Result<Vec<(usize, usize, Bytes)>> {
    let all = replay.positions.len();
    for pieces in 1..=all {
        let mut first = 0;
        let mut ranges = Vec::new();
        for piece in 0..pieces {
            let count = (all - first).div_ceil(pieces - piece);
            let queries = Bytes::from(calldata::range(verifier, replay, first, count));
            ranges.push((first, count, queries));
            first += count;
        }
        let fits = |bytes: &Bytes| bytes.len() + ENVELOPE_BYTES <= most_bytes;
        if ranges.iter().all(|(_, _, queries)| fits(queries)) {
            return Ok(ranges);
        }
    }
    bail!("not one query fits in {most_bytes} bytes")
}

/// Sends a call from the committer's account; its gas.
async fn send(node: &Anvil, to: &str, input: &Bytes) -> Result<u64> {
    let gas = format!("{:#x}", cloister_l1::MAX_TRANSACTION_GAS);
    let [_, (committer, _)] = anvil::FUNDED;
    let call = json!([{"from": committer, "to": to, "input": input, "gas": gas}]);
    let hash = node.rpc("eth_sendTransaction", call).await?;
    let begun = Instant::now();
    let mut receipt = Value::Null;
    while receipt.is_null() {
        ensure!(begun.elapsed() < INCLUSION_LIMIT, "not included: {hash}");
        tokio::time::sleep(Duration::from_millis(50)).await;
        receipt = node.rpc("eth_getTransactionReceipt", json!([hash])).await?;
    }
    ensure!(receipt["status"] == "0x1", "it reverted: {receipt}");
    let used = receipt["gasUsed"].as_str().unwrap_or_default();
    let used = used.strip_prefix("0x").context("no gas")?;
    Ok(u64::from_str_radix(used, 16)?)
}

#[expect(clippy::cast_precision_loss, reason = "figures are far below 2^52")]
const fn approximate(number: u64) -> f64 {
    number as f64
}

#[expect(clippy::cast_precision_loss, reason = "figures are far below 2^52")]
const fn size(number: usize) -> f64 {
    number as f64
}
