//! Use cases, free of gRPC servers and SQL.
//!
//! `intake` takes batches, `proving` is the graph of jobs that proves them, `committer` carries both,
//! commits and proofs, to Ethereum.

pub(crate) mod committer;
pub(crate) mod health;
pub(crate) mod intake;
pub(crate) mod lifecycle;
pub(crate) mod model;
pub(crate) mod proving;
