//! Proving: the way of a batch through its jobs, and what happens when one fails.

use cloister_proto::prover::v1::{BatchState, JobState, ProofState, Stage};
use serde_json::json;

use crate::proving::{self, Proving};

#[tokio::test]
async fn a_batch_of_several_segments_is_proved() -> anyhow::Result<()> {
    let mut proving = Proving::started("checkers = 1\n").await?;
    let batch = proving.seal(5);
    proving.until_proved(batch).await?;
    let proof = proving.proof(batch).await?;
    assert!(proof.checked);
    assert_eq!((proof.segments_done, proof.segments_total), (5, 5));
    let nodes = proving::nodes(5);
    assert_eq!((proof.nodes_done, proof.nodes_total), (nodes, nodes));
    assert_eq!((proof.failures, proof.last_error_kind.as_str()), (0, ""));
    assert_eq!(proof.instructions, 5_000);
    assert_eq!(proof.stage(), Stage::Finish);
    assert_eq!(proof.remaining_s, None);
    assert_eq!(proof.program[31], 1);
    assert_eq!(proof.machine, vec![0xaa; 32]);
    assert!(proof.proof_bytes > 3_000);
    let jobs: Vec<_> = proof
        .usage
        .iter()
        .map(|usage| (usage.stage(), usage.jobs, usage.cpu_ms, usage.peak_bytes))
        .collect();
    let megabyte = 1 << 20;
    assert_eq!(
        jobs,
        [
            (Stage::Execute, 1, 20, megabyte),
            (Stage::Segment, 5, 100, megabyte),
            (Stage::Aggregate, nodes, 20 * u64::from(nodes), megabyte),
            (Stage::Finish, 1, 20, megabyte),
        ]
    );
    proving.world.until_committed(batch).await?;
    let status = proving.world.batch(batch).await?.unwrap();
    assert_eq!(
        status.state(),
        BatchState::Committed,
        "Ethereum has not checked the proof"
    );
    Ok(())
}

#[tokio::test]
async fn spv_21_nothing_is_committed_before_the_program_agrees() -> anyhow::Result<()> {
    let mut proving = Proving::started("").await?;
    proving.fault("slow", "execute", None, "hold");
    let batch = proving.seal(1);
    proving.until_held("slow").await?;
    proving.until_committer_saw_a_new_block().await?;
    assert!(proving.world.commits().await?.is_empty());
    assert!(!proving.proof(batch).await?.checked);
    proving.release("slow");
    proving.world.until_committed(batch).await?;
    assert!(proving.proof(batch).await?.checked);
    proving.world.assert_committed_once(1).await
}

#[tokio::test]
async fn spv_21_a_mismatch_halts_commits_and_keeps_the_evidence() -> anyhow::Result<()> {
    let mut proving = Proving::started("").await?;
    let good = proving.seal(1);
    proving.world.until_committed(good).await?;
    let other = format!("0x{}", "ee".repeat(32));
    let bad = proving.seal_with(|input| input["hash"] = json!(other));
    let later = proving.seal(2);
    let sealed = proving.world.batches.hash(bad);
    let why = format!("the program reveals batch hash {other}, and the sequencer sealed {sealed}");
    proving
        .world
        .until_stalled(&format!(
            "batch {bad} is REJECTED and commits are halted: {why}"
        ))
        .await?;
    proving
        .world
        .until_stalled(&format!(
            "nothing is committed any more: the program does not agree with the sequencer about \
             batch {bad}; what is needed to find out why is kept"
        ))
        .await?;
    // It blocks no other batch's proof, and no later batch is committed.
    proving.until_proved(later).await?;
    proving.until_committer_saw_a_new_block().await?;
    proving.world.kill_and_restart().await?;
    proving.world.until_stalled("nothing is committed").await?;
    proving.until_committer_saw_a_new_block().await?;
    proving.world.assert_committed_once(good).await?;
    let job = proving.job(bad, 0, 0).await?;
    assert_eq!(job.state(), JobState::Rejected);
    assert_eq!((job.error_kind.as_str(), job.error), ("rejected", why));
    let status = proving.proof(bad).await?;
    assert_eq!(status.state(), ProofState::Rejected);
    assert!(!status.checked);
    let text = proving.world.prover.metrics().await?;
    assert!(
        text.contains("cloister_prover_rejected_batch 2\n"),
        "{text}"
    );
    // Pruning takes what is old; the input of the rejected batch stays.
    proving
        .sql("update artefact set created_at = now() - interval '2 days'")
        .await?;
    let orphans = "select count(*) from job where batch <> 2 and output is not null \
                   and stage <> 'finish'";
    proving.until_number(orphans, 0).await?;
    let kept = "select count(*) from proving join artefact on artefact.id = input where batch = 2";
    assert_eq!(proving.number(kept).await?, 1);
    Ok(())
}

