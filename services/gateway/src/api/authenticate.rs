//! Who sent a request: by bearer token, or by a browser session.

use alloy_primitives::{B256, hex};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use cloister_audit::Outcome;
use cloister_oidc::SKEW_S;
use cloister_types::UnixMillis;
use sha2::{Digest as _, Sha256};

use super::Gateway;
use super::problem::unauthenticated;
use super::rate;
use crate::app::failure;
use crate::app::identity::Caller;
use crate::app::op::Op;
use crate::app::rate::Counted;
use crate::rpc::RpcError;
use crate::store::{secret_hash, sessions};

/// The session cookie: only over HTTPS, only for this host, not for scripts.
pub const SESSION_COOKIE: &str = "__Host-cloister-session";
/// The cookie that binds a login to one browser.
pub const LOGIN_COOKIE: &str = "__Host-cloister-login";
/// Longest cookie value that is looked at.
const MAX_COOKIE_BYTES: usize = 256;

/// What a request says about its sender.
#[derive(Debug)]
pub enum Sender {
    /// Authenticated.
    Known(Box<Caller>),
    /// No token and no session.
    Nobody,
    /// A token or session that is not acceptable, with the reason for the ledger and the log.
    Refused(String),
}

/// Finds out who sent a request.
///
/// # Errors
/// It cannot be found out now: the provider's keys or our database are away.
pub async fn sender(
    gateway: &Gateway,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Sender, RpcError> {
    let mut tokens = headers.get_all(header::AUTHORIZATION).iter();
    match (tokens.next(), tokens.next()) {
        (Some(_), Some(_)) => Ok(Sender::Refused("several tokens".to_owned())),
        (Some(value), None) => {
            let token = value.to_str().ok().and_then(bearer);
            match token {
                Some(token) => by_token(gateway, token).await,
                None => Ok(Sender::Refused("not a bearer token".to_owned())),
            }
        }
        (None, _) => match cookie(headers, SESSION_COOKIE) {
            Some(cookie) => by_session(gateway, method, headers, cookie).await,
            None => Ok(Sender::Nobody),
        },
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

async fn by_token(gateway: &Gateway, token: &str) -> Result<Sender, RpcError> {
    let token_claims = match gateway.verifier.verify(token).await {
        Ok(claims) => claims,
        Err(error) if error.is_unavailable() => {
            tracing::warn!(%error, "a token cannot be checked");
            return Err(RpcError::unavailable("identity provider"));
        }
        Err(error) => return Ok(Sender::Refused(error.to_string())),
    };
    let session = token_claims
        .token_id
        .clone()
        .unwrap_or_else(|| fingerprint(token));
    let groups: Vec<_> = token_claims.groups.iter().cloned().collect();
    let who = (token_claims.issuer.as_str(), token_claims.subject.as_str());
    // The provider's clock may be ahead of ours: the token may be this much older.
    let began_s = token_claims.issued_at.saturating_sub(SKEW_S);
    let began = UnixMillis(began_s.saturating_mul(1_000));
    let caller = gateway.app.caller(who, &groups, session, began).await?;
    Ok(known(who, caller))
}

async fn by_session(
    gateway: &Gateway,
    method: &Method,
    headers: &HeaderMap,
    cookie: &str,
) -> Result<Sender, RpcError> {
    if !method.is_safe() && !same_origin(headers, &gateway.app.public_url) {
        return Ok(Sender::Refused(
            "a session used from another site".to_owned(),
        ));
    }
    let app = &gateway.app;
    let idle_ms = app.session.idle_s.saturating_mul(1_000);
    let hash = secret_hash(cookie);
    let session = sessions::find(app.database.pool(), hash, app.clock.now(), idle_ms)
        .await
        .map_err(|error| failure::database(&error))?;
    let Some(session) = session else {
        return Ok(Sender::Refused("the session has ended".to_owned()));
    };
    let who = (session.issuer.as_str(), session.subject.as_str());
    let named = fingerprint(cookie);
    let caller = app.caller(who, &session.claims, named, session.began_at);
    Ok(known(who, caller.await?))
}

fn known((issuer, subject): (&str, &str), caller: Option<Caller>) -> Sender {
    let refused = || Sender::Refused(format!("`{issuer}|{subject}` was revoked"));
    caller.map_or_else(refused, |caller| Sender::Known(Box::new(caller)))
}

/// Browsers send `Origin` with every request that changes something; a session is not taken from a
/// page of another site (SGW-9).
fn same_origin(headers: &HeaderMap, public_url: &str) -> bool {
    headers
        .get(header::ORIGIN)
        .and_then(|origin| origin.to_str().ok())
        == Some(public_url)
}

/// Names a secret in the ledger without telling it.
fn fingerprint(secret: &str) -> String {
    let hash: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
    let short: String = hex::encode(hash).chars().take(32).collect();
    format!("sha256:{short}")
}

/// A cookie by its name.
#[must_use]
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, value)| *key == name && value.len() <= MAX_COOKIE_BYTES)
        .map(|(_, value)| value)
}

