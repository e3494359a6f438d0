//! The audit ledger: nothing acknowledged is lost, nothing written is changed, no chain forks.

use std::time::Duration;

use alloy_primitives::B256;
use cloister_audit::{Entry, Head, Outcome, Row, Tampered, verify};
use cloister_store_pg::ledger::{
    Ledger, LedgerError, LedgerLimits, MIGRATION_SQL, read_head, read_page,
};
use cloister_test_kit::postgres::{Cluster, Database, Options};
use cloister_types::UnixMillis;
use sqlx::postgres::PgPoolOptions;
use sqlx::{PgPool, raw_sql};
use tokio::time::timeout;

struct Fixture {
    cluster: Cluster,
    database: Database,
    pool: PgPool,
}

impl Fixture {
    async fn new() -> anyhow::Result<Self> {
        let cluster = Cluster::start(Options::default()).await?;
        let database = cluster.create_database("ledger").await?;
        let pool = pool(&database);
        raw_sql(MIGRATION_SQL).execute(&pool).await?;
        Ok(Self {
            cluster,
            database,
            pool,
        })
    }

    async fn ledger(&self, limits: LedgerLimits) -> Result<Ledger, LedgerError> {
        Ledger::open("test", self.pool.clone(), limits).await
    }

    /// What somebody with all rights over the table could do.
    async fn tamper(&self, statement: &'static str) -> anyhow::Result<()> {
        raw_sql("ALTER TABLE audit_log DISABLE TRIGGER ALL")
            .execute(&self.pool)
            .await?;
        raw_sql(statement).execute(&self.pool).await?;
        Ok(())
    }
}

fn pool(database: &Database) -> PgPool {
    PgPoolOptions::new()
        .max_connections(4)
        .acquire_timeout(Duration::from_secs(2))
        .connect_lazy_with(database.options())
}

fn limits() -> LedgerLimits {
    LedgerLimits::default()
}

fn row(number: u64) -> Row {
    Row {
        time: UnixMillis(1_800_000_000_000 + number),
        principal: "https://id.example|alice".into(),
        session: "s".into(),
        method: format!("method-{number}"),
        resource: "account:0x01".into(),
        rule: "view-own-account".into(),
        policy_version: B256::repeat_byte(1),
        request_hash: B256::repeat_byte(2),
        outcome: Outcome::Allowed,
    }
}

