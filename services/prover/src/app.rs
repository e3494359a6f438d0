//! Use cases, free of gRPC servers and SQL.
//!
//! `intake` and `committer` are what exists. The job graph of proving (execute, segments,
//! aggregation, wrap, submit) will be a third module beside them: it starts from the same `batch`
//! rows and ends in `l1_transaction` rows of kind `prove`, which the committer's machinery for
//! nonces, fees and reorganisations already carries.

pub(crate) mod committer;
pub(crate) mod health;
pub(crate) mod intake;
pub(crate) mod lifecycle;
pub(crate) mod model;
pub(crate) mod proving;