/// The caller of a REST endpoint, or the error to answer; a refusal leaves a row (SGW-5), but not
/// more rows than the rate for unknown callers (SGW-14).
///
/// # Errors
/// Not authenticated, too often, or it cannot be found out now.
pub async fn caller(gateway: &Gateway, parts: &Parts, name: &str) -> Result<Caller, RpcError> {
    let peer = rate::peer(parts)?;
    let reason = match sender(gateway, &parts.method, &parts.headers).await? {
        Sender::Known(caller) => {
            rate::take(gateway, rate::counted(&caller, peer), 1)?;
            return Ok(*caller);
        }
        Sender::Nobody => "no token".to_owned(),
        Sender::Refused(reason) => reason,
    };
    rate::take(gateway, Counted::Address(peer), 1)?;
    refuse(gateway, name, &reason, B256::ZERO).await
}

/// Records a request that could not be understood, which is about nothing: `what` says in which way.
///
/// # Errors
/// The ledger is away.
pub async fn malformed(
    gateway: &Gateway,
    caller: &Caller,
    name: &str,
    what: &str,
    request_hash: B256,
) -> Result<(), RpcError> {
    Op::new(&gateway.app, caller, name, request_hash)
        .record_rule("malformed", what, Outcome::Failed)
        .await
}

/// Records that somebody could not be authenticated; the error is what to answer.
///
/// # Errors
/// Always: not authenticated, or the ledger is away.
pub async fn refuse<T>(
    gateway: &Gateway,
    name: &str,
    reason: &str,
    request_hash: B256,
) -> Result<T, RpcError> {
    tracing::info!(reason, endpoint = name, "not authenticated");
    let nobody = Caller::anonymous();
    let op = Op::new(&gateway.app, &nobody, name, request_hash);
    op.record_rule("unauthenticated", reason, Outcome::Unauthenticated)
        .await?;
    Err(unauthenticated())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn a_bearer_token_is_found_whatever_the_case_of_its_scheme() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer abc"), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("Bearer"), None);
    }

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        let headers = headers(header::COOKIE, "a=1; __Host-cloister-session=xyz; b=2");
        assert_eq!(cookie(&headers, SESSION_COOKIE), Some("xyz"));
        assert_eq!(cookie(&headers, "cloister-session"), None);
    }

    #[test]
    fn a_session_is_taken_from_our_own_page_only() {
        // SGW-9.
        let ours = "https://gateway.example:8443";
        let from = |origin| same_origin(&headers(header::ORIGIN, origin), ours);
        assert!(from("https://gateway.example:8443"));
        assert!(!from("https://gateway.example"));
        assert!(!from("null"));
        assert!(!same_origin(&HeaderMap::new(), ours));
    }

    #[test]
    fn a_fingerprint_is_short_and_tells_nothing() {
        assert_eq!(fingerprint("secret").len(), 39);
        assert!(!fingerprint("secret").contains("secret"));
    }
}
