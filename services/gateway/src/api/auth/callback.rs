//! `GET /auth/callback`: the browser comes back; a session begins.

use std::net::SocketAddr;
use std::sync::Arc;

use alloy_primitives::B256;
use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use cloister_audit::Outcome;
use cloister_oidc::{Callback, IdToken, LoginSecrets};
use cloister_types::UnixMillis;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{no_entropy, redirect, set_cookie};
use crate::api::Gateway;
use crate::api::authenticate::{LOGIN_COOKIE, SESSION_COOKIE, cookie, refuse};
use crate::api::problem::Problem;
use crate::api::rate;
use crate::app::op::Op;
use crate::app::rate::Counted;
use crate::app::{entropy, failure};
use crate::rpc::Code;
use crate::store::{logins, secret_hash, sessions};

const NAME: &str = "GET /auth/callback";

/// What the provider sends along.
#[derive(Debug, Deserialize)]
pub struct Answer {
    state: Option<String>,
    code: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

/// Completes a login. A state that is unknown, used, expired or of another browser is refused.
///
/// # Errors
/// [`Problem`]: who may not have it, or what is away.
pub async fn handle(
    State(gateway): State<Arc<Gateway>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    answer: Result<Query<Answer>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    rate::take(&gateway, Counted::Address(peer.ip()), 1)?;
    let Ok(Query(answer)) = answer else {
        return Err(no_such_login(&gateway).await);
    };
    let (Some(state), Some(browser)) = (&answer.state, cookie(&headers, LOGIN_COOKIE)) else {
        return Err(no_such_login(&gateway).await);
    };
    let pool = gateway.app.database.pool();
    let now = gateway.app.clock.now();
    let pending = logins::take(pool, secret_hash(state), secret_hash(browser), now)
        .await
        .map_err(|error| failure::database(&error))?;
    let Some(pending) = pending else {
        return Err(no_such_login(&gateway).await);
    };
    let secrets = LoginSecrets {
        state: state.clone(),
        nonce: pending.nonce,
        code_verifier: Zeroizing::new(pending.code_verifier),
    };
    let callback = Callback {
        code: answer.code,
        iss: answer.iss,
        error: answer.error,
    };
    match gateway.login.finish(&callback, &secrets).await {
        Ok(tokens) => open(&gateway, tokens.id).await,
        Err(error) => {
            let words = "the login was not completed: begin again at /auth/login";
            Err(refused(&gateway, &error.to_string(), words).await)
        }
    }
}

async fn no_such_login(gateway: &Gateway) -> Problem {
    let words = "no login of this browser is under way: begin again at /auth/login";
    refused(gateway, "unknown, used or expired state", words).await
}

/// A refusal in words of its own, with its row; without the row it is not answered (SGW-5).
async fn refused(gateway: &Gateway, reason: &str, words: &str) -> Problem {
    match refuse::<()>(gateway, NAME, reason, B256::ZERO).await {
        Err(error) if error.code() != Code::Unauthenticated => error.into(),
        Ok(()) | Err(_) => Problem::new(StatusCode::UNAUTHORIZED, Code::Unauthenticated, words),
    }
}

async fn open(gateway: &Gateway, id: IdToken) -> Result<Response, Problem> {
    let app = &gateway.app;
    let token = entropy::secret(app.entropy.as_ref()).ok_or_else(no_entropy)?;
    let now = app.clock.now();
    let absolute_s = app.session.absolute_s;
    let session = sessions::Session {
        name: id.name.unwrap_or_else(|| id.subject.clone()),
        issuer: id.issuer,
        subject: id.subject,
        claims: id.groups.into_iter().collect(),
        began_at: now,
        expires_at: UnixMillis(now.0.saturating_add(absolute_s.saturating_mul(1_000))),
    };
    let who = (session.issuer.as_str(), session.subject.as_str());
    let caller = app.caller(who, &session.claims, "login".to_owned(), now);
    let Some(caller) = caller.await? else {
        let words = "you were logged out at this moment: begin again at /auth/login";
        return Err(refused(gateway, "revoked at the login", words).await);
    };
    let op = Op::new(app, &caller, NAME, B256::ZERO);
    op.record_rule("login", "session", Outcome::Allowed).await?;
    sessions::open(app.database.pool(), secret_hash(&token), &session)
        .await
        .map_err(|error| failure::database(&error))?;
    let begun = set_cookie(SESSION_COOKIE, &token, absolute_s, "Strict");
    let done = set_cookie(LOGIN_COOKIE, "", 0, "Lax");
    Ok(redirect("/", begun.into_iter().chain(done)))
}
