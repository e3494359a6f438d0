//! Nothing is signed for a chain, contract or key that is not the right one (SPR-3).

use cloister_l1::Address;

use crate::world::World;

#[tokio::test]
async fn spr_3_another_ethereum_chain() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    world.settings.l1_chain_id = 1;
    world.start().await?;
    world.batches.seal(1);
    world
        .until_stalled("the Ethereum node is of chain 31337, `l1.chain_id` is 1")
        .await?;
    assert_eq!(world.nonce().await?, 0);
    Ok(())
}

#[tokio::test]
async fn spr_3_no_contract_at_the_address() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    world.settings.rollup = Some(Address::repeat_byte(0x42));
    world.start().await?;
    world.batches.seal(1);
    world
        .until_stalled("there is no Rollup contract at `0x4242")
        .await?;
    assert_eq!(world.nonce().await?, 0);
    Ok(())
}

#[tokio::test]
async fn spr_3_a_key_without_the_role() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    let key = world.folder.path().join("committer-key");
    cloister_test_kit::pki::write_secret(&key, cloister_test_kit::anvil::FUNDED[0].1)?;
    world.start().await?;
    world.batches.seal(1);
    world
        .until_stalled("does not hold the committer role")
        .await?;
    assert!(world.commits().await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_database_of_another_contract_is_refused_at_start() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    world.start().await?;
    world.batches.seal(1);
    world.until_committed(1).await?;
    world.prover.kill();
    world.settings.rollup = Some(Address::repeat_byte(0x42));
    let refused = world.start().await.expect_err("another contract");
    let log = std::fs::read_to_string(world.prover.log())?;
    assert!(
        log.contains("the database belongs to contract"),
        "{refused}\n{log}"
    );
    Ok(())
}

#[tokio::test]
async fn a_configuration_with_a_mistake_is_refused_by_name() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    for (more, words) in [
        ("surprise = 1\n", "surprise"),
        ("confirmations = 0\n", "`l1.confirmations`"),
        (
            "max_batches_per_transaction = 65\n",
            "`l1.max_batches_per_transaction`",
        ),
        ("poll_ms = 5\n", "poll_ms"),
    ] {
        world.settings.more = more.to_owned();
        world.write_config()?;
        let refused = world.prover.check_config().await.expect_err("a mistake");
        assert!(refused.to_string().contains(words), "{refused}");
    }
    Ok(())
}