#[tokio::test]
async fn spv_21_a_batch_that_the_program_refuses_halts_commits() -> anyhow::Result<()> {
    let mut proving = Proving::started("").await?;
    let bad = proving.seal_with(|input| input["refuse"] = json!(true));
    proving
        .world
        .until_stalled(
            "batch 1 is REJECTED and commits are halted: exit code 7: the state root differs",
        )
        .await?;
    proving.world.until_stalled("nothing is committed").await?;
    assert!(proving.world.commits().await?.is_empty());
    assert_eq!(
        proving.job(bad, 0, 0).await?.attempts,
        1,
        "it is not tried again"
    );
    Ok(())
}

/// A fault that strikes once costs one try and nothing else.
async fn survives(how: &str, kind: &str, more: &str) -> anyhow::Result<()> {
    let mut proving = Proving::started(more).await?;
    proving.fault("once", "segment", Some(1), how);
    let batch = proving.seal(3);
    proving.until_proved(batch).await?;
    let text = proving.world.prover.metrics().await?;
    let line = format!("cloister_prover_job_failures_total{{stage=\"segment\",kind=\"{kind}\"}} 1");
    assert!(text.contains(&line), "no `{line}` in {text}");
    let job = proving.job(batch, 1, 1).await?;
    assert_eq!((job.state(), job.error.as_str()), (JobState::Done, ""));
    Ok(())
}

#[tokio::test]
async fn survives_an_engine_that_is_killed() -> anyhow::Result<()> {
    survives("kill", "engine_died", "").await
}

#[tokio::test]
async fn survives_an_engine_that_ends() -> anyhow::Result<()> {
    survives("exit", "engine_died", "").await
}

#[tokio::test]
async fn survives_an_engine_that_hangs() -> anyhow::Result<()> {
    survives("hang", "timeout", "call_timeout_s = 1\n").await
}

#[tokio::test]
async fn survives_an_engine_that_babbles() -> anyhow::Result<()> {
    survives("garbage", "internal", "").await
}

#[tokio::test]
async fn survives_a_failure_inside_the_engine() -> anyhow::Result<()> {
    survives("internal", "internal", "").await
}

#[tokio::test]
async fn a_full_disk_does_not_count_against_a_job() -> anyhow::Result<()> {
    let mut proving = Proving::started("max_attempts = 2\n").await?;
    proving.faults_of("full", "segment", Some(0), "storage", 5);
    let batch = proving.seal(1);
    proving.until_proved(batch).await?;
    let job = proving.job(batch, 1, 0).await?;
    assert_eq!((job.attempts, job.faults), (1, 5));
    Ok(())
}

#[tokio::test]
async fn waits_out_a_folder_that_cannot_be_written() -> anyhow::Result<()> {
    let mut proving = Proving::new("").await?;
    let folder = proving.world.file("artefacts");
    let setting = format!("artefacts = \"{}\"\n", folder.display());
    let section = proving.world.settings.proving.as_mut().unwrap();
    section.push_str(&setting);
    proving.world.start().await?;
    proving.fault("wait", "segment", Some(0), "hold");
    let batch = proving.seal(2);
    proving.until_held("wait").await?;
    let aside = proving.world.file("aside");
    std::fs::rename(&folder, &aside)?;
    std::fs::write(&folder, "no folder")?;
    proving.release("wait");
    proving.world.until_stalled("Not a directory").await?;
    let job = proving.job(batch, 1, 0).await?;
    assert_eq!(job.error_kind, "storage");
    std::fs::remove_file(&folder)?;
    std::fs::rename(&aside, &folder)?;
    proving.until_proved(batch).await?;
    let shelves = "select count(*) from artefact where shelf = 'postgres'";
    assert_eq!(proving.number(shelves).await?, 0);
    Ok(())
}

