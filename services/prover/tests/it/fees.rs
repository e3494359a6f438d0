//! Stuck, dropped and too dear transactions.

use serde_json::json;

use crate::world::{COMMITTER, World, account};

#[tokio::test]
async fn raises_the_fees_of_a_stuck_transaction_under_the_same_nonce() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    world.start().await?;
    world.automine(false).await?;
    world.batches.seal(1);
    let first = world.until_pooled().await?;
    // Blocks pass it by: their base fee is above what it offers.
    let offered = first["maxFeePerGas"].as_str().unwrap().to_owned();
    let offered = u128::from_str_radix(&offered[2..], 16)?;
    let dear = format!("{:#x}", offered * 3);
    world
        .anvil
        .rpc("anvil_setNextBlockBaseFeePerGas", json!([dear]))
        .await?;
    world.anvil.mine(1).await?;
    for _ in 0..4 {
        world.anvil.mine(1).await?;
    }
    // Before blocks make gas cheap enough for the first attempt again.
    let attempts = "select count(*) from l1_attempt where number = 1";
    world.until_number(attempts, 1).await?;
    let rollup = world.rollup();
    let node = world.anvil.url();
    let http = reqwest::Client::builder().no_proxy().build()?;
    world
        .until("it is committed", async || {
            let mine = json!({"jsonrpc": "2.0", "id": 1, "method": "evm_mine", "params": []});
            http.post(&node).json(&mine).send().await?;
            Ok(rollup.last_committed().await?.0 == 1)
        })
        .await?;
    world.until_committed(1).await?;
    world.assert_committed_once(1).await?;
    assert_eq!(world.nonce().await?, 1);
    let commits = world.commits().await?;
    assert_ne!(
        json!(commits[0].transaction),
        first["hash"],
        "a later attempt won"
    );
    let bumps = "cloister_prover_l1_transactions_total{event=\"bumped\",kind=\"commit\"}";
    assert!(world.metric(bumps).await? >= 1.0);
    Ok(())
}

#[tokio::test]
async fn sends_a_dropped_transaction_again() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    world.start().await?;
    world.automine(false).await?;
    world.batches.seal(1);
    let first = world.until_pooled().await?;
    world
        .anvil
        .rpc("anvil_dropTransaction", json!([first["hash"]]))
        .await?;
    let again = world.until_pooled().await?;
    assert_eq!(again["hash"], first["hash"], "the same bytes");
    world.anvil.mine(1).await?;
    world.until_committed(1).await?;
    world.assert_committed_once(1).await
}

#[tokio::test]
async fn waits_when_gas_is_dearer_than_allowed() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    world.settings.max_fee_per_gas_wei = 5_000_000_000;
    world.start().await?;
    let base_fee = |gwei: u64| json!([format!("{:#x}", gwei * 1_000_000_000)]);
    world
        .anvil
        .rpc("anvil_setNextBlockBaseFeePerGas", base_fee(50))
        .await?;
    world.anvil.mine(1).await?;
    world.batches.seal(1);
    world
        .until_stalled("more than `l1.max_fee_per_gas_wei`")
        .await?;
    assert_eq!(world.nonce().await?, 0);
    world
        .anvil
        .rpc("anvil_setNextBlockBaseFeePerGas", base_fee(1))
        .await?;
    world.anvil.mine(1).await?;
    world.until_committed(1).await?;
    world.until_moving().await
}

#[tokio::test]
async fn says_when_the_committer_is_poor() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    let purse = |wei: &str| json!([account(COMMITTER), wei]);
    world.anvil.rpc("anvil_setBalance", purse("0x1")).await?;
    world.start().await?;
    world.batches.seal(1);
    world.until_stalled("holds too little to pay").await?;
    world
        .anvil
        .rpc("anvil_setBalance", purse("0x8ac7230489e80000"))
        .await?;
    world.until_committed(1).await?;
    world.assert_committed_once(1).await
}

#[tokio::test]
async fn spr_2_goes_on_when_the_key_was_used_elsewhere() -> anyhow::Result<()> {
    let mut world = World::new().await?;
    world.start().await?;
    world.automine(false).await?;
    world.batches.seal(1);
    let first = world.until_pooled().await?;
    world
        .anvil
        .rpc("anvil_dropTransaction", json!([first["hash"]]))
        .await?;
    // Somebody sends a transfer from the same account with a nonce that is ours.
    let transfer = json!([{
        "from": account(COMMITTER), "to": account(COMMITTER), "value": "0x1",
        "nonce": "0x0", "maxFeePerGas": "0x746a528800", "maxPriorityFeePerGas": "0x746a528800",
    }]);
    world.anvil.rpc("eth_sendTransaction", transfer).await?;
    world.anvil.mine(1).await?;
    world.automine(true).await?;
    world.until_committed(1).await?;
    world.assert_committed_once(1).await?;
    assert_eq!(world.nonce().await?, 2);
    Ok(())
}
