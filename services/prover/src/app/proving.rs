//! Proves sealed batches: a graph of jobs in the database that any number of workers share.
//!
//! ```text
//!  input (from the sequencer) ─► execute ─► segments ─► layers of a tree ─► finish ─► verified proof
//!                                  │
//!                                  └─ revealed hash ≠ sealed hash: rejected, commits halt (SPV-21)
//!
//!  worker: lease ─► artefacts to scratch ─► engine (a process of its own) ─► store ─► complete
//!             └── heartbeats keep the lease; without them another worker takes the job (SPV-22)
//! ```

pub(crate) mod engine;
pub(crate) mod graph;
pub(crate) mod inputs;
pub(crate) mod load;
pub(crate) mod model;
pub(crate) mod monitor;
pub(crate) mod perform;
pub(crate) mod progress;
pub(crate) mod scratch;
pub(crate) mod worker;
