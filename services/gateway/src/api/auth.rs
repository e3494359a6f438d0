//! Browser login: authorization code with PKCE, then a session cookie.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::rpc::RpcError;

pub mod callback;
pub mod login;
pub mod logout;
pub mod me;

/// A cookie as this service sets them all: only over HTTPS, only for this host, not for scripts.
fn set_cookie(name: &str, value: &str, max_age_s: u64, same_site: &str) -> Option<HeaderValue> {
    let text = format!(
        "{name}={value}; Path=/; Max-Age={max_age_s}; Secure; HttpOnly; SameSite={same_site}"
    );
    HeaderValue::from_str(&text).ok()
}

/// Sends the browser on, with cookies.
fn redirect(to: &str, cookies: impl IntoIterator<Item = HeaderValue>) -> Response {
    let mut headers = HeaderMap::new();
    match HeaderValue::from_str(to) {
        Ok(location) => headers.insert(header::LOCATION, location),
        Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    };
    for cookie in cookies {
        headers.append(header::SET_COOKIE, cookie);
    }
    (StatusCode::SEE_OTHER, headers).into_response()
}

/// No randomness is to be had; nothing can be begun.
fn no_entropy() -> RpcError {
    tracing::error!("the operating system gives no random bytes");
    RpcError::internal()
}
