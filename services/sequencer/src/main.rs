//! Orders, executes and persists blocks, seals batches and answers for the chain's state over gRPC.
//!
//! It refuses to know who a person is and what they may see: the gateway decides that, and is one of
//! three services that may call here at all. It knows nothing of Ethereum or proofs either.
//!
//! ```text
//!  SubmitTransaction ─► recover signer ─► mempool ─► builder ─► committer ═► Postgres
//!                                                        (execute)   │ durable
//!            answer ◄──────────────────────────────────────────────┤
//!  Call, GetAccount … ◄── snapshot of the latest durable block ◄────┤
//!  StreamBlocks       ◄── recent blocks, older from Postgres  ◄─────┤
//!                                                                    ▼
//!  GetStateProof, StreamBatches ◄── Postgres ◄═ sealer (tree, witness, second execution)
//! ```
//!
//! ```sh
//! cloister-sequencer migrate --config sequencer.toml
//! cloister-sequencer serve --config sequencer.toml
//! ```

mod api;
mod app;
mod config;
mod error;
mod metrics;
mod run;
mod store;

fn main() -> std::process::ExitCode {
    cloister_service_kit::main::<run::Sequencer>()
}