async fn everything(pool: &PgPool) -> Result<Vec<Entry>, LedgerError> {
    let mut entries = Vec::new();
    loop {
        let page = read_page(pool, entries.len() as u64 + 1).await?;
        if page.is_empty() {
            return Ok(entries);
        }
        entries.extend(page);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_appends_at_once_make_one_chain() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let ledger = fixture.ledger(limits()).await?;
    let tasks: Vec<_> = (0..1500)
        .map(|number| {
            let ledger = ledger.clone();
            tokio::spawn(async move { ledger.append(row(number)).await })
        })
        .collect();
    let mut sequences = Vec::new();
    for task in tasks {
        sequences.push(task.await??.sequence);
    }
    sequences.sort_unstable();
    assert_eq!(sequences, (1..=1500).collect::<Vec<u64>>());
    let entries = everything(&fixture.pool).await?;
    assert_eq!(verify(&entries, &[ledger.head().await?])?.count, 1500);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_goes_on_where_the_last_one_stood() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let first = fixture.ledger(limits()).await?;
    let entry = first.append(row(1)).await?;
    first.close().await;
    assert!(matches!(
        first.append(row(2)).await,
        Err(LedgerError::Closed)
    ));
    let second = fixture.ledger(limits()).await?;
    assert_eq!(
        second.head().await?,
        Head {
            count: 1,
            hash: entry.hash
        }
    );
    assert_eq!(second.append(row(2)).await?.sequence, 2);
    verify(&everything(&fixture.pool).await?, &[second.head().await?])?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_writes_what_waits() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let ledger = fixture.ledger(limits()).await?;
    let mut lock = fixture.pool.begin().await?;
    raw_sql("LOCK TABLE audit_log IN EXCLUSIVE MODE")
        .execute(&mut *lock)
        .await?;
    let mut waiting = Box::pin(ledger.append(row(1)));
    assert!(timeout(Duration::ZERO, &mut waiting).await.is_err());
    let closing = tokio::spawn({
        let ledger = ledger.clone();
        async move { ledger.close().await }
    });
    lock.rollback().await?;
    assert_eq!(waiting.await?.sequence, 1);
    closing.await?;
    Ok(())
}

/// SAU-4: several processes share a table and the chain never forks.
#[tokio::test(flavor = "multi_thread")]
async fn two_writers_on_one_table_make_one_chain() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let ledgers = [
        fixture.ledger(limits()).await?,
        fixture.ledger(limits()).await?,
    ];
    let tasks: Vec<_> = (0..200)
        .map(|number| {
            let ledger = ledgers[usize::from(number % 2 == 0)].clone();
            tokio::spawn(async move { ledger.append(row(number)).await })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    let entries = everything(&fixture.pool).await?;
    assert_eq!(
        verify(&entries, &[read_head(&fixture.pool).await?])?.count,
        200
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_refuses_changes_even_from_its_owner() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    fixture.ledger(limits()).await?.append(row(1)).await?;
    for statement in [
        "UPDATE audit_log SET rule = 'x'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
    ] {
        let error = raw_sql(statement).execute(&fixture.pool).await.unwrap_err();
        assert!(
            error.to_string().contains("the audit log is append-only"),
            "{statement}: {error}"
        );
    }
    assert_eq!(read_head(&fixture.pool).await?.count, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_whose_end_was_edited_does_not_open() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let ledger = fixture.ledger(limits()).await?;
    for number in 1..=5 {
        ledger.append(row(number)).await?;
    }
    let head = ledger.head().await?;
    fixture
        .tamper("UPDATE audit_log SET outcome = 2 WHERE sequence = 4")
        .await?;
    let opened = fixture.ledger(limits()).await;
    assert!(matches!(
        opened,
        Err(LedgerError::Tampered(Tampered::Hash { at: 4 }))
    ));
    fixture
        .tamper("DELETE FROM audit_log WHERE sequence = 4")
        .await?;
    let opened = fixture.ledger(limits()).await;
    let expected = Tampered::Sequence {
        expected: 4,
        got: 5,
    };
    assert!(matches!(opened, Err(LedgerError::Tampered(found)) if found == expected));
    fixture
        .tamper("DELETE FROM audit_log WHERE sequence > 3")
        .await?;
    let entries = everything(&fixture.pool).await?;
    assert_eq!(
        verify(&entries, &[head]),
        Err(Tampered::Truncated {
            got: 3,
            anchored: 5
        })
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_postgres_could_not_hold_is_cleaned_first() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let ledger = fixture.ledger(limits()).await?;
    let mut hostile = row(1);
    hostile.method = "eth\0call".into();
    hostile.resource = "x".repeat(1_000_000);
    ledger.append(hostile).await?;
    let entries = everything(&fixture.pool).await?;
    assert_eq!(entries[0].row.method, "eth\u{fffd}call");
    verify(&entries, &[ledger.head().await?])?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_waiting_rows_are_refused_at_once() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let ledger = fixture
        .ledger(LedgerLimits {
            queue_rows: 1,
            batch_rows: 1,
            ..limits()
        })
        .await?;
    let mut lock = fixture.pool.begin().await?;
    raw_sql("LOCK TABLE audit_log IN EXCLUSIVE MODE")
        .execute(&mut *lock)
        .await?;
    let mut waiting = Vec::new();
    let mut refused = 0;
    for number in 0..4 {
        let mut append = Box::pin(ledger.append(row(number)));
        match timeout(Duration::ZERO, &mut append).await {
            Ok(Err(LedgerError::Overloaded)) => refused += 1,
            Ok(other) => anyhow::bail!("{other:?}"),
            Err(_) => waiting.push(append),
        }
    }
    // One row is being written and one waits, at most.
    assert!(refused >= 2);
    lock.rollback().await?;
    for append in waiting {
        append.await?;
    }
    assert_eq!(read_head(&fixture.pool).await?.count, 4 - refused);
    Ok(())
}

/// SAU-3: without Postgres nothing is acknowledged; with it again, everything goes on.
#[tokio::test(flavor = "multi_thread")]
async fn fails_while_postgres_is_away_and_recovers_by_itself() -> anyhow::Result<()> {
    let mut fixture = Fixture::new().await?;
    let ledger = fixture.ledger(limits()).await?;
    ledger.append(row(1)).await?;
    fixture.cluster.stop().await?;
    let error = ledger.append(row(2)).await.unwrap_err();
    assert!(matches!(error, LedgerError::Unavailable { .. }), "{error}");
    assert!(!ledger.is_healthy());
    fixture.cluster.resume().await?;
    assert!(ledger.append(row(3)).await.is_ok());
    assert!(ledger.is_healthy());
    verify(&everything(&fixture.pool).await?, &[ledger.head().await?])?;
    Ok(())
}

/// SAU-2: what was acknowledged is there after a crash.
#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_row_survives_a_killed_postgres() -> anyhow::Result<()> {
    let mut fixture = Fixture::new().await?;
    let ledger = fixture.ledger(limits()).await?;
    let writers: Vec<_> = (0..8_u64)
        .map(|writer| {
            let ledger = ledger.clone();
            tokio::spawn(async move {
                let mut acknowledged = Vec::new();
                for number in 0.. {
                    match ledger.append(row(writer * 1_000_000 + number)).await {
                        Ok(entry) => acknowledged.push(entry),
                        Err(_) => break,
                    }
                }
                acknowledged
            })
        })
        .collect();
    while ledger.head().await?.count < 200 {}
    fixture.cluster.kill();
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.extend(writer.await?);
    }
    fixture.cluster.resume().await?;
    let entries = everything(&pool(&fixture.database)).await?;
    verify(&entries, &[])?;
    assert!(acknowledged.len() >= 200);
    for entry in acknowledged {
        assert_eq!(
            entries.get(usize::try_from(entry.sequence)? - 1),
            Some(&entry)
        );
    }
    Ok(())
}

#[test]
fn every_service_with_a_ledger_has_the_same_table() -> anyhow::Result<()> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    for service in ["gateway", "disclosure"] {
        let mut found = false;
        for file in std::fs::read_dir(root.join(service))? {
            found |= std::fs::read_to_string(file?.path())?.contains(MIGRATION_SQL);
        }
        assert!(
            found,
            "no migration of `{service}` holds crates/store-pg/src/ledger/audit_log.sql"
        );
    }
    Ok(())
}
