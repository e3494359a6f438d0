//! The sequencer as its callers see it: the real binary, a real Postgres, gRPC with mutual TLS.

mod batches;
mod chain;
mod faults;
mod harness;
mod mempool;
mod peers;
