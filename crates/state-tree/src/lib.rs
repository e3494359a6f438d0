//! The hiding sparse SHA-256 Merkle tree that commits to the chain's state.
