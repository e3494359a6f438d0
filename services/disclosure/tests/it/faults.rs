//! Parts that are away: a clear answer, and recovery by itself.

use cloister_audit::Outcome;
use serde_json::json;

use crate::installation::{Installation, eventually};
use crate::world::ALICE;

#[tokio::test]
async fn without_the_sequencer_nothing_is_given_and_the_attempt_is_recorded() {
    let installation = Installation::start().await;
    let grant = installation.grant(&installation.terms()).await;
    let dave = installation.token(&installation.people.dave).await;
    installation.upstream.leave();
    let order = json!({"grant": grant, "claim": {"kind": "account_state", "address": ALICE}});
    let answer = installation.post("/v1/packages", &dave, &order).await;
    assert_eq!(
        (answer.status, answer.code()),
        (503, "unavailable"),
        "{}",
        answer.text
    );
    let rows = installation.audit().await;
    assert_eq!(
        rows.last().map(|entry| entry.row.outcome),
        Some(Outcome::Failed)
    );
}

/// SDS-1: without the ledger there is no answer.
#[tokio::test]
async fn without_postgres_nothing_is_given_and_it_recovers() {
    let mut installation = Installation::start().await;
    let grant = installation.grant(&installation.terms()).await;
    let dave = installation.token(&installation.people.dave).await;
    let order = json!({"grant": grant, "claim": {"kind": "account_state", "address": ALICE}});
    installation.cluster.kill();
    let away = installation.post("/v1/packages", &dave, &order).await;
    assert_eq!(
        (away.status, away.code()),
        (503, "unavailable"),
        "{}",
        away.text
    );
    installation
        .cluster
        .resume()
        .await
        .expect("Postgres is back");
    eventually("recovery", async || {
        installation
            .post("/v1/packages", &dave, &order)
            .await
            .status
            == 200
    })
    .await;
    let mut verifier = cloister_audit::Verifier::new(&[]).expect("no anchors");
    for entry in installation.audit().await {
        verifier.push(&entry).expect("a chain");
    }
}

#[tokio::test]
async fn the_ledger_migration_is_the_one_of_the_ledger() {
    let own = include_str!("../../../../migrations/disclosure/0002_audit_log.sql");
    assert_eq!(own, cloister_store_pg::ledger::MIGRATION_SQL);
}
