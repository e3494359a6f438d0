//! Proofs on Ethereum: brought in parts, in order, whatever happens in between.

use std::collections::BTreeSet;

use cloister_l1::AnchorState;
use cloister_proto::prover::v1::BatchState;
use cloister_types::BatchNumber;
use serde_json::json;

use crate::proxy::Hold;
use crate::world::World;
use crate::wrap_world::{self, MAX_BYTES};

/// What it takes to prove one batch with one query at a time.
const PARTS: [&str; 5] = ["begin", "check", "check", "check", "prove"];

/// A batch that is committed and whose wrap was given; nothing is mined by itself any more.
async fn standing_still() -> anyhow::Result<World> {
    let mut world = wrap_world::started("").await?;
    wrap_world::one_query_at_a_time(&world);
    world.batches.seal(1);
    world.until_committed(1).await?;
    world.automine(false).await?;
    wrap_world::give_true(&mut world, 1).await?;
    Ok(world)
}

/// The batch was proved, with no transaction more than it takes.
async fn proved_with_nothing_wasted(world: &mut World) -> anyhow::Result<()> {
    wrap_world::until(world, 1, BatchState::Proved).await?;
    let wanted: Vec<&str> = std::iter::once("commit").chain(PARTS).collect();
    assert_eq!(wrap_world::kinds(world).await?, wanted);
    assert_eq!(world.nonce().await?, 6);
    Ok(())
}

#[tokio::test]
async fn proves_each_batch_in_order_and_makes_it_final() -> anyhow::Result<()> {
    let mut world = wrap_world::started("").await?;
    for _ in 0..2 {
        wrap_world::seal(&mut world).await?;
    }
    let proved = wrap_world::until(&mut world, 2, BatchState::Proved).await?;
    let anchor = world.rollup().anchor(BatchNumber(2)).await?.unwrap();
    assert!(anchor.state >= AnchorState::Proved);
    assert_eq!(anchor.verifier_version, Some(1));
    assert_eq!(anchor.batch_hash, world.batches.hash(2));
    assert_eq!(proved.prove_transactions.len(), 3);
    let last = proved.prove_transactions.last().unwrap();
    assert_eq!(Some(last.block_number), anchor.prove_block);
    let gas = |transaction: &cloister_proto::prover::v1::L1Transaction| transaction.gas_used;
    assert!(
        proved
            .prove_transactions
            .iter()
            .map(gas)
            .all(|gas| gas > 100_000)
    );

    world.anvil.mine(2).await?;
    wrap_world::until(&mut world, 2, BatchState::Finalized).await?;
    let status = world.status().await?;
    assert_eq!((status.proved_batch, status.finalized_batch), (2, 2));
    assert_eq!(status.stalled_reason, "");
    let all = wrap_world::transactions(&world).await?;
    let proofs: Vec<_> = all
        .iter()
        .filter(|(kind, ..)| ["begin", "check", "prove"].contains(&kind.as_str()))
        .map(|(kind, first, _, succeeded)| (kind.as_str(), *first, *succeeded))
        .collect();
    let of = |batch| ["begin", "check", "prove"].map(|kind| (kind, batch, true));
    assert_eq!(proofs, [of(1), of(2)].concat());
    assert!(world.metric("cloister_prover_finalized_batch").await? >= 2.0);
    Ok(())
}

async fn killed_at_every_part(hold: Hold) -> anyhow::Result<()> {
    let mut world = wrap_world::started("").await?;
    wrap_world::one_query_at_a_time(&world);
    world.batches.seal(1);
    world.until_committed(1).await?;
    world.automine(false).await?;
    world.proxy.hold("eth_sendRawTransaction", hold);
    wrap_world::give_true(&mut world, 1).await?;
    for part in PARTS {
        world.proxy.holding().await?;
        world.kill_and_restart().await?;
        world.until_pooled().await?;
        if part != "prove" {
            world.proxy.hold("eth_sendRawTransaction", hold);
        }
        world.anvil.mine(1).await?;
    }
    proved_with_nothing_wasted(&mut world).await
}

#[tokio::test]
async fn spr_8_killed_between_writing_and_sending_each_part() -> anyhow::Result<()> {
    killed_at_every_part(Hold::Question).await
}

#[tokio::test]
async fn spr_8_killed_between_sending_each_part_and_learning_of_it() -> anyhow::Result<()> {
    killed_at_every_part(Hold::Answer).await
}

