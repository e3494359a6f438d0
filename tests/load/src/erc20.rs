//! ERC-20 transfers: through the sequencer alone, through the gateway, and on anvil.
//!
//! ```text
//!  signed beforehand ──► many senders at once ──► SubmitTransaction (gRPC)        acknowledged when
//!                    │                        ├─► eth_sendRawTransaction (HTTPS)  the block is durable
//!                    │                        └─► eth_sendRawTransaction (anvil)  until all are mined
//!                    └─ the same bytes on both sides: same token, same accounts, same limits
//! ```
//!
//! Postgres, the services, anvil and this program share one machine. Postgres keeps `fsync` on.
//! anvil makes blocks at the same interval and gas limit, over memory, without policy or identity.

mod drive;
mod target;
mod workload;

use crate::{Figure, Filter, Report};
use anyhow::Context as _;
use cloister_test_kit::client::Client;
use cloister_test_kit::service::ServiceName;
use cloister_test_kit::stack::{Options, Stack};
use std::time::Duration;
use target::{Anvil, Gateway, Sequencer};
use workload::{Shape, Workload};

/// The figures of this group.
pub(crate) const NAMES: &[&str] = &[
    "sequencer_erc20_tps",
    "inclusion_p50_ms",
    "inclusion_p99_ms",
    "gateway_erc20_tps",
    "gateway_cpu_per_request_us",
];

/// What is sent to the sequencer and to anvil.
const DIRECT: Shape = Shape {
    senders: 128,
    transfers: 80,
    paced: 16,
};
/// What is sent through the gateway: senders are wallets of one person, who may have 32.
const THROUGH_GATEWAY: Shape = Shape {
    senders: 30,
    transfers: 200,
    paced: 0,
};
/// Transactions of one sender that wait for their block at the same time.
const WINDOW: usize = 4;
/// The same through the gateway, whose person may have few wallets: enough to fill blocks.
const GATEWAY_WINDOW: usize = 16;
/// Transfers in a second while the time to inclusion is measured.
const PACE: u32 = 200;
/// Calls while the gateway's CPU time is measured.
const CALLS: usize = 4_000;
/// Calls at the same time.
const PARALLEL_CALLS: usize = 16;
/// Before anything is timed: caches fill, connections open.
const WARM_UP: usize = 200;

const ANVIL: &str = "anvil";

/// Measures what is wanted.
pub(crate) fn run(filter: &Filter, report: &mut Report) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    runtime.block_on(measure(filter, report))
}

async fn measure(filter: &Filter, report: &mut Report) -> anyhow::Result<()> {
    Report::note("erc20: starting Postgres with fsync, and the services");
    let mut stack = Stack::prepare(Options {
        durable: true,
        ..Options::default()
    })?;
    stack.start_postgres().await?;
    stack.start_service(ServiceName::Sequencer).await?;
    let code = workload::creation_code().await?;

    let tps = if ["sequencer_erc20_tps", "gateway_erc20_tps"]
        .iter()
        .any(|name| filter.wants(name))
    {
        let shape = Shape { paced: 0, ..DIRECT };
        Some(anvil(&Workload::new(&shape, &code)?).await?)
    } else {
        None
    };
    direct(filter, report, &stack, &code, tps).await?;
    if filter.wants("gateway_erc20_tps") || filter.wants("gateway_cpu_per_request_us") {
        stack.start_ethereum().await?;
        stack.start_provider().await?;
        stack.deploy_contracts().await?;
        stack.start_service(ServiceName::Prover).await?;
        stack.start_service(ServiceName::Gateway).await?;
        gateway(filter, report, &mut stack, &code, tps).await?;
    }
    stack.stop().await
}

/// anvil's transfers in a second.
async fn anvil(workload: &Workload) -> anyhow::Result<f64> {
    Report::note("erc20: the same transfers on anvil");
    let anvil = Anvil::start().await?;
    workload.prepare(&anvil).await?;
    let tps = drive::flood(&anvil, &workload.transfers, WINDOW).await?;
    anyhow::ensure!(
        anvil.balance(workload).await? == workload.expected(),
        "anvil lost transfers"
    );
    Ok(tps)
}

