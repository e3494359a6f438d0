//! The authenticated, role-scoped door: JSON-RPC over HTTPS, OpenID Connect, policies and the audit
//! ledger.
//!
//! It finds out who asks (bearer token or browser session), lets Cedar policies decide on the
//! decoded request, writes the decision to the hash-chained audit ledger before the answer leaves,
//! and shows of the chain what the caller may see: what may not be seen does not exist.
//!
//! It refuses to know private keys, the state of the chain (it asks the sequencer), and how proofs
//! are made.
//!
//! ```text
//!  HTTPS ─▶ api ─▶ who? (oidc, sessions) ─▶ app::dispatch ─▶ method table ─▶ app::methods
//!                                               │                             │
//!                              authz (Cedar) ◀──┤       sequencer, prover ◀───┤ (upstream, gRPC)
//!                     audit ledger (Postgres) ◀─┘       wallets, contracts ◀──┘ (store, Postgres)
//! ```
//!
//! ```
//! use cloister_gateway::method::{Exposure, Method};
//!
//! let method = Method::parse("eth_getBalance").expect("it is in the table");
//! assert_eq!(method.exposure(), Exposure::OwnOrEmpty);
//! ```

pub mod api;
pub mod app;
pub mod config;
pub mod method;
pub mod metrics;
pub mod rpc;
pub mod run;
pub mod store;
pub mod upstream;

use std::fmt::Write as _;

use cloister_service_kit::{Context, Print, Result, Service, ServiceConfig};
use cloister_settings::{AdminSection, DatabaseSection, TelemetrySection};
use sqlx::migrate::Migrator;

use config::Config;

/// The gateway's migrations.
pub static MIGRATOR: Migrator = sqlx::migrate!("../../migrations/gateway");

/// The service.
#[derive(Debug)]
pub struct GatewayService;

impl ServiceConfig for Config {
    fn admin(&self) -> &AdminSection {
        &self.admin
    }

    fn database(&self) -> &DatabaseSection {
        &self.database
    }

    fn telemetry(&self) -> &TelemetrySection {
        &self.telemetry
    }
}

impl Service for GatewayService {
    const NAME: &'static str = "gateway";
    const PRINTS: &'static [Print] = &[
        Print {
            command: "print-method-table",
            about: "Print the table of JSON-RPC methods and what each may reveal",
            make: method_table,
        },
        Print {
            command: "print-error-table",
            about: "Print the table of JSON-RPC errors",
            make: error_table,
        },
    ];
    type Config = Config;

    fn migrator() -> &'static Migrator {
        &MIGRATOR
    }

    async fn run(config: Config, context: Context) -> Result<()> {
        run::run(config, context).await
    }
}

/// The method table as a document.
#[must_use]
pub fn method_table() -> String {
    let mut text = "| Method | Exposure | Policy group |\n|---|---|---|\n".to_owned();
    for method in method::Method::ALL {
        let group = app::op::group(*method);
        let (name, exposure) = (method.name(), method.exposure());
        let _ = writeln!(text, "| `{name}` | {exposure:?} | {} |", group.as_str());
    }
    text
}

/// The error table as a document.
#[must_use]
pub fn error_table() -> String {
    let mut text = "| Code | Number |\n|---|---|\n".to_owned();
    for code in rpc::Code::ALL {
        let _ = writeln!(text, "| `{}` | {} |", code.as_str(), code.number());
    }
    text
}