#[tokio::test]
async fn spr_8_goes_on_after_a_reorganisation_at_each_part() -> anyhow::Result<()> {
    let mut world = standing_still().await?;
    let mut taken_back = BTreeSet::new();
    while world.nonce().await? < 6 {
        world.until_pooled().await?;
        world.anvil.mine(1).await?;
        let landed = world.nonce().await?;
        if taken_back.insert(landed) {
            let count = "select count(*) from l1_transaction where state in ('included', 'final')";
            world.until_number(count, i64::try_from(landed)?).await?;
            world.anvil.rpc("anvil_reorg", json!([1, []])).await?;
        }
    }
    assert!(taken_back.contains(&6), "the proof itself was taken back");
    proved_with_nothing_wasted(&mut world).await
}

#[tokio::test]
async fn spr_9_a_proof_that_is_taken_back_is_proved_no_more() -> anyhow::Result<()> {
    let mut world = wrap_world::started("").await?;
    wrap_world::seal(&mut world).await?;
    wrap_world::until(&mut world, 1, BatchState::Proved).await?;
    world.anvil.mine(2).await?;
    wrap_world::until(&mut world, 1, BatchState::Finalized).await?;
    world.automine(false).await?;
    // Finality, the two empty blocks and the three parts; the commit stays.
    world.anvil.rpc("anvil_reorg", json!([6, []])).await?;
    let client = world.client("gateway")?;
    world
        .until("it is committed only", async || {
            let request = cloister_proto::prover::v1::GetStatusRequest {};
            let status = client.clone().get_status(request).await?.into_inner();
            Ok((status.proved_batch, status.finalized_batch) == (0, 0))
        })
        .await?;
    assert_eq!(
        world.batch(1).await?.unwrap().state(),
        BatchState::Committed
    );
    world.until_pooled().await?;
    world.automine(true).await?;
    world.anvil.mine(1).await?;
    wrap_world::until(&mut world, 1, BatchState::Proved).await?;
    world.anvil.mine(2).await?;
    wrap_world::until(&mut world, 1, BatchState::Finalized).await?;
    Ok(())
}

#[tokio::test]
async fn raises_the_fees_of_a_stuck_part() -> anyhow::Result<()> {
    let mut world = standing_still().await?;
    world.until_pooled().await?;
    world.anvil.mine(1).await?;
    let stuck = world.until_pooled().await?;
    let offered = stuck["maxFeePerGas"].as_str().unwrap().to_owned();
    let offered = u128::from_str_radix(&offered[2..], 16)?;
    let dear = format!("{:#x}", offered * 3);
    world
        .anvil
        .rpc("anvil_setNextBlockBaseFeePerGas", json!([dear]))
        .await?;
    world.anvil.mine(1).await?;
    let bumps = "select count(*) from l1_attempt join l1_transaction on id = transaction \
                 where kind = 'check' and number = 1";
    world.until_number(bumps, 1).await?;
    world.automine(true).await?;
    world.anvil.mine(1).await?;
    proved_with_nothing_wasted(&mut world).await
}

#[tokio::test]
async fn waits_for_as_many_confirmations_of_a_proof_as_configured() -> anyhow::Result<()> {
    let mut world = wrap_world::started("confirmations = 3\n").await?;
    world.batches.seal(1);
    wrap_world::give_true(&mut world, 1).await?;
    let rollup = world.rollup();
    world
        .until("the contract calls it proved", async || {
            Ok(rollup.heads().await?.proved.0 == 1)
        })
        .await?;
    let status = world.status().await?;
    assert_eq!(status.proved_batch, 0);
    world.anvil.mine(1).await?;
    let state = world.batch(1).await?.unwrap().state();
    assert_eq!(state, BatchState::Committed);
    world.anvil.mine(1).await?;
    wrap_world::until(&mut world, 1, BatchState::Proved).await?;
    Ok(())
}

#[tokio::test]
async fn brings_fewer_queries_where_gas_does_not_suffice() -> anyhow::Result<()> {
    let mut world = wrap_world::started("").await?;
    wrap_world::one_query_at_a_time(&world);
    wrap_world::seal(&mut world).await?;
    proved_with_nothing_wasted(&mut world).await
}

