//! Proofs of a small circuit that has one of everything that `OpenVM`'s root circuit has.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

<<<<<<< HEAD
mod fixture;
=======
mod evm;
>>>>>>> 4efcb14 (Give Ethereum the circuit as an image and proofs as calldata)
mod forged;
mod malformed;
mod reference;
mod sample;
mod security;
mod sound;
mod zero_knowledge;