#[tokio::test]
async fn waits_for_an_engine_that_is_not_there() -> anyhow::Result<()> {
    let mut proving = Proving::new("").await?;
    let program = proving.world.file("engine/program");
    let aside = proving.world.file("engine/aside");
    std::fs::rename(&program, &aside)?;
    proving.world.start().await?;
    let words = format!(
        "the proof engine `{}` does not start: No such file or directory",
        program.display()
    );
    proving.world.until_stalled(&words).await?;
    let batch = proving.seal(1);
    std::fs::rename(&aside, &program)?;
    proving.until_proved(batch).await?;
    proving.world.until_moving().await
}

#[tokio::test]
async fn a_dead_job_blocks_no_other_batch_and_can_be_retried() -> anyhow::Result<()> {
    let mut proving = Proving::started("max_attempts = 2\n").await?;
    proving.push_fault(&json!({
        "name": "poison", "do": "segment", "index": 1, "batch": 1, "how": "exit", "times": 2,
    }));
    let poisoned = proving.seal(3);
    let next = proving.seal(2);
    proving.until(poisoned, ProofState::Stuck).await?;
    proving.until_proved(next).await?;
    let job = proving.job(poisoned, 1, 1).await?;
    assert_eq!((job.state(), job.attempts), (JobState::Dead, 2));
    assert_eq!(job.error_kind, "engine_died");
    assert_eq!(job.error, "the proof engine ended: exit status 3");
    proving
        .world
        .until_stalled("1 proof jobs are dead, the first of batch 1; look at")
        .await?;
    // Both were executed and agree, so both are committed.
    proving.world.until_committed(next).await?;
    proving.retry(job.id).await?;
    proving.until_proved(poisoned).await?;
    proving.world.until_moving().await
}

#[tokio::test]
async fn an_execution_that_dies_blocks_commits_from_there_on() -> anyhow::Result<()> {
    let mut proving = Proving::started("max_attempts = 1\n").await?;
    let good = proving.seal(1);
    proving.world.until_committed(good).await?;
    proving.push_fault(&json!({
        "name": "poison", "do": "execute", "batch": 2, "how": "kill", "times": 1,
    }));
    let poisoned = proving.seal(1);
    let next = proving.seal(1);
    proving.until(poisoned, ProofState::Stuck).await?;
    proving.until_proved(next).await?;
    let job = proving.job(poisoned, 0, 0).await?;
    assert_eq!(
        job.error,
        "the proof engine ended: signal 9, probably out of memory; give workers more or run fewer"
    );
    proving.world.assert_committed_once(good).await?;
    proving.retry(job.id).await?;
    proving.world.until_committed(next).await?;
    proving.world.assert_committed_once(next).await
}

#[tokio::test]
async fn spv_20_a_truncated_artefact_is_made_again() -> anyhow::Result<()> {
    let mut proving = Proving::started("").await?;
    proving.fault("wait", "segment", Some(1), "hold");
    let batch = proving.seal(2);
    proving.until_held("wait").await?;
    let cut = "update artefact_chunk set data = substring(data from 1 for 10) \
               where artefact = (select output from job where layer = 1 and node = 0)";
    assert_eq!(proving.sql(cut).await?, 1);
    proving.release("wait");
    proving.until_proved(batch).await?;
    assert_eq!(proving.job(batch, 1, 0).await?.attempts, 2);
    assert_eq!(proving.job(batch, 1, 1).await?.attempts, 1);
    let log = std::fs::read_to_string(proving.world.prover.log())?;
    assert!(log.contains("is damaged: it is shorter than it was"));
    Ok(())
}

#[tokio::test]
async fn spv_20_a_changed_file_in_the_folder_is_made_again() -> anyhow::Result<()> {
    let mut proving = Proving::new("").await?;
    let folder = proving.world.file("artefacts");
    let setting = format!("artefacts = \"{}\"\n", folder.display());
    let section = proving.world.settings.proving.as_mut().unwrap();
    section.push_str(&setting);
    proving.world.start().await?;
    for (batch, how) in [(1, "changed"), (2, "gone")] {
        proving.push_fault(&json!({
            "name": how, "do": "segment", "index": 1, "batch": batch, "how": "hold",
        }));
        assert_eq!(proving.seal(2), batch);
        proving.until_held(how).await?;
        let query =
            format!("select output from job where batch = {batch} and layer = 1 and node = 0");
        let id = proving.number(&query).await?;
        let file = folder.join(format!("{id}.artefact"));
        if how == "gone" {
            std::fs::remove_file(&file)?;
        } else {
            let mut bytes = std::fs::read(&file)?;
            bytes[5] ^= 1;
            std::fs::write(&file, bytes)?;
        }
        proving.release(how);
        proving.until_proved(batch).await?;
        assert_eq!(proving.job(batch, 1, 0).await?.attempts, 2);
    }
    let log = std::fs::read_to_string(proving.world.prover.log())?;
    assert!(log.contains("is damaged: its bytes have changed"));
    assert!(log.contains("is damaged: it is shorter than it was"));
    Ok(())
}

