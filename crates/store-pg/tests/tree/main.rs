//! The state tree over real Postgres: the tree's own suite, and what only a database can do wrong.
#![expect(
    clippy::unwrap_used,
    reason = "a test whose assumption fails has failed"
)]

#[path = "../../../state-tree/tests/it/reference.rs"]
mod reference;
#[path = "../../../state-tree/tests/it/suite.rs"]
mod suite;

use cloister_state_tree::{LeafCommit, LeafKey, PageStore as _, Tree, TreeError, TreeUpdate};
use cloister_store_pg::tree::{self, MIGRATION_SQL, PageReadError, PgPageStore};
use cloister_test_kit::postgres::{Cluster, Options};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use reference::{Leaves, list};
use sqlx::postgres::{PgPool, PgPoolOptions};
use std::time::Duration;
use suite::Backend;
use tokio::runtime::{Handle, Runtime};

/// A cluster with one database that has the tree's table.
struct Fixture {
    runtime: Runtime,
    pool: PgPool,
    cluster: Cluster,
}

impl Fixture {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let (cluster, pool) = runtime.block_on(async {
            let cluster = Cluster::start(Options::default()).await.unwrap();
            let database = cluster.create_database("tree").await.unwrap();
            let options = PgPoolOptions::new().acquire_timeout(Duration::from_secs(2));
            let pool = options.connect_with(database.options()).await.unwrap();
            sqlx::raw_sql(MIGRATION_SQL).execute(&pool).await.unwrap();
            (cluster, pool)
        });
        Self {
            runtime,
            pool,
            cluster,
        }
    }

    fn empty(&self) {
        let truncate = sqlx::raw_sql("TRUNCATE tree_page").execute(&self.pool);
        self.runtime.block_on(truncate).unwrap();
    }

    fn rows(&self) -> i64 {
        let count = sqlx::query_scalar("SELECT count(*) FROM tree_page").fetch_one(&self.pool);
        self.runtime.block_on(count).unwrap()
    }

    /// A committed tree of sixty leaves, over many pages.
    fn tree(&self) -> (Tree<PgPageStore>, Leaves) {
        let tree = Tree::with_layout(self.store(), 4, 0);
        let leaves: Leaves = (0..60u8)
            .map(|i| {
                let key = core::array::from_fn(|at| if at < 2 { i.wrapping_mul(37) } else { i });
                (LeafKey(key), LeafCommit([i; 32]))
            })
            .collect();
        let update = tree.update(0, &list(&leaves)).unwrap();
        self.insert(&update);
        tree.commit(update).unwrap();
        (tree, leaves)
    }
}

impl Backend for Fixture {
    type Store = PgPageStore;

    fn store(&self) -> PgPageStore {
        PgPageStore::new(self.pool.clone(), self.runtime.handle().clone())
    }

    fn insert(&self, update: &TreeUpdate) {
        self.runtime.block_on(async {
            let mut transaction = self.pool.begin().await.unwrap();
            tree::write_pages(&mut transaction, update).await.unwrap();
            transaction.commit().await.unwrap();
        });
    }

    fn prune(&self, oldest_before: u64, oldest: u64) {
        self.runtime.block_on(async {
            let mut connection = self.pool.acquire().await.unwrap();
            tree::prune(&mut connection, oldest_before, oldest)
                .await
                .unwrap();
        });
    }
}

#[test]
fn the_tree_keeps_its_promises_over_postgres() {
    let fixture = Fixture::new();
    let mut runner = TestRunner::deterministic();
    let strategy = (reference::batches(), 0usize..40);
    for _ in 0..4 {
        let (batches, cached_pages) = strategy.new_tree(&mut runner).unwrap().current();
        fixture.empty();
        suite::play(&fixture, &batches, cached_pages);
    }
}

