//! Commits sealed batches to Ethereum, in order and exactly once; later proves them.

fn main() {}
