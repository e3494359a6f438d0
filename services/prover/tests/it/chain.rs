//! The ordinary way of a batch to Ethereum.

use cloister_l1::AnchorState;
use cloister_proto::prover::v1::BatchState;
use cloister_types::BatchNumber;

use crate::world::{COMMITTER, World, account};

#[tokio::test]
async fn commits_each_batch_once_and_in_order() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    world.start().await?;
    world
        .prover
        .wait_ready(std::time::Duration::from_secs(30))
        .await?;
    for number in 1..=5 {
        world.batches.seal(1);
        world.until_committed(number).await?;
    }
    world.assert_committed_once(5).await?;

    let anchor = world.rollup().anchor(BatchNumber(3)).await?.unwrap();
    assert_eq!(anchor.batch_hash, world.batches.hash(3));
    assert_eq!(anchor.state, AnchorState::Committed);
    assert_eq!(world.rollup().anchor(BatchNumber(6)).await?, None);

    let status = world.status().await?;
    assert_eq!((status.sealed_batch, status.committed_batch), (5, 5));
    assert_eq!((status.proved_batch, status.finalized_batch), (0, 0));
    assert_eq!(status.rollup_contract, world.deployment.rollup.to_vec());
    assert_eq!(status.stalled_reason, "");
    let balance = world.node().balance(account(COMMITTER)).await?;
    assert_eq!(status.committer_balance.len(), 32);
    let told: [u8; 32] = status.committer_balance[..].try_into()?;
    assert!(balance.to_be_bytes::<32>() <= told);
    assert!(world.metric("cloister_prover_commit_lag_batches").await? <= 1.0);
    Ok(())
}

#[tokio::test]
async fn a_commit_is_final_when_ethereum_says_so_and_never_called_proved() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    world.start().await?;
    world.batches.seal(1);
    world.until_committed(1).await?;
    let early = world.batch(1).await?.unwrap();
    assert_eq!(early.state(), BatchState::Committed);
    assert!(!early.commit_final);
    assert_eq!(early.commit_transactions.len(), 1);
    let commits = world.commits().await?;
    assert_eq!(
        early.commit_transactions[0].hash,
        commits[0].transaction.to_vec()
    );
    assert!(early.commit_transactions[0].gas_used > 50_000);

    world.anvil.mine(10).await?;
    let client = world.client("disclosure")?;
    world
        .until("the commit is final", async || {
            let request = cloister_proto::prover::v1::GetBatchStatusRequest { number: 1 };
            let answer = client.clone().get_batch_status(request).await?;
            Ok(answer
                .into_inner()
                .status
                .is_some_and(|status| status.commit_final))
        })
        .await?;
    let late = world.batch(1).await?.unwrap();
    assert_eq!(late.state(), BatchState::Committed);
    assert_eq!(late.commit_transactions, early.commit_transactions);
    assert!(late.prove_transactions.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_backlog_goes_out_in_groups() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    world.batches.seal(40);
    world.start().await?;
    world.until_committed(40).await?;
    world.assert_committed_once(40).await?;
    assert!(world.nonce().await? <= 12, "{}", world.nonce().await?);
    Ok(())
}

#[tokio::test]
async fn a_sealed_batch_is_not_called_committed() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    world.automine(false).await?;
    world.start().await?;
    world.batches.seal(1);
    world.until_pooled().await?;
    let waiting = world.batch(1).await?.unwrap();
    assert_eq!(waiting.state(), BatchState::Sealed);
    assert!(waiting.commit_transactions.is_empty());
    assert_eq!(world.batch(2).await?, None);
    world.anvil.mine(1).await?;
    world.until_committed(1).await
}

#[tokio::test]
async fn waits_for_as_many_confirmations_as_configured() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    world.settings.more = "confirmations = 3\n".to_owned();
    world.start().await?;
    world.batches.seal(1);
    let rollup = world.rollup();
    world
        .until("the contract holds it", async || {
            Ok(rollup.last_committed().await?.0 == 1)
        })
        .await?;
    world.anvil.mine(1).await?;
    let state = world.batch(1).await?.unwrap().state();
    assert_eq!(state, BatchState::Sealed);
    world.anvil.mine(1).await?;
    world.until_committed(1).await
}
