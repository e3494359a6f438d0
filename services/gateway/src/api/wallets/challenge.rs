//! `POST /wallets/challenge`: a nonce for one wallet message.

use std::sync::Arc;

use alloy_primitives::{Address, B256};
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::http::request::Parts;
use cloister_authz::request::LinkWallet;
use cloister_types::UnixMillis;
use serde::{Deserialize, Serialize};

use super::{binding, malformed};
use crate::api::Gateway;
use crate::api::authenticate;
use crate::api::problem::Problem;
use crate::app::op::Op;
use crate::app::{entropy, failure, siwe};
use crate::rpc::{Code, RpcError};
use crate::store::{secret_hash, wallets};

const NAME: &str = "POST /wallets/challenge";

/// Which wallet will be linked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    address: Address,
}

/// What to sign.
#[derive(Debug, Serialize)]
pub struct Challenge {
    /// The EIP-4361 message, to be signed as it is (EIP-191).
    message: String,
    /// Its nonce, for those who write the message themselves.
    nonce: String,
    /// UNIX seconds at which the nonce ends.
    expires_at: u64,
}

/// Gives out a nonce that is good once, for this principal, for minutes.
///
/// # Errors
/// [`Problem`]: who may not have it, or what is away.
pub async fn handle(
    State(gateway): State<Arc<Gateway>>,
    parts: Parts,
    wanted: Result<Json<Wanted>, JsonRejection>,
) -> Result<Json<Challenge>, Problem> {
    let caller = authenticate::caller(&gateway, &parts, NAME).await?;
    let Json(Wanted { address }) = match wanted {
        Ok(wanted) => wanted,
        Err(error) => return Err(malformed(&gateway, &caller, NAME, &error).await),
    };
    let app = &gateway.app;
    let now = app.clock.now();
    let op = Op::new(app, &caller, NAME, B256::ZERO);
    op.authorize(LinkWallet {
        wallet: address,
        now: now.seconds(),
    })
    .await?;
    let nonce = entropy::alphanumeric(app.entropy.as_ref()).ok_or_else(RpcError::internal)?;
    let expires_at = UnixMillis(
        now.0
            .saturating_add(app.session.challenge_s.saturating_mul(1_000)),
    );
    let who = (
        caller.principal.issuer.as_str(),
        caller.principal.subject.as_str(),
    );
    let pool = app.database.pool();
    let given = wallets::add_challenge(pool, who, secret_hash(&nonce), now, expires_at).await;
    if !given.map_err(|error| failure::database(&error))? {
        let message = "too many open challenges: answer one, or wait until they end";
        return Err(Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            Code::LimitExceeded,
            message,
        ));
    }
    let message = siwe::write(&binding(&gateway), address, &nonce, now, expires_at);
    Ok(Json(Challenge {
        message,
        nonce,
        expires_at: expires_at.seconds(),
    }))
}