#[tokio::test]
async fn says_when_not_even_one_query_or_the_head_fits() -> anyhow::Result<()> {
    let mut world = wrap_world::world("").await?;
    wrap_world::add_verifier(&world, 1).await?;
    let enough = world.settings.more.clone();
    world.settings.more = enough.replace(&MAX_BYTES.to_string(), "9000");
    world.start().await?;
    wrap_world::seal(&mut world).await?;
    world
        .until_stalled("raise `l1.max_transaction_bytes`, which is 9000")
        .await?;
    world.proxy.dear(|question| question.len() > 18_000);
    world.prover.stop(crate::proving::LEAVE).await?;
    world.settings.more = enough;
    world.start().await?;
    world
        .until_stalled("the head of the wrap of batch 1 cannot be brought in one transaction")
        .await?;
    assert_eq!(world.nonce().await?, 1, "only the commit");
    Ok(())
}

#[tokio::test]
async fn spr_10_commits_go_on_while_the_verifier_is_unknown() -> anyhow::Result<()> {
    let mut world = wrap_world::world("").await?;
    world.start().await?;
    wrap_world::seal(&mut world).await?;
    world
        .until_stalled("there is no verifier on Ethereum for guest image 9")
        .await?;
    wrap_world::seal(&mut world).await?;
    assert!(world.metric("cloister_prover_prove_stalled").await? > 0.0);
    wrap_world::add_verifier(&world, 1).await?;
    wrap_world::until(&mut world, 2, BatchState::Proved).await?;
    world.until_moving().await
}

#[tokio::test]
async fn spr_10_commits_go_on_while_the_verifier_is_frozen() -> anyhow::Result<()> {
    let mut world = wrap_world::started("").await?;
    wrap_world::seal(&mut world).await?;
    wrap_world::until(&mut world, 1, BatchState::Proved).await?;
    wrap_world::freeze(&world, 1).await?;
    wrap_world::seal(&mut world).await?;
    world
        .until_stalled("version 1 of the verifiers on Ethereum is frozen")
        .await?;
    wrap_world::seal(&mut world).await?;
    wrap_world::add_verifier(&world, 2).await?;
    wrap_world::until(&mut world, 3, BatchState::Proved).await?;
    let rollup = world.rollup();
    let mut versions = Vec::new();
    for number in 1..=3 {
        let anchor = rollup.anchor(BatchNumber(number)).await?.unwrap();
        versions.push(anchor.verifier_version);
    }
    assert_eq!(versions, [Some(1), Some(2), Some(2)]);
    Ok(())
}

#[tokio::test]
async fn spr_10_commits_go_on_while_the_node_takes_no_long_questions() -> anyhow::Result<()> {
    let mut world = wrap_world::started("").await?;
    world.proxy.too_long(|question| question.len() > 18_000);
    wrap_world::seal(&mut world).await?;
    world
        .until_stalled("the Ethereum node does not answer: HTTP status 413")
        .await?;
    wrap_world::seal(&mut world).await?;
    world.proxy.too_long(|_| false);
    wrap_world::until(&mut world, 2, BatchState::Proved).await?;
    world.until_moving().await
}

#[tokio::test]
async fn spr_7_never_sends_a_wrap_that_does_not_hold() -> anyhow::Result<()> {
    let mut world = wrap_world::started("").await?;
    world.batches.seal(2);
    world.until_committed(2).await?;
    let commits = world.nonce().await?;
    let right = wrap_world::wrap(world.batches.hash(1), 1).await?;
    let of_another_batch = wrap_world::wrap(world.batches.hash(2), 1).await?;
    let mut changed = right.clone();
    changed[right.len() / 2] ^= 1;
    for (wrong, words) in [
        (
            of_another_batch,
            "does not hold and was not sent: not proved",
        ),
        (changed, "does not hold and was not sent: "),
        (b"nonsense".to_vec(), "was not sent: the bytes are no proof"),
    ] {
        wrap_world::give(&mut world, 1, &wrong).await?;
        world.until_stalled(words).await?;
        assert_eq!(world.nonce().await?, commits);
    }
    wrap_world::give(&mut world, 1, &right).await?;
    wrap_world::until(&mut world, 1, BatchState::Proved).await?;
    world.until_moving().await
}

