//! `POST /wallets`: links the wallet that signed a message.

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes};
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::http::request::Parts;
use cloister_audit::Outcome;
use cloister_authz::request::LinkWallet;
use serde::{Deserialize, Serialize};

use super::{binding, malformed};
use crate::api::Gateway;
use crate::api::authenticate;
use crate::api::problem::Problem;
use crate::app::op::Op;
use crate::app::{failure, siwe};
use crate::rpc::Code;
use crate::store::secret_hash;
use crate::store::wallets::{self, LinkError};

const NAME: &str = "POST /wallets";

/// A signed message.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    message: String,
    signature: Bytes,
}

/// The wallet that is linked now.
#[derive(Debug, Serialize)]
pub struct Linked {
    address: Address,
}

/// Links a wallet; a wallet belongs to one principal.
///
/// # Errors
/// [`Problem`]: who may not have it, or what is away.
pub async fn handle(
    State(gateway): State<Arc<Gateway>>,
    parts: Parts,
    proof: Result<Json<Proof>, JsonRejection>,
) -> Result<(StatusCode, Json<Linked>), Problem> {
    let caller = authenticate::caller(&gateway, &parts, NAME).await?;
    let Json(Proof { message, signature }) = match proof {
        Ok(proof) => proof,
        Err(error) => return Err(malformed(&gateway, &caller, NAME, &error).await),
    };
    let app = &gateway.app;
    let now = app.clock.now();
    let op = Op::new(app, &caller, NAME, B256::from(secret_hash(&message)));
    let signed = match siwe::verify(&message, &signature, &binding(&gateway), now) {
        Ok(signed) => signed,
        Err(error) => {
            op.record_rule("wallet-message", &error.to_string(), Outcome::Denied)
                .await?;
            return Err(Problem::new(
                StatusCode::BAD_REQUEST,
                Code::InvalidParams,
                error.to_string(),
            ));
        }
    };
    op.authorize(LinkWallet {
        wallet: signed.wallet,
        now: now.seconds(),
    })
    .await?;
    let who = (
        caller.principal.issuer.as_str(),
        caller.principal.subject.as_str(),
    );
    let limit = app.limits.max_wallets;
    let nonce = secret_hash(&signed.nonce);
    let pool = app.database.pool();
    wallets::link(pool, who, nonce, signed.wallet, now, limit)
        .await
        .map_err(problem)?;
    app.blocks.forget_views();
    Ok((
        StatusCode::CREATED,
        Json(Linked {
            address: signed.wallet,
        }),
    ))
}

#[expect(clippy::needless_pass_by_value, reason = "used with map_err")]
fn problem(error: LinkError) -> Problem {
    let status = match &error {
        LinkError::Nonce => StatusCode::BAD_REQUEST,
        LinkError::Taken | LinkError::TooMany { .. } => StatusCode::CONFLICT,
        LinkError::Store(error) => return failure::database(error).into(),
    };
    Problem::new(status, Code::InvalidParams, error.to_string())
}
