//! The real parts start, answer and end.

use cloister_test_kit::{anvil, pki, postgres};

#[tokio::test]
async fn a_database_is_reachable_by_its_own_role_only() {
    let mut cluster = postgres::Cluster::start(postgres::Options::default())
        .await
        .unwrap();
    let mine = cluster.create_database("gateway").await.unwrap();
    let other = cluster.create_database("sequencer").await.unwrap();
    mine.connect().await.unwrap();
    let intruder = postgres::Database {
        user: other.user,
        password: other.password,
        ..mine.clone()
    };
    let refusal = intruder.connect().await.unwrap_err();
    assert!(
        format!("{refusal:#}").contains("permission denied for database"),
        "{refusal:#}"
    );

    cluster.kill();
    assert!(mine.connect().await.is_err());
    cluster.resume().await.unwrap();
    mine.connect().await.unwrap();
}

#[tokio::test]
async fn anvil_keeps_its_state_over_a_stop() {
    let mut node = anvil::Anvil::start(anvil::Options::default())
        .await
        .unwrap();
    node.mine(3).await.unwrap();
    node.stop().await.unwrap();
    node.resume().await.unwrap();
    let head = node
        .rpc("eth_blockNumber", serde_json::json!([]))
        .await
        .unwrap();
    assert_eq!(head, "0x3");
}

#[test]
fn private_keys_are_readable_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let identity = pki::Pki::new(folder.path())
        .unwrap()
        .issue("gateway")
        .unwrap();
    let mode = std::fs::metadata(identity.private_key_file)
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn people_log_in_to_the_provider() {
    use cloister_test_kit::oidc::{Options, Person, Provider};
    let folder = tempfile::tempdir().unwrap();
    let pki = pki::Pki::new(&folder.path().join("pki")).unwrap();
    let alice = Person::new("alice", "Alice", &["trader", "desk-rates"]);
    let options = Options {
        people: vec![alice.clone()],
        redirect_uri: "https://localhost:1/auth/callback".to_owned(),
        access_token_seconds: 600,
    };
    let provider = Provider::start(&folder.path().join("oidc"), &pki, &options)
        .await
        .unwrap();
    let token = provider.token(&alice).await.unwrap();
    assert_eq!(token.split('.').count(), 3);
    let machine = provider.machine_token().await.unwrap();
    assert_eq!(machine.split('.').count(), 3);

    let stranger = Person {
        password: "wrong".to_owned(),
        ..alice
    };
    let refusal = provider.token(&stranger).await.unwrap_err();
    assert!(
        refusal.to_string().contains("Wrong name or password"),
        "{refusal:#}"
    );
}