#[tokio::test]
async fn begins_anew_with_a_wrap_that_was_made_again() -> anyhow::Result<()> {
    let mut world = standing_still().await?;
    world.until_pooled().await?;
    world.anvil.mine(1).await?;
    world.until_pooled().await?;
    let again = wrap_world::wrap(world.batches.hash(1), 2).await?;
    wrap_world::give(&mut world, 1, &again).await?;
    world.automine(true).await?;
    world.anvil.mine(1).await?;
    wrap_world::until(&mut world, 1, BatchState::Proved).await?;
    let kinds = wrap_world::kinds(&world).await?;
    let wanted = [&["commit", "begin", "check"][..], &PARTS].concat();
    assert_eq!(kinds, wanted);
    Ok(())
}

#[tokio::test]
async fn goes_on_when_somebody_else_has_proved_the_batch() -> anyhow::Result<()> {
    let mut world = standing_still().await?;
    world.until_pooled().await?;
    world.anvil.mine(1).await?;
    world.until_pooled().await?;
    let strangers = wrap_world::prove_as_stranger(&world, 1).await?;
    world.automine(true).await?;
    world.anvil.mine(1).await?;
    let status = wrap_world::until(&mut world, 1, BatchState::Proved).await?;
    assert_eq!(status.prove_transactions.last().unwrap().hash, strangers);
    assert_eq!(
        status.prove_transactions.len(),
        3,
        "begin and check are ours"
    );
    wrap_world::seal(&mut world).await?;
    let next = wrap_world::until(&mut world, 2, BatchState::Proved).await?;
    assert_eq!(next.prove_transactions.len(), PARTS.len());
    Ok(())
}

#[tokio::test]
async fn goes_on_when_somebody_else_was_quicker_with_the_last_part() -> anyhow::Result<()> {
    let mut world = standing_still().await?;
    for _ in 1..PARTS.len() {
        world.until_pooled().await?;
        world.anvil.mine(1).await?;
    }
    world.until_pooled().await?;
    let strangers = wrap_world::prove_as_stranger(&world, 1).await?;
    world.anvil.mine(1).await?;
    let status = wrap_world::until(&mut world, 1, BatchState::Proved).await?;
    assert_eq!(status.prove_transactions.last().unwrap().hash, strangers);
    let last = wrap_world::transactions(&world).await?.pop().unwrap();
    assert_eq!(last, ("prove".to_owned(), 1, 1, false));
    world.automine(true).await?;
    wrap_world::seal(&mut world).await?;
    wrap_world::until(&mut world, 2, BatchState::Proved).await?;
    world.until_moving().await
}

#[tokio::test]
async fn makes_all_that_is_old_enough_final_in_one_transaction() -> anyhow::Result<()> {
    let mut world = wrap_world::started("").await?;
    world.batches.seal(3);
    world.until_committed(3).await?;
    world.prover.kill();
    for batch in 1..=3 {
        wrap_world::prove_as_stranger(&world, batch).await?;
    }
    world.anvil.mine(2).await?;
    let before = world.nonce().await?;
    world.start().await?;
    wrap_world::until(&mut world, 3, BatchState::Finalized).await?;
    assert_eq!(world.nonce().await?, before + 1);
    let last = wrap_world::transactions(&world).await?.pop().unwrap();
    assert_eq!(last, ("finalize".to_owned(), 1, 3, true));
    Ok(())
}

#[tokio::test]
async fn waits_out_a_pause_in_the_middle_of_a_proof() -> anyhow::Result<()> {
    let mut world = standing_still().await?;
    world.until_pooled().await?;
    world.guardian_first("pause()").await?;
    world
        .until_stalled("the contract is paused by its guardian")
        .await?;
    assert_eq!(world.nonce().await?, 2, "the head landed, nothing followed");
    world.automine(true).await?;
    world.as_guardian("unpause()", &[]).await?;
    proved_with_nothing_wasted(&mut world).await?;
    world.until_moving().await
}

#[tokio::test]
async fn a_lost_database_learns_of_proofs_from_ethereum() -> anyhow::Result<()> {
    let mut world = wrap_world::started("").await?;
    wrap_world::seal(&mut world).await?;
    let before = wrap_world::until(&mut world, 1, BatchState::Proved).await?;
    world.prover.kill();
    world.database = world.cluster.create_database("prover").await?;
    let secret = world.folder.path().join("database-password");
    cloister_test_kit::pki::write_secret(&secret, &world.database.password)?;
    world.start().await?;
    let after = wrap_world::until(&mut world, 1, BatchState::Proved).await?;
    assert_eq!(
        after.prove_transactions.first(),
        before.prove_transactions.last()
    );
    assert_eq!(after.prove_transactions.len(), 1);
    Ok(())
}
