//! `DELETE /wallets/{address}`: unlinks one of the caller's wallets.

use std::sync::Arc;

use alloy_primitives::{Address, B256};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use cloister_audit::Outcome;

use crate::api::Gateway;
use crate::api::authenticate;
use crate::api::problem::Problem;
use crate::app::failure;
use crate::app::op::Op;
use crate::rpc::Code;
use crate::store::wallets;

const NAME: &str = "DELETE /wallets";

/// Unlinks a wallet. Whether it is somebody else's or nobody's is not told.
///
/// # Errors
/// [`Problem`]: who may not have it, or what is away.
pub async fn handle(
    State(gateway): State<Arc<Gateway>>,
    address: Result<Path<Address>, PathRejection>,
    parts: Parts,
) -> Result<StatusCode, Problem> {
    let caller = authenticate::caller(&gateway, &parts, NAME).await?;
    let Ok(Path(address)) = address else {
        authenticate::malformed(&gateway, &caller, NAME, "path", B256::ZERO).await?;
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            Code::InvalidParams,
            "the path must end in an address",
        ));
    };
    let op = Op::new(&gateway.app, &caller, NAME, B256::ZERO);
    let own = caller.principal.wallets.contains(&address);
    let outcome = if own {
        Outcome::Allowed
    } else {
        Outcome::Denied
    };
    op.record_rule("own-wallets", &format!("account:{address:?}"), outcome)
        .await?;
    let who = (
        caller.principal.issuer.as_str(),
        caller.principal.subject.as_str(),
    );
    let gone = wallets::unlink(gateway.app.database.pool(), who, address)
        .await
        .map_err(|error| failure::database(&error))?;
    if !gone {
        return Err(Problem::new(
            StatusCode::NOT_FOUND,
            Code::WalletNotLinked,
            "the wallet is not linked to you",
        ));
    }
    gateway.app.blocks.forget_views();
    Ok(StatusCode::NO_CONTENT)
}
