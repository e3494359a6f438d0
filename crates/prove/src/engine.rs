//! Makes proofs with OpenVM. Only the engine's own process uses it.

pub mod aggregation;
pub mod backend;
pub mod cli;
#[cfg(not(feature = "cuda"))]
mod constraints;
#[cfg(not(feature = "cuda"))]
pub mod device;
pub mod execution;
pub mod keys;
pub mod machine;
pub mod program;
pub mod sampling;
pub mod segment;
pub mod serve;

use crate::protocol::{Failure, FailureKind};

/// A failure of this kind, with its reason.
fn failure(kind: FailureKind, reason: impl std::fmt::Display) -> Failure {
    Failure::new(kind, reason)
}

/// A failure that trying again may mend.
fn internal(reason: impl std::fmt::Display) -> Failure {
    failure(FailureKind::Internal, reason)
}
