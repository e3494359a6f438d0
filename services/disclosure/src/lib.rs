//! Gives auditors the packages that a grant allows.
//!
//! Compliance makes grants: who may obtain which kinds of package about whom, over which batches,
//! for which case and until when. An auditor asks for a package under a grant; policies decide, the
//! sequencer opens, the package is checked as any verifier would, signed and recorded. Every
//! decision is in the service's own audit ledger before the answer leaves.
//!
//! It refuses to know the state secret, how blocks are made, and anything about people beyond what
//! their identity provider says.
//!
//! ```text
//!  compliance, auditor ──HTTPS──► api ──► app ──► policies (cloister-authz)
//!                                          │ ├──► upstream: sequencer, prover (gRPC, mutual TLS)
//!                                          │ ├──► store: grants, register of packages (Postgres)
//!                                          │ └──► audit ledger ──head──► sequencer ──► Ethereum
//!                                          └────► cloister-disclosure: build, check, sign
//! ```
//!
//! ```no_run
//! // The binary is this and nothing else:
//! cloister_service_kit::main::<cloister_disclosure_service::DisclosureService>();
//! ```

mod api;
mod app;
mod config;
mod openapi;
mod run;
mod store;
mod upstream;

pub use config::{Config, HttpsSection, L1Section, LimitsSection, OidcSection};
pub use run::{DisclosureService, Server};