#[test]
fn a_rolled_back_batch_leaves_nothing_and_its_update_can_be_written_again() {
    let fixture = Fixture::new();
    let (tree, mut leaves) = fixture.tree();
    let before = fixture.rows();
    let change = (LeafKey([0x77; 32]), LeafCommit([1; 32]));
    leaves.insert(change.0, change.1);
    let update = tree.update(1, &[change]).unwrap();
    fixture.runtime.block_on(async {
        let mut transaction = fixture.pool.begin().await.unwrap();
        tree::write_pages(&mut transaction, &update).await.unwrap();
        transaction.rollback().await.unwrap();
    });
    assert_eq!(fixture.rows(), before);
    fixture.insert(&update);
    tree.commit(update).unwrap();
    assert_eq!(tree.root(), reference::root(&leaves));
    let reopened = Tree::open(fixture.store(), 1, tree.root(), 0).unwrap();
    let proof = reopened.prove(1, &change.0).unwrap();
    assert_eq!(
        proof.verify(&reference::root(&leaves), &change.0),
        Ok(Some(change.1))
    );
}

#[test]
fn a_version_is_written_once_only() {
    let fixture = Fixture::new();
    let (tree, _) = fixture.tree();
    let update = tree
        .update(1, &[(LeafKey([0x77; 32]), LeafCommit([1; 32]))])
        .unwrap();
    fixture.insert(&update);
    let twice = fixture.runtime.block_on(async {
        let mut connection = fixture.pool.acquire().await.unwrap();
        tree::write_pages(&mut connection, &update)
            .await
            .unwrap_err()
    });
    let code = twice
        .as_database_error()
        .and_then(|error| error.code().map(|code| code.to_string()));
    assert_eq!(code.as_deref(), Some("23505"), "unique violation");
}

/// STREE-5, for what an administrator or a bad disk can do.
#[test]
fn a_damaged_row_is_noticed() {
    let fixture = Fixture::new();
    let (tree, leaves) = fixture.tree();
    let keys: Vec<LeafKey> = leaves.keys().copied().collect();
    let damage = |sql: &'static str| {
        fixture
            .runtime
            .block_on(sqlx::raw_sql(sql).execute(&fixture.pool))
            .unwrap();
        tree.multiproof(0, &keys).unwrap_err()
    };
    // A byte of a commitment in the deepest page: the page reads, but it is another one.
    let changed = damage(
        "UPDATE tree_page SET content = set_byte(content, 60, 255)
         WHERE page = (SELECT page FROM tree_page ORDER BY page DESC LIMIT 1)",
    );
    assert!(
        matches!(changed, TreeError::PageMismatch { version: 0, .. }),
        "{changed}"
    );
    let cut = damage("UPDATE tree_page SET content = substr(content, 1, 40)");
    assert!(
        matches!(cut, TreeError::Store(PageReadError::Damaged { .. })),
        "{cut}"
    );
    let gone = damage("DELETE FROM tree_page");
    assert!(
        matches!(gone, TreeError::MissingPage { version: 0, .. }),
        "{gone}"
    );
}

#[test]
fn the_tree_goes_on_when_postgres_comes_back() {
    let mut fixture = Fixture::new();
    let (tree, leaves) = fixture.tree();
    let changes = [(LeafKey([0x77; 32]), LeafCommit([1; 32]))];
    fixture.cluster.kill();
    let away = tree.update(1, &changes).unwrap_err();
    assert!(
        matches!(away, TreeError::Store(PageReadError::Database(_))),
        "{away}"
    );
    assert_eq!(tree.root(), reference::root(&leaves));
    let Fixture {
        runtime, cluster, ..
    } = &mut fixture;
    runtime.block_on(cluster.resume()).unwrap();
    assert!(tree.update(1, &changes).is_ok());
}

#[test]
fn a_read_on_the_thread_that_drives_the_runtime_ends_in_time() {
    let fixture = Fixture::new();
    let (_, leaves) = fixture.tree();
    let alone = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let refused = alone.block_on(async {
        let store = PgPageStore::new(fixture.pool.clone(), Handle::current());
        let store = store.with_timeout(Duration::from_millis(50));
        Tree::open(store, 0, reference::root(&leaves), 0).unwrap_err()
    });
    let limit = Duration::from_millis(50);
    assert!(matches!(refused, TreeError::Store(PageReadError::TimedOut(at)) if at == limit));
}

#[test]
fn a_version_beyond_the_database_is_refused() {
    let fixture = Fixture::new();
    let root = [cloister_state_tree::PageId::ROOT];
    let refused = fixture.store().read_pages(u64::MAX, &root).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "version 18446744073709551615 is too great for the database"
    );
    assert!(
        fixture
            .store()
            .read_pages(u64::MAX, &[])
            .unwrap()
            .is_empty()
    );
}
