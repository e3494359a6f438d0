//! Real parts for tests and the demo: Postgres, OpenID provider, Ethereum node, certificates, and
//! the services themselves as processes.
//!
//! Nothing here is a mock. Every part binds a free loopback port, keeps its files in its own
//! temporary folder and ends with the process that started it, even when that process is killed.
//! The crate refuses to know what the services do: it starts them, writes their configuration and
//! speaks to them from outside.
//!
//! ```text
//!   Stack ──► Cluster (Postgres)   Anvil (Ethereum)   Provider (OpenID)   Pki (certificates)
//!     └─────► gateway · sequencer · prover · disclosure   (Child, one process each)
//! ```
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! let cluster = cloister_test_kit::postgres::Cluster::start(Default::default()).await?;
//! let database = cluster.create_database("gateway").await?;
//! assert_ne!(database.port, 0);
//! # Ok(())
//! # }
//! ```

pub mod anvil;
pub mod cli;
pub mod client;
mod config;
pub mod l1;
pub mod oidc;
pub mod pki;
pub mod port;
pub mod postgres;
pub mod process;
pub mod service;
pub mod stack;
pub mod tools;
