//! Takes sealed batches from the sequencer and commits them to Ethereum, in order and exactly once;
//! proving them comes later and hangs on the same tables.
//!
//! It refuses to know what a batch holds: it reads the header, never a transaction.
//!
//! ```text
//!  sequencer ──StreamBatches──► intake ──► batch table
//!                                              │
//!                committer: settle ► plan ► write the signed intent ► send
//!                    │   ▲                     │
//!            Ethereum node                l1_transaction, l1_attempt
//!
//!  gateway, disclosure ──GetStatus, GetBatchStatus──► lifecycle (reads only)
//! ```

mod api;
mod app;
mod config;
mod metrics;
mod run;
mod store;

fn main() -> std::process::ExitCode {
    cloister_service_kit::main::<run::Prover>()
}
