//! Parts that go away, a guardian that steps in, and sequencers that contradict themselves.

use crate::world::World;

#[tokio::test]
async fn waits_out_a_node_that_is_away() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    world.start().await?;
    world.batches.seal(1);
    world.until_committed(1).await?;
    world.anvil.stop().await?;
    world.batches.seal(2);
    world
        .until_stalled("the Ethereum node does not answer")
        .await?;
    let batch = world.batch(1).await?.unwrap();
    assert_eq!(
        batch.commit_transactions.len(),
        1,
        "answers go on from the database"
    );
    world.anvil.resume().await?;
    world.until_committed(3).await?;
    world.assert_committed_once(3).await?;
    world.until_moving().await
}

#[tokio::test]
async fn waits_out_a_database_that_is_away() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    world.start().await?;
    world.batches.seal(1);
    world.until_committed(1).await?;
    world.cluster.kill();
    world.batches.seal(2);
    let mut client = world.client("gateway")?;
    let refused = client
        .get_status(cloister_proto::prover::v1::GetStatusRequest {})
        .await
        .expect_err("no database");
    assert_eq!(
        cloister_proto::code::code_of(&refused),
        Some("database_unavailable")
    );
    world.cluster.resume().await?;
    world.until_committed(3).await?;
    world.assert_committed_once(3).await
}

#[tokio::test]
async fn waits_out_a_sequencer_that_is_away() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    world.stop_sequencer();
    world.start().await?;
    world.until_stalled("the sequencer does not answer").await?;
    world.start_sequencer().await?;
    world.batches.seal(1);
    world.until_committed(1).await?;
    world.stop_sequencer();
    world.until_stalled("the sequencer").await?;
    world.batches.seal(1);
    world.start_sequencer().await?;
    world.until_committed(2).await?;
    world.assert_committed_once(2).await
}

#[tokio::test]
async fn waits_out_a_pause() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    world.start().await?;
    world.until_moving().await?;
    world.as_guardian("pause()", &[]).await?;
    world.batches.seal(1);
    world
        .until_stalled("the contract is paused by its guardian")
        .await?;
    world.kill_and_restart().await?;
    let limit = std::time::Duration::from_mins(1);
    world.prover.wait_ready(limit).await?;
    world.as_guardian("unpause()", &[]).await?;
    world.until_committed(1).await?;
    world.assert_committed_once(1).await
}

#[tokio::test]
async fn a_commit_that_a_pause_makes_revert_is_made_again() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    world.start().await?;
    world.automine(false).await?;
    world.batches.seal(1);
    world.until_pooled().await?;
    world.guardian_first("pause()").await?;
    world
        .until_stalled("the contract is paused by its guardian")
        .await?;
    assert_eq!(world.nonce().await?, 1, "it was included and reverted");
    world.automine(true).await?;
    world.as_guardian("unpause()", &[]).await?;
    world.until_committed(1).await?;
    world.assert_committed_once(1).await?;
    assert_eq!(world.nonce().await?, 2);
    Ok(())
}

#[tokio::test]
async fn does_not_fight_the_guardian_and_obeys_the_operator() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    world.start().await?;
    for number in 1..=3 {
        world.batches.seal(1);
        world.until_committed(number).await?;
    }
    world.as_guardian("pause()", &[]).await?;
    world.as_guardian("revertBatches(uint64)", &[1]).await?;
    world.as_guardian("unpause()", &[]).await?;
    world
        .until_stalled("the guardian took back batches from 2 on")
        .await?;
    let nonce = world.nonce().await?;
    world
        .prover
        .stop(std::time::Duration::from_secs(20))
        .await?;
    world.settings.more = "recommit_from = 2\n".to_owned();
    world.start().await?;
    let rollup = world.rollup();
    world
        .until("they are back", async || {
            Ok(rollup.last_committed().await?.0 == 3)
        })
        .await?;
    assert_eq!(world.nonce().await?, nonce + 1);
    world.until_moving().await
}

#[tokio::test]
async fn refuses_a_batch_that_does_not_follow() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    world.start().await?;
    world.batches.seal(1);
    world.until_committed(1).await?;
    world.batches.seal_on_another_parent();
    world
        .until_stalled("batch 2 cannot be taken: it does not follow the batch before it")
        .await?;
    world.assert_committed_once(1).await
}

#[tokio::test]
async fn notices_a_sequencer_that_went_back() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    world.start().await?;
    world.batches.seal(3);
    world.until_committed(3).await?;
    world.stop_sequencer();
    world.batches.forget_above(1);
    world.start_sequencer().await?;
    world
        .until_stalled("the sequencer sealed only 1 batches and gave us 3 before")
        .await
}

#[tokio::test]
async fn notices_a_contract_that_is_ahead_of_the_sequencer() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    world.start().await?;
    world.batches.seal(3);
    world.until_committed(3).await?;
    world.prover.kill();
    world.stop_sequencer();
    world.batches.forget_above(1);
    world.start_sequencer().await?;
    world.database = world.cluster.create_database("prover").await?;
    let secret = world.folder.path().join("database-password");
    cloister_test_kit::pki::write_secret(&secret, &world.database.password)?;
    world.start().await?;
    world
        .until_stalled("the contract holds batch 3 and the sequencer sealed only 1")
        .await
}

#[tokio::test]
async fn spr_4_notices_another_batch_under_the_same_number() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    world.start().await?;
    world.batches.seal(1);
    world.until_committed(1).await?;
    world.prover.kill();
    world.stop_sequencer();
    world.batches.forget_above(0);
    world.batches.seal_differently();
    world.start_sequencer().await?;
    world.database = world.cluster.create_database("prover").await?;
    let secret = world.folder.path().join("database-password");
    cloister_test_kit::pki::write_secret(&secret, &world.database.password)?;
    world.start().await?;
    world.until_stalled("Ethereum holds another batch 1").await
}
