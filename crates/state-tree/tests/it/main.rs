//! The tree against a naive reference, its proofs against tampering.
mod reference;
mod updates;
