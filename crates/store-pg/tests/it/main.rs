//! Against a real Postgres cluster.

#![expect(clippy::unwrap_used, reason = "helpers of tests stop the test")]

mod copy;
mod ledger;
mod schema;
mod transactions;

use std::os::unix::fs::PermissionsExt as _;

use cloister_settings::{DatabaseSection, SecretFile};
use cloister_store_pg::Database;
use cloister_test_kit::postgres::{self, Cluster};

/// A database of its own; all ends with this value.
pub(crate) struct Store {
    _cluster: Cluster,
    pub(crate) section: DatabaseSection,
    _folder: tempfile::TempDir,
}

impl Store {
    pub(crate) async fn start() -> Self {
        let cluster = Cluster::start(postgres::Options::default()).await.unwrap();
        let made = cluster.create_database("store").await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let password = folder.path().join("password");
        std::fs::write(&password, &made.password).unwrap();
        std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600)).unwrap();
        let section = DatabaseSection {
            host: made.host,
            port: made.port,
            name: made.name,
            user: made.user,
            password_file: SecretFile(password),
            max_connections: 8,
            ca_file: None,
        };
        Self {
            _cluster: cluster,
            section,
            _folder: folder,
        }
    }

    pub(crate) async fn connect(&self) -> Database {
        Database::connect(&self.section).await.unwrap()
    }
}
