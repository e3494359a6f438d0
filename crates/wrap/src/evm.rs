//! For the verifier on Ethereum: the circuit as an image that its contracts interpret, and proofs
//! in the form in which they take them.
//!
//! ```text
//!  Verifier ──image──► header, transcript seeds, constants, public values, program
//!  proof bytes ─replay─► challenges, positions, nodes of every tree ─calldata─► head, queries
//! ```

pub mod calldata;
pub mod image;
pub mod program;
pub mod replay;
