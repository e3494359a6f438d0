//! The real parts start, answer and end.

use cloister_test_kit::{anvil, pki, postgres};

#[tokio::test]
async fn a_database_is_reachable_by_its_own_role_only() {
    let mut cluster = postgres::Cluster::start(postgres::Options::default()).await.unwrap();
    let mine = cluster.create_database("gateway").await.unwrap();
    let other = cluster.create_database("sequencer").await.unwrap();
    mine.connect().await.unwrap();
    let intruder = postgres::Database { user: other.user, password: other.password, ..mine.clone() };
    let refusal = intruder.connect().await.unwrap_err();
    assert!(format!("{refusal:#}").contains("permission denied for database"), "{refusal:#}");

    cluster.kill();
    assert!(mine.connect().await.is_err());
    cluster.resume().await.unwrap();
    mine.connect().await.unwrap();
}

#[tokio::test]
async fn anvil_keeps_its_state_over_a_stop() {
    let mut node = anvil::Anvil::start(anvil::Options::default()).await.unwrap();
    node.mine(3).await.unwrap();
    node.stop().await.unwrap();
    node.resume().await.unwrap();
    let head = node.rpc("eth_blockNumber", serde_json::json!([])).await.unwrap();
    assert_eq!(head, "0x3");
}

#[test]
fn private_keys_are_readable_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let identity = pki::Pki::new(folder.path()).unwrap().issue("gateway").unwrap();
    let mode = std::fs::metadata(identity.private_key_file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
