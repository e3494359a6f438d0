//! `GET /wallets`: the caller's wallets.

use std::collections::BTreeSet;
use std::sync::Arc;

use alloy_primitives::{Address, B256};
use axum::Json;
use axum::extract::State;
use axum::http::request::Parts;
use cloister_audit::Outcome;
use serde::Serialize;

use crate::api::Gateway;
use crate::api::authenticate;
use crate::api::problem::Problem;
use crate::app::op::Op;

const NAME: &str = "GET /wallets";

/// Linked wallets.
#[derive(Debug, Serialize)]
pub struct Wallets {
    wallets: BTreeSet<Address>,
}

/// Lists the caller's own wallets.
///
/// # Errors
/// [`Problem`]: who may not have it, or what is away.
pub async fn handle(
    State(gateway): State<Arc<Gateway>>,
    parts: Parts,
) -> Result<Json<Wallets>, Problem> {
    let caller = authenticate::caller(&gateway, &parts, NAME).await?;
    let op = Op::new(&gateway.app, &caller, NAME, B256::ZERO);
    op.record_rule("own-wallets", "wallets", Outcome::Allowed)
        .await?;
    Ok(Json(Wallets {
        wallets: caller.principal.wallets,
    }))
}
