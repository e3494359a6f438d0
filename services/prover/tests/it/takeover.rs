//! Several workers share the jobs of a batch; killing any of them at any stage changes nothing but
//! time (SPV-22).

use cloister_proto::prover::v1::{JobState, ProofState};

use crate::proving::{self, LEAVE, Proving};

/// More than one leaf takes in.
const SEGMENTS: u32 = 5;

/// The prover itself is at the job and is killed; a machine beside it takes over.
async fn the_prover_is_killed_at(action: &str, index: Option<u32>) -> anyhow::Result<()> {
    let mut proving = Proving::started("").await?;
    proving.fault("stop", action, index, "hold");
    let batch = proving.seal(SEGMENTS);
    let (_, parent) = proving.until_held("stop").await?;
    assert_eq!(Some(parent), proving.world.prover.id());
    proving.world.prover.kill();
    let machine = proving.start_machine("")?;
    proving
        .until_number("select count(*) from proving where state = 'verified'", 1)
        .await?;
    assert!(machine.metric("cloister_prover_job_seconds_count").await? >= 1.0);
    proving.world.start().await?;
    proving.until_proved(batch).await?;
    taken_over_once(&proving, batch).await
}

/// A machine beside the prover is at the job and is killed; another one takes over.
async fn a_machine_is_killed_at(action: &str, index: Option<u32>) -> anyhow::Result<()> {
    let mut proving = Proving::started("workers = 0\n").await?;
    proving.fault("stop", action, index, "hold");
    let batch = proving.seal(SEGMENTS);
    let mut machine = proving.start_machine("")?;
    let (_, parent) = proving.until_held("stop").await?;
    assert_eq!(parent, machine.child.id());
    machine.child.kill();
    let _other = proving.start_machine("")?;
    proving.until_proved(batch).await?;
    taken_over_once(&proving, batch).await
}

/// Every job is done, one of them at the second try, and none is left with a failure.
async fn taken_over_once(proving: &Proving, batch: u64) -> anyhow::Result<()> {
    let jobs = proving.jobs(batch).await?;
    let count = proving::jobs(SEGMENTS);
    assert_eq!(u32::try_from(jobs.len())?, count);
    assert!(jobs.iter().all(|job| job.state() == JobState::Done));
    assert!(jobs.iter().all(|job| job.error.is_empty()));
    let tries: u32 = jobs.iter().map(|job| job.attempts).sum();
    assert_eq!(tries, count + 1, "one job was tried twice: {jobs:#?}");
    Ok(())
}

#[tokio::test]
async fn spv_22_the_prover_is_killed_while_it_executes() -> anyhow::Result<()> {
    the_prover_is_killed_at("execute", None).await
}

#[tokio::test]
async fn spv_22_the_prover_is_killed_while_it_proves_a_segment() -> anyhow::Result<()> {
    the_prover_is_killed_at("segment", Some(2)).await
}

#[tokio::test]
async fn spv_22_the_prover_is_killed_while_it_aggregates() -> anyhow::Result<()> {
    the_prover_is_killed_at("aggregate", None).await
}

#[tokio::test]
async fn spv_22_the_prover_is_killed_while_it_finishes() -> anyhow::Result<()> {
    the_prover_is_killed_at("finish", None).await
}

#[tokio::test]
async fn spv_22_the_prover_is_killed_while_it_verifies() -> anyhow::Result<()> {
    the_prover_is_killed_at("verify", None).await
}

#[tokio::test]
async fn spv_22_a_machine_is_killed_while_it_executes() -> anyhow::Result<()> {
    a_machine_is_killed_at("execute", None).await
}

#[tokio::test]
async fn spv_22_a_machine_is_killed_while_it_proves_the_last_segment() -> anyhow::Result<()> {
    a_machine_is_killed_at("segment", Some(4)).await
}

#[tokio::test]
async fn spv_22_a_machine_is_killed_while_it_aggregates() -> anyhow::Result<()> {
    a_machine_is_killed_at("aggregate", None).await
}

#[tokio::test]
async fn spv_22_a_machine_is_killed_while_it_finishes() -> anyhow::Result<()> {
    a_machine_is_killed_at("finish", None).await
}

#[tokio::test]
async fn spv_22_a_machine_is_killed_while_it_verifies() -> anyhow::Result<()> {
    a_machine_is_killed_at("verify", None).await
}

