//! What operators may do with jobs, and what they are refused.

use cloister_proto::prover::v1 as api;
use cloister_proto::prover::v1::{JobState, ProofState};

use crate::proving::{self, Proving, code};

#[tokio::test]
async fn discards_a_batch_and_takes_it_up_again() -> anyhow::Result<()> {
    let mut proving = Proving::started("max_attempts = 1\n").await?;
    proving.fault("once", "segment", Some(0), "exit");
    let batch = proving.seal(2);
    proving.until(batch, ProofState::Stuck).await?;
    let dead = proving.job(batch, 1, 0).await?;
    proving.discard(dead.id).await?;
    assert_eq!(proving.proof(batch).await?.state(), ProofState::Discarded);
    proving.world.until_moving().await?;
    let jobs = proving.jobs(batch).await?;
    assert!(jobs.iter().all(|job| job.state() == JobState::Discarded));
    let refused = proving.discard(dead.id).await.expect_err("twice");
    assert_eq!(code(&refused), "batch_discarded");
    proving.retry(dead.id).await?;
    proving.until_proved(batch).await
}

#[tokio::test]
async fn discarding_takes_a_job_from_its_worker() -> anyhow::Result<()> {
    let mut proving = Proving::started("").await?;
    proving.fault("long", "segment", Some(0), "hold");
    let batch = proving.seal(1);
    let (engine, _) = proving.until_held("long").await?;
    let job = proving.job(batch, 1, 0).await?;
    assert_eq!(job.state(), JobState::Leased);
    assert!(!job.lease_owner.is_empty());
    proving.discard(job.id).await?;
    proving
        .world
        .until("the engine is killed", async || {
            Ok(!std::path::Path::new(&format!("/proc/{engine}")).exists())
        })
        .await?;
    let next = proving.seal(1);
    proving.until_proved(next).await?;
    assert_eq!(proving.proof(batch).await?.state(), ProofState::Discarded);
    Ok(())
}

#[tokio::test]
async fn refuses_what_makes_no_sense() -> anyhow::Result<()> {
    let mut proving = Proving::started("").await?;
    proving.fault("wait", "segment", Some(0), "hold");
    let waiting = proving.seal(1);
    proving.until_held("wait").await?;
    let job = proving.job(waiting, 2, 0).await?;
    let refused = proving.retry(job.id).await.expect_err("it waits");
    assert_eq!(code(&refused), "job_not_retryable");
    assert_eq!(
        refused.message(),
        "the job is waiting; only dead, rejected and discarded jobs are retried"
    );
    proving.release("wait");
    proving.until_proved(waiting).await?;
    for refused in [proving.retry(job.id).await, proving.discard(job.id).await] {
        assert_eq!(code(&refused.expect_err("it is proved")), "batch_proved");
    }
    for id in [0, 999_999, u64::MAX] {
        let refused = proving.retry(id).await.expect_err("no such job");
        assert_eq!(code(&refused), "job_unknown");
        let refused = proving.discard(id).await.expect_err("no such job");
        assert_eq!(code(&refused), "job_unknown");
        let answer = proving.client().get_job(api::GetJobRequest { id }).await?;
        assert_eq!(answer.into_inner().job, None);
    }
    Ok(())
}

#[tokio::test]
async fn a_rejected_batch_is_evidence_and_is_judged_again_when_retried() -> anyhow::Result<()> {
    let mut proving = Proving::started("").await?;
    let bad = proving.seal_with(|input| input["refuse"] = true.into());
    proving.until(bad, ProofState::Rejected).await?;
    let job = proving.job(bad, 0, 0).await?;
    let refused = proving.discard(job.id).await.expect_err("evidence");
    assert_eq!(code(&refused), "batch_rejected");
    assert_eq!(
        refused.message(),
        "the batch was rejected; it is kept as evidence and cannot be discarded"
    );
    proving.retry(job.id).await?;
    proving.until(bad, ProofState::Rejected).await?;
    assert!(proving.world.commits().await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn lists_jobs_in_pages_and_by_state() -> anyhow::Result<()> {
    let mut proving = Proving::started("").await?;
    let batch = proving.seal(5);
    proving.until_proved(batch).await?;
    let mut seen = Vec::new();
    let mut after = 0;
    loop {
        let request = api::ListJobsRequest {
            after,
            limit: 4,
            state: JobState::Done.into(),
            ..api::ListJobsRequest::default()
        };
        let page = proving.client().list_jobs(request).await?.into_inner().jobs;
        let Some(last) = page.last() else { break };
        after = last.id;
        seen.extend(page.iter().map(|job| job.id));
    }
    assert_eq!(u32::try_from(seen.len())?, proving::jobs(5));
    assert!(seen.is_sorted());
    for limit in [0, 201] {
        let request = api::ListJobsRequest {
            limit,
            ..api::ListJobsRequest::default()
        };
        let refused = proving
            .client()
            .list_jobs(request)
            .await
            .expect_err("limit");
        assert_eq!(code(&refused), "bad_limit");
    }
    let request = api::ListJobsRequest {
        limit: 1,
        state: 99,
        ..api::ListJobsRequest::default()
    };
    let refused = proving
        .client()
        .list_jobs(request)
        .await
        .expect_err("state");
    assert_eq!(code(&refused), "bad_job_state");
    Ok(())
}

#[tokio::test]
async fn spr_6_only_the_gateway_touches_jobs_and_proofs() -> anyhow::Result<()> {
    let mut proving = Proving::started("").await?;
    let batch = proving.seal(1);
    proving.until_proved(batch).await?;
    for peer in ["disclosure", "sequencer", "prover"] {
        let mut client = proving.world.client(peer)?;
        let refusals = [
            client
                .list_jobs(api::ListJobsRequest::default())
                .await
                .map(|_| ()),
            client
                .get_job(api::GetJobRequest { id: 1 })
                .await
                .map(|_| ()),
            client
                .retry_job(api::RetryJobRequest { id: 1 })
                .await
                .map(|_| ()),
            client
                .discard_job(api::DiscardJobRequest { id: 1 })
                .await
                .map(|_| ()),
            client
                .get_proof(api::GetProofRequest { batch })
                .await
                .map(|_| ()),
        ];
        for refused in refusals {
            let refused = refused.expect_err("a stranger");
            assert_eq!(code(&refused), "peer_not_allowed", "{peer}");
        }
    }
    Ok(())
}
