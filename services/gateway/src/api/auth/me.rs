//! `GET /auth/me`: who the browser is logged in as.

use std::sync::Arc;

use alloy_primitives::B256;
use axum::Json;
use axum::extract::State;
use axum::http::request::Parts;
use cloister_audit::Outcome;

use crate::api::Gateway;
use crate::api::authenticate;
use crate::api::problem::Problem;
use crate::app::methods::own::{Whoami, describe};
use crate::app::op::Op;

const NAME: &str = "GET /auth/me";

/// The caller's own identity, roles, desks and wallets.
///
/// # Errors
/// [`Problem`]: who may not have it, or what is away.
pub async fn handle(
    State(gateway): State<Arc<Gateway>>,
    parts: Parts,
) -> Result<Json<Whoami>, Problem> {
    let caller = authenticate::caller(&gateway, &parts, NAME).await?;
    let op = Op::new(&gateway.app, &caller, NAME, B256::ZERO);
    op.record_rule("own-identity", "principal", Outcome::Allowed)
        .await?;
    Ok(Json(describe(&caller)))
}
