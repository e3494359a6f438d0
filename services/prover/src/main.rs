//! Takes sealed batches from the sequencer, commits them to Ethereum, in order and exactly once, and
//! proves them.
//!
//! It refuses to know what a batch holds: it reads the header, never a transaction; a batch's input
//! goes unread from the sequencer to the engine.
//!
//! ```text
//!  sequencer ──StreamBatches──► intake ──► batch table ◄──── gate: executed and equal (SPV-21)
//!      │                                       │                        ▲
//!      │         committer: settle ► plan ► write the signed intent ► send
//!      │             │   ▲                     │                        │
//!      │     Ethereum node                l1_transaction, l1_attempt    │
//!      │                                                                │
//!      └──GetBatchInput──► inputs ──► artefacts ──► workers: execute ─► segments ─► tree ─► proof
//!                                                   (here, and `cloister-prover worker` elsewhere)
//!
//!  gateway, disclosure ──GetStatus, GetBatchStatus──► lifecycle, progress (reads only)
//!  gateway ──ListJobs, GetJob, RetryJob, DiscardJob, GetProof──► jobs, for operators
//! ```

mod api;
mod app;
mod artefacts;
mod config;
mod metrics;
mod run;
mod store;

fn main() -> std::process::ExitCode {
    cloister_service_kit::main_with::<run::Prover, run::Workers>(cloister_service_kit::Second {
        check_config: "check-worker-config",
        print_config_schema: "print-worker-config-schema",
    })
}
