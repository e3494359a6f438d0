//! Wraps: the job after the final proof, where a wrapper is configured.

use std::path::Path;

use cloister_proto::prover::v1::{BatchState, Job, JobState, ProofState, Stage, WrapState};

use crate::proving::{self, LEAVE, Proving, code};

/// What the committer says of these wraps: the scripted program is no released one.
const NO_CIRCUIT: &str = "there is no circuit for wraps of guest image";
/// How many wraps are planted.
const PLANTED: &str = "select count(*) from job where stage = 'wrap'";

#[tokio::test]
async fn a_proved_batch_is_wrapped() -> anyhow::Result<()> {
    let mut proving = Proving::wrapping("").await?;
    let batch = proving.seal(2);
    proving.until_wrapped(batch).await?;
    proving.until_proved(batch).await?;
    let proof = proving.proof(batch).await?;
    assert_eq!(
        (proof.state(), proof.stage()),
        (ProofState::Verified, Stage::Wrap)
    );
    assert_eq!((proof.failures, proof.last_error_kind.as_str()), (0, ""));
    assert_eq!((proof.remaining_s, proof.wrap_verify_wall_ms), (None, 7));
    assert!(proof.wrap_bytes > 3_000);
    let usage = proof.usage.last().unwrap();
    assert_eq!((usage.stage(), usage.jobs), (Stage::Wrap, 1));
    assert_eq!((usage.cpu_ms, usage.peak_bytes), (20, 1 << 20));
    let job = proving.wrap_job(batch).await?;
    assert_eq!((job.state(), job.attempts), (JobState::Done, 1));
    let finish = proving.job(batch, job.layer - 1, 0).await?;
    assert_eq!(finish.stage(), Stage::Finish);
    let text = proving.world.prover.metrics().await?;
    let line = "cloister_prover_job_seconds_count{stage=\"wrap\"} 1";
    assert!(text.contains(line), "no `{line}` in {text}");
    proving.world.until_committed(batch).await?;
    let status = proving.world.batch(batch).await?.unwrap();
    assert_eq!(
        status.state(),
        BatchState::Committed,
        "nobody has sent the wrap"
    );
    Ok(())
}

#[tokio::test]
async fn wraps_are_planted_later_for_batches_that_were_proved_before() -> anyhow::Result<()> {
    let mut proving = Proving::started("").await?;
    let first = proving.seal(2);
    let second = proving.seal(1);
    proving.until_proved(first).await?;
    proving.until_proved(second).await?;
    let proof = proving.proof(first).await?;
    assert_eq!(
        (proof.wrap(), proof.stage()),
        (WrapState::Unspecified, Stage::Finish)
    );
    assert_eq!(proving.number(PLANTED).await?, 0, "there is no wrapper");
    // Of the first one nothing is left but its proof.
    proving
        .sql("update proving set verified_at = now() - interval '8 days' where batch = 1")
        .await?;
    proving
        .until_number("select count(*) from job where batch = 1", 0)
        .await?;
    proving.world.prover.stop(LEAVE).await?;
    proving.configure_wrapper();
    proving.world.start().await?;
    proving.until_wrapped(second).await?;
    proving.until_wrapped(first).await?;
    let in_order = "select count(*) from proving as a join proving as b on b.batch = a.batch + 1 \
                    where a.wrapped_at < b.wrapped_at";
    assert_eq!(proving.number(in_order).await?, 1, "the lowest first");
    Ok(())
}

#[tokio::test]
async fn survives_a_wrapper_that_is_killed() -> anyhow::Result<()> {
    let mut proving = Proving::wrapping("").await?;
    proving.fault("once", "wrap", None, "kill");
    let batch = proving.seal(1);
    proving.until_wrapped(batch).await?;
    let job = proving.wrap_job(batch).await?;
    assert_eq!((job.attempts, job.error.as_str()), (2, ""));
    let text = proving.world.prover.metrics().await?;
    let line = "cloister_prover_job_failures_total{stage=\"wrap\",kind=\"engine_died\"} 1";
    assert!(text.contains(line), "no `{line}` in {text}");
    let finish = proving.job(batch, job.layer - 1, 0).await?;
    assert_eq!(finish.attempts, 1, "the final proof stays");
    Ok(())
}

