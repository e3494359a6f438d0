//! Killed at several points, the prover neither loses nor repeats a commit (SPR-1, SPR-2).

use crate::proxy::Hold;
use crate::world::World;

async fn killed_while(method: &str, hold: Hold) -> anyhow::Result<()> {
    let mut world = World::new().await?;
    world.start().await?;
    world.batches.seal(1);
    world.until_committed(1).await?;
    world.proxy.hold(method, hold);
    world.batches.seal(1);
    world.proxy.holding().await?;
    world.kill_and_restart().await?;
    world.until_committed(2).await?;
    world.batches.seal(1);
    world.until_committed(3).await?;
    world.assert_committed_once(3).await?;
    assert_eq!(world.nonce().await?, 3, "no transaction was wasted");
    Ok(())
}

#[tokio::test]
async fn killed_before_anything_is_signed() -> anyhow::Result<()> {
    killed_while("eth_estimateGas", Hold::Question).await
}

#[tokio::test]
async fn spr_1_killed_between_writing_and_sending() -> anyhow::Result<()> {
    killed_while("eth_sendRawTransaction", Hold::Question).await
}

#[tokio::test]
async fn spr_1_killed_between_sending_and_learning_of_it() -> anyhow::Result<()> {
    killed_while("eth_sendRawTransaction", Hold::Answer).await
}

#[tokio::test]
async fn killed_while_looking_for_the_receipt() -> anyhow::Result<()> {
    killed_while("eth_getTransactionReceipt", Hold::Answer).await
}

#[tokio::test]
async fn killed_again_and_again_while_batches_come() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    world.start().await?;
    for round in 1..=6 {
        world.batches.seal(3);
        let rollup = world.rollup();
        let some = round * 3 - 2;
        world
            .until("the first of them is committed", async || {
                Ok(rollup.last_committed().await?.0 >= some)
            })
            .await?;
        world.kill_and_restart().await?;
    }
    world.until_committed(18).await?;
    world.assert_committed_once(18).await
}

#[tokio::test]
async fn stops_in_order_when_asked() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    world.start().await?;
    world.batches.seal(2);
    world.until_committed(2).await?;
    world.prover.stop(std::time::Duration::from_secs(10)).await
}

#[tokio::test]
async fn a_lost_database_is_filled_again_from_sequencer_and_ethereum() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    world.start().await?;
    world.batches.seal(3);
    world.until_committed(3).await?;
    let before = world.batch(2).await?.unwrap();
    world.prover.kill();
    world.database = world.cluster.create_database("prover").await?;
    let secret = world.folder.path().join("database-password");
    cloister_test_kit::pki::write_secret(&secret, &world.database.password)?;
    world.start().await?;
    world.until_committed(3).await?;
    assert_eq!(
        world.batch(2).await?.unwrap().commit_transactions,
        before.commit_transactions
    );
    world.batches.seal(1);
    world.until_committed(4).await?;
    world.assert_committed_once(4).await
}
