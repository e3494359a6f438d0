//! Who may ask, and what they are told.

use cloister_proto::prover::v1::{BatchState, GetBatchStatusRequest, GetStatusRequest};

use crate::world::World;

#[tokio::test]
async fn spr_6_answers_gateway_and_disclosure_only() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    world.start().await?;
    for peer in ["gateway", "disclosure"] {
        let mut client = world.client(peer)?;
        client.get_status(GetStatusRequest {}).await?;
        client
            .get_batch_status(GetBatchStatusRequest { number: 1 })
            .await?;
    }
    for peer in ["sequencer", "prover"] {
        let mut client = world.client(peer)?;
        let refused = client
            .get_status(GetStatusRequest {})
            .await
            .expect_err("a stranger");
        assert_eq!(refused.code(), tonic::Code::PermissionDenied);
        assert_eq!(
            cloister_proto::code::code_of(&refused),
            Some("peer_not_allowed")
        );
        let refused = client
            .get_batch_status(GetBatchStatusRequest { number: 1 })
            .await
            .expect_err("a stranger");
        assert_eq!(refused.code(), tonic::Code::PermissionDenied);
    }
    Ok(())
}

#[tokio::test]
async fn genesis_is_final_and_unknown_batches_are_absent() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    world.start().await?;
    let genesis = world.batch(0).await?.unwrap();
    assert_eq!(genesis.state(), BatchState::Finalized);
    assert!(genesis.commit_final);
    assert_eq!(world.batch(1).await?, None);
    assert_eq!(world.batch(u64::MAX).await?, None);
    Ok(())
}