#[tokio::test]
async fn waits_for_a_wrapper_that_is_not_there() -> anyhow::Result<()> {
    let mut proving = Proving::new("").await?;
    proving.configure_wrapper();
    let program = proving.world.file("engine/wrapper");
    let aside = proving.world.file("engine/aside");
    std::fs::rename(&program, &aside)?;
    proving.world.start().await?;
    let words = format!(
        "the proof engine `{}` does not start: No such file or directory",
        program.display()
    );
    proving.world.until_stalled(&words).await?;
    std::fs::rename(&aside, &program)?;
    let batch = proving.seal(1);
    proving.until_wrapped(batch).await?;
    proving.world.until_only_stalled(NO_CIRCUIT).await
}

#[tokio::test]
async fn spv_22_the_prover_is_killed_while_it_wraps() -> anyhow::Result<()> {
    let mut proving = Proving::wrapping("").await?;
    proving.fault("stop", "wrap", None, "hold");
    let batch = proving.seal(1);
    let (_, parent) = proving.until_held("stop").await?;
    assert_eq!(Some(parent), proving.world.prover.id());
    proving.world.prover.kill();
    let machine = proving.start_machine(&proving.wrapper())?;
    proving
        .until_number("select count(*) from proving where wrap is not null", 1)
        .await?;
    assert!(machine.metric("cloister_prover_job_seconds_count").await? >= 1.0);
    proving.world.start().await?;
    proving.until_wrapped(batch).await?;
    let job = proving.wrap_job(batch).await?;
    assert_eq!((job.state(), job.attempts), (JobState::Done, 2));
    Ok(())
}

#[tokio::test]
async fn a_worker_without_a_wrapper_never_wraps() -> anyhow::Result<()> {
    let mut proving = Proving::started("workers = 0\n").await?;
    let mut wrapping = proving.start_machine(&proving.wrapper())?;
    proving.fault("stop", "wrap", None, "hold");
    let first = proving.seal(1);
    let (_, parent) = proving.until_held("stop").await?;
    assert_eq!(parent, wrapping.child.id());
    wrapping.child.kill();
    let _other = proving.start_machine("")?;
    proving
        .until_number(
            "select count(*) from job where stage = 'wrap' and state = 'ready'",
            1,
        )
        .await?;
    // The wrap of the first batch would come before any proof of the second.
    let second = proving.seal(1);
    proving.until_proved(second).await?;
    let job = proving.wrap_job(first).await?;
    assert_eq!((job.state(), job.attempts), (JobState::Ready, 1));
    assert_eq!(proving.number(PLANTED).await?, 1);
    let _again = proving.start_machine(&proving.wrapper())?;
    proving.until_wrapped(first).await?;
    proving.until_wrapped(second).await
}

#[tokio::test]
async fn a_wrapper_of_another_program_leaves_the_proof_alone() -> anyhow::Result<()> {
    let mut proving = Proving::new("").await?;
    proving.configure_wrapper();
    proving.install_wrapper_image(2);
    proving.world.start().await?;
    let first = proving.seal(1);
    let second = proving.seal(1);
    proving.until_proved(second).await?;
    proving.until_number(PLANTED, 2).await?;
    let job = proving.wrap_job(first).await?;
    assert_eq!((job.state(), job.attempts), (JobState::Ready, 0));
    proving.world.prover.stop(LEAVE).await?;
    proving.install_wrapper_image(1);
    proving.world.start().await?;
    proving.until_wrapped(first).await?;
    proving.until_wrapped(second).await
}

#[tokio::test]
async fn a_worker_ends_its_engine_before_it_wraps() -> anyhow::Result<()> {
    let mut proving = Proving::wrapping("").await?;
    proving.fault("slow", "wrap", None, "hold");
    let batch = proving.seal(1);
    let (wrapper, _) = proving.until_held("slow").await?;
    assert_eq!(proving.alive("engine")?, Vec::<u32>::new());
    assert_eq!(proving.alive("wrapper")?, [wrapper]);
    proving.release("slow");
    proving.until_wrapped(batch).await?;
    proving
        .world
        .until("the wrapper has ended", async || {
            Ok(!Path::new(&format!("/proc/{wrapper}")).exists())
        })
        .await
}

