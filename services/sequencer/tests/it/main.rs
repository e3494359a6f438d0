//! The sequencer as its callers see it: the real binary, a real Postgres, gRPC with mutual TLS.

#[cfg(test)]
mod backpressure;
#[cfg(test)]
mod batches;
#[cfg(test)]
mod chain;
#[cfg(test)]
mod costs;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod mempool;
#[cfg(test)]
mod peers;
