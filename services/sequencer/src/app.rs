//! Use cases: no axum, tonic or sqlx types.

pub(crate) mod audit_heads;
pub(crate) mod batch_policy;
pub(crate) mod build;
pub(crate) mod builder;
pub(crate) mod call;
pub(crate) mod chain;
pub(crate) mod committer;
pub(crate) mod estimate_error;
pub(crate) mod genesis;
pub(crate) mod mempool;
pub(crate) mod model;
pub(crate) mod node;
pub(crate) mod openings;
pub(crate) mod peers;
pub(crate) mod pool;
pub(crate) mod proofs;
pub(crate) mod proving_load;
pub(crate) mod recover;
pub(crate) mod rules;
pub(crate) mod seal_queue;
pub(crate) mod sealer;
pub(crate) mod state;
pub(crate) mod submit;
