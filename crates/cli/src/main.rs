//! The command line tool `cloister`.
//!
//! For traders and developers (`login`, `wallet`, `rpc-proxy`), auditors (`disclose`, `verify`),
//! compliance officers and operators (`disclose`, `audit`, `batch`, `l1`). It refuses to know the
//! services' databases, except for `audit` on an operator's machine, and takes no secret as a flag.
//!
//! ```text
//!  arguments ──► commands/* ──► http::Api (token, renewal) ──► gateway, disclosure
//!                    └────────► cloister_disclosure::verify ──► Ethereum (no Cloister needed)
//! ```

mod arguments;
mod commands;
mod config;
mod error;
mod http;
mod login;
mod session;
mod terminal;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser as _;

use arguments::{
    Arguments, AuditCommand, BatchCommand, Command, ContractCommand, L1Command, ProofCommand,
    SessionCommand, WalletCommand,
};
use commands::prover::ProverCommand;
use error::CliError;
use http::Api;
use session::SessionStore;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let _ = rustls::crypto::ring::default_provider().install_default();
    match run(arguments).await {
        Ok(code) => code,
        Err(error) => {
            terminal::note(&format!("error: {error}"));
            let mut cause = std::error::Error::source(&error);
            while let Some(inner) = cause {
                terminal::note(&format!("  because: {inner}"));
                cause = inner.source();
            }
            // 1 is kept for verdicts: not verified, tampered.
            ExitCode::from(2)
        }
    }
}

fn verdict(holds: bool) -> ExitCode {
    if holds {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The settings, and the session store beside them.
struct Home {
    path: PathBuf,
}

impl Home {
    fn config(&self) -> Result<config::Config, CliError> {
        Ok(config::load(&self.path)?)
    }

    fn store(&self) -> SessionStore {
        SessionStore::beside(&self.path)
    }

    fn api(&self) -> Result<Api, CliError> {
        Api::open(self.config()?, self.store())
    }
}

async fn run(arguments: Arguments) -> Result<ExitCode, CliError> {
    let home = Home {
        path: arguments.config.unwrap_or_else(config::default_path),
    };
    match arguments.command {
        Command::Login => login::login(&home.config()?, &home.store()).await?,
        Command::Logout => {
            home.store().clear()?;
            terminal::line("logged out");
        }
        Command::Whoami => {
            let who = home
                .api()?
                .rpc("cloister_whoami", serde_json::json!([]))
                .await?;
            terminal::line(&serde_json::to_string_pretty(&who).unwrap_or_default());
        }
        Command::RpcProxy { listen } => commands::rpc_proxy::run(home.api()?, listen).await?,
        Command::Verify(arguments) => return Ok(verdict(commands::verify::run(&arguments).await?)),
        Command::Audit { command } => match command {
            AuditCommand::Verify { source, anchors } => {
                return Ok(verdict(commands::audit::verify(&source, &anchors).await?));
            }
            AuditCommand::Export { source } => commands::audit::export(&source).await?,
        },
        Command::Batch {
            command: BatchCommand::Show { number, watch },
        } => {
            commands::batch::show(&home.api()?, number, watch).await?;
        }
        Command::Proof { command } => match command {
            ProofCommand::Verify(arguments) => {
                return Ok(verdict(commands::proof::verify(&arguments)?));
            }
            ProofCommand::Fetch(arguments) => {
                commands::prover::fetch(&home.api()?, &arguments).await?;
            }
        },
        Command::Prover {
            command: ProverCommand::Jobs { command },
        } => commands::prover::run(&home.api()?, command).await?,
        Command::L1 { command } => match command {
            L1Command::Deploy(arguments) => commands::l1::deploy(*arguments).await?,
            L1Command::Verifiers(arguments) => commands::l1::list(arguments).await?,
            L1Command::AddVerifier(arguments) => commands::l1::add(*arguments).await?,
            L1Command::Execute(arguments) => commands::l1::execute(*arguments).await?,
            L1Command::FreezeVerifier(arguments) => commands::l1::freeze(*arguments).await?,
        },
        Command::Contract { command } => match command {
            ContractCommand::Register(arguments) => {
                commands::contract::register(&home.api()?, &arguments).await?;
            }
            ContractCommand::Show { address } => {
                commands::contract::show(&home.api()?, address).await?;
            }
        },
        Command::Session {
            command: SessionCommand::Revoke { subject, issuer },
        } => commands::session::revoke(&home.api()?, &subject, issuer.as_deref()).await?,
        Command::Disclose { command } => commands::disclose::run(&home.api()?, command).await?,
        Command::Wallet { command } => match command {
            WalletCommand::Link { key } => {
                commands::wallet::link(&home.api()?, &key.source()?).await?;
            }
            WalletCommand::List => commands::wallet::list(&home.api()?).await?,
        },
    }
    Ok(ExitCode::SUCCESS)
}
