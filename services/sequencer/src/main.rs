//! Orders, executes and persists blocks, seals batches and answers for the chain's state over gRPC.

fn main() {}