#[tokio::test]
async fn spv_20_a_damaged_input_is_fetched_again() -> anyhow::Result<()> {
    let mut proving = Proving::started("").await?;
    proving.fault("wait", "segment", Some(0), "hold");
    let batch = proving.seal(5);
    proving.until_held("wait").await?;
    let cut = "update artefact_chunk set data = 'x' \
               where artefact = (select input from proving where batch = 1)";
    assert_eq!(proving.sql(cut).await?, 1);
    proving.release("wait");
    proving.until_proved(batch).await?;
    assert_eq!(proving.job(batch, 0, 0).await?.attempts, 2);
    assert_eq!(proving.job(batch, 1, 0).await?.attempts, 1);
    Ok(())
}

#[tokio::test]
async fn proofs_that_the_engine_calls_bad_are_made_again() -> anyhow::Result<()> {
    let mut proving = Proving::started("").await?;
    proving.fault("leaf", "aggregate", None, "bad_artefact");
    proving.fault("end", "finish", None, "invalid");
    let batch = proving.seal(2);
    proving.until_proved(batch).await?;
    assert_eq!(proving.job(batch, 1, 0).await?.attempts, 2);
    assert_eq!(proving.job(batch, 5, 0).await?.attempts, 2);
    Ok(())
}

#[tokio::test]
async fn spv_23_a_proof_that_does_not_hold_is_never_shown() -> anyhow::Result<()> {
    let mut proving = Proving::started("max_attempts = 2\n").await?;
    proving.faults_of("bad", "verify", None, "invalid", 2);
    let batch = proving.seal(1);
    proving.until(batch, ProofState::Stuck).await?;
    let refused = proving.final_proof(batch).await.expect_err("no proof");
    let refused: tonic::Status = refused.downcast()?;
    assert_eq!(crate::proving::code(&refused), "proof_unknown");
    assert_eq!(refused.message(), "batch 1 has no final proof");
    let job = proving.job(batch, 5, 0).await?;
    assert_eq!(
        (job.error_kind.as_str(), job.error.as_str()),
        ("invalid", "forced by the test")
    );
    proving.retry(job.id).await?;
    proving.until_proved(batch).await
}

#[tokio::test]
async fn a_damaged_row_is_dead_at_once_and_its_batch_can_begin_anew() -> anyhow::Result<()> {
    let mut proving = Proving::started("").await?;
    proving.fault("wait", "segment", Some(1), "hold");
    let batch = proving.seal(2);
    let next = proving.seal(1);
    proving.until_held("wait").await?;
    let moved = "update job set first_child = 7, last_child = 9 where batch = 1 and layer = 2";
    assert_eq!(proving.sql(moved).await?, 1);
    // The row now waits for nothing that exists; any end of a segment would release it.
    proving
        .sql("update job set state = 'ready' where batch = 1 and layer = 2")
        .await?;
    proving.release("wait");
    proving.until_proved(next).await?;
    proving.until(batch, ProofState::Stuck).await?;
    let job = proving.job(batch, 2, 0).await?;
    assert_eq!((job.error_kind.as_str(), job.attempts), ("damaged_row", 1));
    assert_eq!(
        job.error,
        "job 7 of the layer below made nothing or is not there"
    );
    let execution = proving.job(batch, 0, 0).await?;
    proving.retry(execution.id).await?;
    proving.until_proved(batch).await
}

#[tokio::test]
async fn a_batch_with_too_many_segments_is_dead_at_once() -> anyhow::Result<()> {
    let mut proving = Proving::started("").await?;
    let batch = proving.seal(4_097);
    proving.until(batch, ProofState::Stuck).await?;
    let job = proving.job(batch, 0, 0).await?;
    assert_eq!((job.error_kind.as_str(), job.attempts), ("too_large", 1));
    assert_eq!(
        job.error,
        "a batch has 1 to 4096 segments, not 4097; seal smaller batches"
    );
    Ok(())
}