#[tokio::test]
async fn the_workers_of_a_process_wrap_one_after_the_other() -> anyhow::Result<()> {
    let mut proving = Proving::wrapping("workers = 2\n").await?;
    proving.fault("slow", "wrap", None, "hold");
    let first = proving.seal(1);
    proving.until_held("slow").await?;
    // The other worker proves, and would rather wrap the second batch than prove the third.
    let second = proving.seal(1);
    proving.until_proved(second).await?;
    let third = proving.seal(1);
    proving.until_proved(third).await?;
    let job = proving.wrap_job(second).await?;
    assert_eq!((job.state(), job.attempts), (JobState::Ready, 0));
    proving.release("slow");
    for batch in [first, second, third] {
        proving.until_wrapped(batch).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_worker_that_is_told_to_leave_gives_its_wrap_back() -> anyhow::Result<()> {
    let mut proving = Proving::wrapping("").await?;
    proving.fault("long", "wrap", None, "hold");
    let batch = proving.seal(1);
    let (wrapper, _) = proving.until_held("long").await?;
    proving.world.prover.stop(LEAVE).await?;
    let given_back = "select count(*) from job where stage = 'wrap' and state = 'ready' \
                      and attempts = 0 and error is null";
    assert_eq!(proving.number(given_back).await?, 1);
    let gone = !Path::new(&format!("/proc/{wrapper}")).exists();
    assert!(gone, "the wrapper ended with its worker");
    proving.world.start().await?;
    proving.until_wrapped(batch).await
}

#[tokio::test]
async fn spv_25_a_final_proof_that_does_not_hold_is_made_again() -> anyhow::Result<()> {
    let mut proving = Proving::wrapping("").await?;
    proving.fault("bad", "wrap", None, "bad_artefact");
    let batch = proving.seal(2);
    proving.until_wrapped(batch).await?;
    proving.until_proved(batch).await?;
    let jobs = proving.jobs(batch).await?;
    let again: Vec<_> = jobs
        .iter()
        .filter(|job| job.attempts == 2)
        .map(Job::stage)
        .collect();
    assert_eq!(again, [Stage::Finish, Stage::Wrap], "from what was kept");
    assert!(jobs.iter().all(|job| job.error.is_empty()), "{jobs:#?}");
    Ok(())
}

/// The final proof is found damaged when nothing is left that it could be made of: its batch begins
/// anew.
async fn a_damaged_proof_is_made_anew(with_jobs: bool) -> anyhow::Result<()> {
    let mut proving = Proving::started("").await?;
    let batch = proving.seal(2);
    proving.until_proved(batch).await?;
    let partial = i64::from(2 + proving::nodes(2));
    proving
        .until_number("select count(*) from job where pruned", partial)
        .await?;
    if !with_jobs {
        proving
            .sql("update proving set verified_at = now() - interval '8 days'")
            .await?;
        proving.until_number("select count(*) from job", 0).await?;
    }
    proving.world.prover.stop(LEAVE).await?;
    let cut = "update artefact_chunk set data = substring(data from 1 for 10) \
               where artefact = (select proof from proving where batch = 1)";
    assert_eq!(proving.sql(cut).await?, 1);
    proving.configure_wrapper();
    proving.world.start().await?;
    proving.until_wrapped(batch).await?;
    proving.until_proved(batch).await?;
    assert_eq!(proving.wrap_job(batch).await?.attempts, 2);
    let execution = proving.job(batch, 0, 0).await?;
    assert_eq!(execution.attempts, if with_jobs { 2 } else { 1 });
    let log = std::fs::read_to_string(proving.world.prover.log())?;
    assert!(log.contains("is damaged: it is shorter than it was"));
    // Commits never stopped, and nothing was committed twice.
    proving.world.until_committed(batch).await?;
    proving.world.assert_committed_once(batch).await
}

#[tokio::test]
async fn spv_25_a_damaged_final_proof_is_made_of_the_input() -> anyhow::Result<()> {
    a_damaged_proof_is_made_anew(true).await
}

#[tokio::test]
async fn spv_25_a_damaged_final_proof_of_long_ago_is_made_anew() -> anyhow::Result<()> {
    a_damaged_proof_is_made_anew(false).await
}

#[tokio::test]
async fn what_a_wrap_needs_is_kept_and_the_wrap_for_ever() -> anyhow::Result<()> {
    let mut proving = Proving::wrapping("").await?;
    proving.fault("slow", "wrap", None, "hold");
    let batch = proving.seal(5);
    proving.until_held("slow").await?;
    proving
        .sql("update artefact set created_at = now() - interval '2 hours'")
        .await?;
    proving
        .sql("update proving set verified_at = now() - interval '8 days'")
        .await?;
    // Input, final proof, root, and the last segment with the public values.
    proving
        .until_number("select count(*) from artefact", 5)
        .await?;
    assert_eq!(
        u32::try_from(proving.jobs(batch).await?.len())?,
        proving::jobs(5) + 1
    );
    proving.release("slow");
    proving.until_wrapped(batch).await?;
    proving
        .sql("update artefact set created_at = now() - interval '2 hours'")
        .await?;
    // Input, final proof and wrap.
    proving
        .until_number("select count(*) from artefact", 3)
        .await?;
    proving
        .sql("update proving set wrapped_at = now() - interval '8 days'")
        .await?;
    proving
        .until_number("select count(*) from artefact", 2)
        .await?;
    assert_eq!(proving.number("select count(*) from job").await?, 0);
    proving.until_proved(batch).await?;
    proving.until_wrapped(batch).await
}

#[tokio::test]
async fn a_final_proof_that_is_too_large_holds_up_no_other_batch() -> anyhow::Result<()> {
    let mut proving = Proving::wrapping("").await?;
    proving.fault("large", "wrap", None, "too_large");
    let large = proving.seal(1);
    proving.until_wrap(large, WrapState::Stuck).await?;
    let next = proving.seal(1);
    proving.until_wrapped(next).await?;
    let job = proving.wrap_job(large).await?;
    assert_eq!((job.state(), job.attempts), (JobState::Dead, 1));
    assert_eq!(job.error_kind, "too_large");
    let proof = proving.proof(large).await?;
    assert_eq!(
        (proof.state(), proof.stage()),
        (ProofState::Verified, Stage::Wrap)
    );
    assert_eq!(
        (proof.failures, proof.last_error_kind.as_str()),
        (1, "too_large")
    );
    proving
        .world
        .until_stalled("1 proof jobs are dead, the first of batch 1; look at")
        .await?;
    proving.retry(job.id).await?;
    proving.until_wrapped(large).await?;
    proving.world.until_only_stalled(NO_CIRCUIT).await
}

#[tokio::test]
async fn a_wrap_can_be_given_up_and_taken_up_again() -> anyhow::Result<()> {
    let mut proving = Proving::wrapping("").await?;
    proving.fault("long", "wrap", None, "hold");
    let batch = proving.seal(1);
    let (wrapper, _) = proving.until_held("long").await?;
    let job = proving.wrap_job(batch).await?;
    let refused = proving.retry(job.id).await.expect_err("it is at work");
    assert_eq!(code(&refused), "job_not_retryable");
    proving.discard(job.id).await?;
    proving
        .world
        .until("the wrapper is killed", async || {
            Ok(!Path::new(&format!("/proc/{wrapper}")).exists())
        })
        .await?;
    let proof = proving.proof(batch).await?;
    assert_eq!(
        (proof.state(), proof.wrap()),
        (ProofState::Verified, WrapState::Discarded)
    );
    assert_eq!(proof.stage(), Stage::Finish);
    let refused = proving.discard(job.id).await.expect_err("twice");
    assert_eq!(code(&refused), "batch_discarded");
    // That it was given up outlasts everything else of the batch.
    proving
        .sql("update proving set verified_at = now() - interval '8 days'")
        .await?;
    proving
        .until_number("select count(*) from job where batch = 1", 1)
        .await?;
    let next = proving.seal(1);
    proving.until_wrapped(next).await?;
    assert_eq!(proving.proof(batch).await?.wrap(), WrapState::Discarded);
    proving.retry(job.id).await?;
    proving.until_wrapped(batch).await?;
    for refused in [proving.retry(job.id).await, proving.discard(job.id).await] {
        assert_eq!(code(&refused.expect_err("it is wrapped")), "batch_proved");
    }
    Ok(())
}