/// Through the sequencer's gRPC alone.
async fn direct(
    filter: &Filter,
    report: &mut Report,
    stack: &Stack,
    code: &[u8],
    peer: Option<f64>,
) -> anyhow::Result<()> {
    let asked = [
        "sequencer_erc20_tps",
        "inclusion_p50_ms",
        "inclusion_p99_ms",
    ];
    if !asked.iter().any(|name| filter.wants(name)) {
        return Ok(());
    }
    let paced = filter.wants("inclusion_p50_ms") || filter.wants("inclusion_p99_ms");
    let shape = Shape {
        paced: if paced { DIRECT.paced } else { 0 },
        ..DIRECT
    };
    let workload = Workload::new(&shape, code)?;
    let sequencer = Sequencer::connect(stack)?;
    workload.prepare(&sequencer).await?;
    if paced {
        Report::note("erc20: time to durable inclusion at a steady pace");
        let times = drive::pace(&sequencer, &workload.paced, PACE).await?;
        for (name, share) in [("inclusion_p50_ms", 0.5), ("inclusion_p99_ms", 0.99)] {
            if filter.wants(name) {
                report.figure(&Figure::alone(
                    name,
                    drive::percentile_ms(&times, share),
                    "ms",
                ));
            }
        }
    }
    if let Some(peer) = peer.filter(|_| filter.wants("sequencer_erc20_tps")) {
        Report::note("erc20: transfers through the sequencer");
        let tps = drive::flood(&sequencer, &workload.transfers, WINDOW).await?;
        let balance = sequencer.balance(&workload).await?;
        anyhow::ensure!(
            balance == workload.expected(),
            "the sequencer lost transfers"
        );
        report.figure(&Figure::beside(
            "sequencer_erc20_tps",
            tps,
            "1/s",
            ANVIL,
            peer,
        ));
    }
    Ok(())
}

/// Through the gateway: a token, a policy decision and an audit row for each request.
async fn gateway(
    filter: &Filter,
    report: &mut Report,
    stack: &mut Stack,
    code: &[u8],
    peer: Option<f64>,
) -> anyhow::Result<()> {
    Report::note("erc20: linking wallets at the gateway");
    let client = Client::login(stack, &stack.people.alice.clone()).await?;
    let workload = Workload::new(&THROUGH_GATEWAY, code)?;
    client.link(&workload.owner).await?;
    for wallet in &workload.senders {
        client.link(wallet).await?;
    }
    let gateway = Gateway::new(client.keeping_connections(stack)?);
    workload.prepare(&gateway).await?;
    if let Some(peer) = peer.filter(|_| filter.wants("gateway_erc20_tps")) {
        Report::note("erc20: transfers through the gateway");
        let tps = drive::flood(&gateway, &workload.transfers, GATEWAY_WINDOW).await?;
        let balance = gateway.balance(&workload).await?;
        anyhow::ensure!(balance == workload.expected(), "the gateway lost transfers");
        report.figure(&Figure::beside(
            "gateway_erc20_tps",
            tps,
            "1/s",
            ANVIL,
            peer,
        ));
    }
    if filter.wants("gateway_cpu_per_request_us") {
        Report::note("gateway: CPU time of calls with a cached token");
        let process = stack
            .service(ServiceName::Gateway)?
            .id()
            .context("no gateway runs")?;
        drive::repeat(WARM_UP, PARALLEL_CALLS, || gateway.balance(&workload)).await?;
        let before = cpu_time_of(process)?;
        drive::repeat(CALLS, PARALLEL_CALLS, || gateway.balance(&workload)).await?;
        let spent = cpu_time_of(process)?.saturating_sub(before);
        let calls = u32::try_from(CALLS).unwrap_or(u32::MAX);
        let us = (spent / calls).as_secs_f64() * 1e6;
        report.figure(&Figure::alone("gateway_cpu_per_request_us", us, "us"));
    }
    Ok(())
}

/// User and system time of a process, from `/proc`, in steps of 10 ms.
fn cpu_time_of(process: u32) -> anyhow::Result<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name in parentheses may hold anything; `utime` and `stime` are the 12th and 13th after it.
    let (_, fields) = text
        .rsplit_once(')')
        .context("`/proc` has another form than expected")?;
    let ticks = |at: usize| -> anyhow::Result<u64> {
        Ok(fields
            .split_whitespace()
            .nth(at)
            .context("`/proc` has too few fields")?
            .parse()?)
    };
    Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 10))
}
