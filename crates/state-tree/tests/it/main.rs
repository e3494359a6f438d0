//! The tree against a naive reference, its proofs against tampering, its store against faults.
#![expect(
    clippy::unwrap_used,
    reason = "a test whose assumption fails has failed"
)]

mod faults;
mod golden;
mod memory;
mod multiproofs;
mod proofs;
mod reference;
mod suite;
