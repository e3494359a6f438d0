//! The tree against a naive reference, its proofs against tampering, its store against faults.
mod faults;
mod golden;
mod memory;
mod multiproofs;
mod proofs;
mod reference;
mod suite;