#[tokio::test]
async fn jobs_of_another_program_are_left_alone_until_begun_anew() -> anyhow::Result<()> {
    let mut proving = Proving::started("").await?;
    proving.fault("wait", "segment", Some(0), "hold");
    let batch = proving.seal(2);
    proving.until_held("wait").await?;
    proving.world.prover.stop(crate::proving::LEAVE).await?;
    proving.install_image(2);
    proving.world.start().await?;
    let next = proving.seal(1);
    proving.until_proved(next).await?;
    assert_eq!(proving.proof(next).await?.program[31], 2);
    let left = proving.proof(batch).await?;
    assert_eq!((left.state(), left.program[31]), (ProofState::Proving, 1));
    let execution = proving.job(batch, 0, 0).await?;
    proving.retry(execution.id).await?;
    proving.until_proved(batch).await?;
    assert_eq!(proving.proof(batch).await?.program[31], 2);
    Ok(())
}

#[tokio::test]
async fn an_input_that_cannot_be_had_holds_up_no_other_batch() -> anyhow::Result<()> {
    let mut proving = Proving::started("max_input_bytes = 1024\n").await?;
    proving.world.batches.seal(2);
    proving.world.batches.set_input_bytes(2, vec![b'x'; 1_025]);
    let good = proving.seal(1);
    proving.until_proved(good).await?;
    proving
        .world
        .until_stalled(
            "the input of batch 1 is missing: the sequencer does not give the input: the input \
             of this batch is not kept",
        )
        .await?;
    let reason = "select count(*) from proving where batch = 2 and input_error = \
                  'the input is longer than `prover.max_input_bytes` (1024 bytes)'";
    proving.until_number(reason, 1).await?;
    assert!(proving.world.commits().await?.is_empty());
    for number in [1, 2] {
        let hash = proving.world.batches.hash(number).to_string();
        let input = json!({"batch": number, "hash": hash, "segments": 1});
        proving.world.batches.set_input(number, &input);
    }
    proving.until_proved(1).await?;
    proving.until_proved(2).await?;
    proving.world.until_committed(3).await
}

#[tokio::test]
async fn partial_proofs_go_when_the_final_one_is_verified() -> anyhow::Result<()> {
    let mut proving = Proving::started("").await?;
    let batch = proving.seal(5);
    proving.until_proved(batch).await?;
    proving
        .until_number(
            "select count(*) from job where pruned",
            i64::from(5 + proving::nodes(5)),
        )
        .await?;
    proving
        .sql("update artefact set created_at = now() - interval '2 hours'")
        .await?;
    // Its input and its final proof.
    proving
        .until_number("select count(*) from artefact", 2)
        .await?;
    proving
        .until_number("select count(distinct artefact) from artefact_chunk", 2)
        .await?;
    proving
        .sql("update proving set verified_at = now() - interval '8 days'")
        .await?;
    proving
        .until_number("select count(*) from artefact", 1)
        .await?;
    assert_eq!(proving.number("select count(*) from job").await?, 0);
    proving.until_proved(batch).await
}

#[tokio::test]
async fn the_sequencer_hears_how_far_proving_is_behind() -> anyhow::Result<()> {
    let mut proving = Proving::started("").await?;
    proving.fault("wait", "segment", Some(0), "hold");
    let batch = proving.seal(1);
    proving.until_held("wait").await?;
    let batches = proving.world.batches.clone();
    proving
        .world
        .until("a report tells of the batch", async || {
            Ok(batches.load().is_some_and(|load| load.executed.len() == 1))
        })
        .await?;
    let load = proving.world.batches.load().unwrap();
    assert_eq!(load.waiting_batches, 1);
    assert_eq!(load.executed[0].number, batch);
    assert_eq!(load.executed[0].instructions, 1_000);
    assert_eq!(load.executed[0].image, "v1");
    assert_eq!(load.time_to_live_ms, 30_000);
    proving.release("wait");
    let batches = proving.world.batches.clone();
    proving
        .world
        .until("a report tells that nothing waits", async || {
            Ok(batches
                .load()
                .is_some_and(|load| load.waiting_batches == 0 && load.oldest_age_ms == 0))
        })
        .await
}
