//! Ethereum takes blocks back.

use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn commits_again_what_a_reorganisation_took_back() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    world.start().await?;
    for number in 1..=3 {
        world.batches.seal(1);
        world.until_committed(number).await?;
    }
    world.anvil.rpc("anvil_reorg", json!([2, []])).await?;
    let rollup = world.rollup();
    world
        .until("all are back", async || {
            Ok(rollup.last_committed().await?.0 == 3)
        })
        .await?;
    world.batches.seal(1);
    world.until_committed(4).await?;
    world.assert_committed_once(4).await?;
    assert_eq!(world.nonce().await?, 4);
    Ok(())
}

#[tokio::test]
async fn says_sealed_while_a_commit_is_taken_back() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    world.start().await?;
    world.batches.seal(1);
    world.until_committed(1).await?;
    world.automine(false).await?;
    world.anvil.rpc("anvil_reorg", json!([1, []])).await?;
    let client = world.client("gateway")?;
    world
        .until("it is sealed only", async || {
            let request = cloister_proto::prover::v1::GetStatusRequest {};
            let status = client.clone().get_status(request).await?.into_inner();
            Ok(status.committed_batch == 0 && status.sealed_batch == 1)
        })
        .await?;
    let batch = world.batch(1).await?.unwrap();
    assert!(batch.commit_transactions.is_empty());
    world.until_pooled().await?;
    world.anvil.mine(1).await?;
    world.until_committed(1).await?;
    world.assert_committed_once(1).await
}

#[tokio::test]
async fn a_reorganisation_while_the_prover_is_down_is_noticed() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    world.start().await?;
    for number in 1..=2 {
        world.batches.seal(1);
        world.until_committed(number).await?;
    }
    world.prover.kill();
    world.anvil.rpc("anvil_reorg", json!([2, []])).await?;
    world.start().await?;
    let rollup = world.rollup();
    world
        .until("both are back", async || {
            Ok(rollup.last_committed().await?.0 == 2)
        })
        .await?;
    world.until_committed(2).await?;
    world.assert_committed_once(2).await
}
