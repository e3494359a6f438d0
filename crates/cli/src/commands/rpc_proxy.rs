//! `cloister rpc-proxy`: a loopback RPC URL that adds the token, for Foundry and Hardhat.
//!
//! Whoever can reach the URL acts as the person who is logged in. So it listens on loopback only,
//! its path is a random secret (160 bits), and requests that a web page could make are refused: a
//! foreign `Host` (DNS rebinding) or any `Origin` (SCL-1).

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use subtle::ConstantTimeEq as _;

use crate::error::CliError;
use crate::http::Api;
use crate::terminal;

/// The longest request body that is passed on, in bytes.
const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;
/// Random bytes in the URL.
const SECRET_BYTES: usize = 20;

#[derive(Debug)]
struct Proxy {
    api: Api,
    guard: Guard,
}

/// Tells the owner's tools from everything else that can reach the port.
#[derive(Debug)]
struct Guard {
    secret: String,
    hosts: [String; 2],
}

/// Serves until the process is asked to end.
///
/// # Errors
/// When the address is not a loopback address or cannot be bound.
pub(crate) async fn run(api: Api, listen: SocketAddr) -> Result<(), CliError> {
    if !listen.ip().is_loopback() {
        return Err(CliError::Argument(format!(
            "`{listen}` is not a loopback address: the proxy acts in your name, so only this machine may reach it"
        )));
    }
    let unbound = |source| CliError::File {
        path: listen.to_string().into(),
        source,
    };
    let listener = tokio::net::TcpListener::bind(listen)
        .await
        .map_err(unbound)?;
    let address = listener.local_addr().map_err(unbound)?;
    // Fail now rather than at the first request.
    api.token().await?;
    let mut secret = [0_u8; SECRET_BYTES];
    getrandom::fill(&mut secret).map_err(|error| CliError::Argument(error.to_string()))?;
    let secret = hex::encode(secret);
    terminal::line(&format!("http://{address}/{secret}"));
    terminal::note("use this URL as RPC URL; it works until you press Ctrl-C; keep it to yourself");
    let hosts = [address.to_string(), format!("localhost:{}", address.port())];
    let proxy = Arc::new(Proxy {
        api,
        guard: Guard { secret, hosts },
    });
    axum::serve(listener, router(proxy))
        .with_graceful_shutdown(terminal::ended())
        .await
        .map_err(unbound)
}

fn router(proxy: Arc<Proxy>) -> Router {
    Router::new()
        .route("/{secret}", post(forward))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(proxy)
}

impl Guard {
    fn admits(&self, secret: &str, headers: &HeaderMap) -> bool {
        let host = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        self.hosts.iter().any(|own| host == Some(own))
            && !headers.contains_key(header::ORIGIN)
            && bool::from(secret.as_bytes().ct_eq(self.secret.as_bytes()))
    }
}

async fn forward(
    State(proxy): State<Arc<Proxy>>,
    Path(secret): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !proxy.guard.admits(&secret, &headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let url = proxy.api.gateway().clone();
    match proxy
        .api
        .send(reqwest::Method::POST, url, Some(body.to_vec()))
        .await
    {
        Ok((status, body)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
            (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
        Err(error) => {
            let message = error.to_string();
            let error = serde_json::json!({"code": -32003, "message": message});
            let body = serde_json::json!({"jsonrpc": "2.0", "id": null, "error": error});
            (StatusCode::BAD_GATEWAY, axum::Json(body)).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> Guard {
        let hosts = ["127.0.0.1:9".to_owned(), "localhost:9".to_owned()];
        Guard {
            secret: "s3cret".to_owned(),
            hosts,
        }
    }

    fn headers(pairs: &[(header::HeaderName, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().unwrap()))
            .collect()
    }

    /// SCL-1.
    #[test]
    fn admits_only_the_secret_path_without_a_browser_behind_it() {
        let own = headers(&[(header::HOST, "127.0.0.1:9")]);
        assert!(guard().admits("s3cret", &own));
        assert!(!guard().admits("s3cre", &own));
        assert!(!guard().admits("", &own));
        let rebound = headers(&[(header::HOST, "evil.example:9")]);
        assert!(!guard().admits("s3cret", &rebound));
        assert!(!guard().admits("s3cret", &HeaderMap::new()));
        let page = headers(&[
            (header::HOST, "localhost:9"),
            (header::ORIGIN, "http://localhost:9"),
        ]);
        assert!(!guard().admits("s3cret", &page));
    }
}
