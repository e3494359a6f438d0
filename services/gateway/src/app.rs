//! The use cases: what a request means, who may have it, and what the answer holds. Nothing here
//! knows HTTP, gRPC or SQL.

use std::sync::Arc;

use alloy_primitives::Address;
use cloister_authz::Engine;
use cloister_store_pg::Database;
use cloister_store_pg::ledger::Ledger;
use cloister_types::{Clock, UnixMillis};

use crate::config::{LimitsSection, SessionSection};
use crate::rpc::{Code, RpcError};
use crate::store::principals;
use crate::upstream::prover::Prover;
use crate::upstream::sequencer::Sequencer;

pub mod blocks;
pub mod cache;
pub mod deployments;
pub mod dispatch;
pub mod entropy;
pub mod failure;
pub mod identity;
pub mod methods;
pub mod model;
pub mod op;
pub mod rate;
pub mod registry;
pub mod render;
pub mod siwe;
pub mod view;
pub mod visibility;

use blocks::Blocks;
use entropy::Entropy;
use identity::{Caller, ClaimMap};
use rate::RateLimiter;
use registry::Registry;

/// Everything that use cases work with; one per process.
#[derive(Debug)]
pub struct App {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// What one caller may use up.
    pub limits: LimitsSection,
    /// How long sessions, logins and challenges last.
    pub session: SessionSection,
    /// The domain that wallet messages must name: host and port of the public URL.
    pub domain: String,
    /// The public URL, without a slash at its end.
    pub public_url: String,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Random bytes.
    pub entropy: Arc<dyn Entropy>,
    /// The gateway's own database.
    pub database: Database,
    /// Decides.
    pub engine: Engine,
    /// Remembers what was decided.
    pub ledger: Ledger,
    /// The chain.
    pub sequencer: Sequencer,
    /// How far batches are.
    pub prover: Prover,
    /// Which group gives which role and desk.
    pub claims: ClaimMap,
    /// Contracts that policies know.
    pub registry: Registry,
    /// Blocks and views that were asked for lately.
    pub blocks: Blocks,
    /// Who asked for how much lately.
    pub rate: RateLimiter,
}

impl App {
    /// The caller that a token's or a session's claims describe, with the wallets of now. `None`:
    /// what `began` then was revoked since (SGW-17).
    ///
    /// # Errors
    /// The database is away.
    pub async fn caller(
        &self,
        (issuer, subject): (&str, &str),
        claims: &[String],
        session: String,
        began: UnixMillis,
    ) -> Result<Option<Caller>, RpcError> {
        let standing = principals::standing(self.database.pool(), (issuer, subject)).await;
        let standing = standing.map_err(|error| failure::database(&error))?;
        if standing.revoked_at.is_some_and(|at| at >= began) {
            return Ok(None);
        }
        let wallets = standing.wallets;
        let principal = self.claims.principal(issuer, subject, claims, wallets);
        Ok(Some(Caller { principal, session }))
    }

    /// In whose name a call runs: `from` must be a linked wallet; without it (or with the zero
    /// address, which tools send when they mean nobody) it is the first linked one. A principal
    /// without a wallet calls as the zero address, if policy lets it.
    ///
    /// # Errors
    /// A wallet that is not the caller's.
    pub fn call_sender(&self, caller: &Caller, from: Option<Address>) -> Result<Address, RpcError> {
        match from.filter(|from| !from.is_zero()) {
            None => Ok(caller.first_wallet().unwrap_or(Address::ZERO)),
            Some(from) if caller.principal.wallets.contains(&from) => Ok(from),
            Some(_) => Err(wallet_not_linked()),
        }
    }
}

/// The wallet in a request is not one of the caller's; the same whether it is anybody's (SGW-2).
#[must_use]
pub fn wallet_not_linked() -> RpcError {
    RpcError::new(
        Code::WalletNotLinked,
        "the wallet is not linked to you: link it by signing a challenge (POST /wallets/challenge)",
    )
    .field("rule", "link_wallet")
}

/// The wallet that signed a transaction is not one of the caller's.
#[must_use]
pub fn signer_not_linked() -> RpcError {
    RpcError::new(
        Code::SignerNotLinked,
        "the wallet that signed is not linked to you: link it by signing a challenge \
         (POST /wallets/challenge)",
    )
    .field("rule", "link_wallet")
}

/// The caller has no wallet at all.
#[must_use]
pub fn no_wallet() -> RpcError {
    RpcError::new(
        Code::NoWallet,
        "you have no linked wallet: link one by signing a challenge (POST /wallets/challenge)",
    )
    .field("rule", "link_wallet")
}