#[tokio::test]
async fn two_workers_share_a_batch() -> anyhow::Result<()> {
    let mut proving = Proving::started("").await?;
    let machine = proving.start_machine("")?;
    proving.fault("slow", "segment", Some(0), "hold");
    let batch = proving.seal(8);
    proving.until_held("slow").await?;
    let others = format!(
        "select count(*) from job where batch = {batch} and stage = 'segment' and state = 'done'"
    );
    proving.until_number(&others, 7).await?;
    proving.release("slow");
    proving.until_proved(batch).await?;
    let here = proving.metric("cloister_prover_job_seconds_count").await?;
    let there = machine.metric("cloister_prover_job_seconds_count").await?;
    assert!(here >= 1.0 && there >= 1.0, "{here} and {there}");
    let jobs = proving.jobs(batch).await?;
    assert!(jobs.iter().all(|job| job.attempts == 1), "{jobs:#?}");
    Ok(())
}

#[tokio::test]
async fn spv_22_a_worker_that_comes_too_late_changes_nothing() -> anyhow::Result<()> {
    let mut proving = Proving::started("").await?;
    proving.fault("frozen", "segment", Some(1), "hold");
    let batch = proving.seal(2);
    proving.until_held("frozen").await?;
    // The whole process stands still, as on a machine that swaps; its lease runs out.
    proving.signal("STOP").await?;
    let _machine = proving.start_machine("")?;
    proving
        .until_number("select count(*) from proving where state = 'verified'", 1)
        .await?;
    let outputs = "select coalesce(sum(output), 0)::bigint from job where stage = 'finish'";
    let before = proving.number(outputs).await?;
    proving.release("frozen");
    proving.signal("CONT").await?;
    proving.until_proved(batch).await?;
    let log = proving.world.prover.log().to_owned();
    proving
        .world
        .until("the late worker notices", async || {
            let text = std::fs::read_to_string(&log)?;
            Ok(text.contains("another worker took the job over")
                || text.contains("came too late with a finished job; another worker has it"))
        })
        .await?;
    assert_eq!(proving.number(outputs).await?, before);
    assert_eq!(proving.job(batch, 1, 1).await?.attempts, 2);
    let next = proving.seal(2);
    proving.until_proved(next).await
}

#[tokio::test]
async fn a_worker_that_is_told_to_leave_gives_its_job_back() -> anyhow::Result<()> {
    let mut proving = Proving::started("").await?;
    proving.fault("long", "segment", Some(0), "hold");
    let batch = proving.seal(1);
    let (engine, _) = proving.until_held("long").await?;
    proving.world.prover.stop(LEAVE).await?;
    let given_back = "select count(*) from job where stage = 'segment' and state = 'ready' \
                      and attempts = 0 and error is null";
    assert_eq!(proving.number(given_back).await?, 1);
    let gone = !std::path::Path::new(&format!("/proc/{engine}")).exists();
    assert!(gone, "the engine ended with its worker");
    let left = std::fs::read_dir(proving.world.file("scratch"))?.count();
    assert_eq!(left, 0, "nothing is left in the scratch folder");
    proving.world.start().await?;
    proving.until_proved(batch).await
}

#[tokio::test]
async fn killed_again_and_again_while_it_proves() -> anyhow::Result<()> {
    let mut proving = Proving::started("lease_ms = 300\nmax_attempts = 20\n").await?;
    let first = proving.seal(6);
    let second = proving.seal(3);
    for done in [2, 5, 8, 11] {
        let database = proving.world.database.clone();
        proving
            .world
            .until("some jobs are done", async || {
                let mut connection = database.connect().await?;
                let row: i64 = sqlx::query_scalar("select count(*) from job where state = 'done'")
                    .fetch_one(&mut connection)
                    .await?;
                Ok(row >= done)
            })
            .await?;
        proving.world.kill_and_restart().await?;
    }
    proving.until_proved(first).await?;
    proving.until_proved(second).await?;
    assert_eq!(
        proving.proof(first).await?.state(),
        ProofState::Verified,
        "nothing was lost"
    );
    proving.world.until_committed(2).await?;
    proving.world.assert_committed_once(2).await
}

#[tokio::test]
async fn a_database_that_restarts_costs_no_job() -> anyhow::Result<()> {
    let mut proving = Proving::started("lease_ms = 60000\n").await?;
    proving.fault("away", "segment", Some(1), "hold");
    let batch = proving.seal(3);
    proving.until_held("away").await?;
    proving.world.cluster.kill();
    proving.release("away");
    proving.world.cluster.resume().await?;
    proving.until_proved(batch).await?;
    assert_eq!(proving.job(batch, 1, 1).await?.attempts, 1);
    Ok(())
}
