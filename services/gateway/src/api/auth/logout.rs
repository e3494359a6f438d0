//! `POST /auth/logout`: ends the session.

use std::sync::Arc;

use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use cloister_audit::Outcome;

use super::set_cookie;
use crate::api::Gateway;
use crate::api::authenticate::{self, SESSION_COOKIE, cookie};
use crate::api::problem::Problem;
use crate::app::failure;
use crate::app::op::Op;
use crate::store::{secret_hash, sessions};

const NAME: &str = "POST /auth/logout";

/// Ends the session of the cookie.
///
/// # Errors
/// [`Problem`]: who may not have it, or what is away.
pub async fn handle(
    State(gateway): State<Arc<Gateway>>,
    parts: Parts,
) -> Result<Response, Problem> {
    let caller = authenticate::caller(&gateway, &parts, NAME).await?;
    let op = Op::new(&gateway.app, &caller, NAME, alloy_primitives::B256::ZERO);
    op.record_rule("own-session", "session", Outcome::Allowed)
        .await?;
    if let Some(token) = cookie(&parts.headers, SESSION_COOKIE) {
        sessions::close(gateway.app.database.pool(), secret_hash(token))
            .await
            .map_err(|error| failure::database(&error))?;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Some(gone) = set_cookie(SESSION_COOKIE, "", 0, "Strict") {
        response.headers_mut().append(header::SET_COOKIE, gone);
    }
    Ok(response)
}
