//! HTTP: thin handlers that find out who asks, call the use cases, and turn errors into answers.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::routing::{delete, get, post};
use cloister_oidc::{LoginClient, Verifier};
use tokio::sync::Semaphore;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::app::App;

pub mod auth;
pub mod authenticate;
pub mod page;
pub mod problem;
pub mod rate;
pub mod rpc;
pub mod wallets;

/// What handlers work with.
#[derive(Debug)]
pub struct Gateway {
    /// The use cases.
    pub app: App,
    /// Checks bearer tokens.
    pub verifier: Verifier,
    /// Logs browsers in.
    pub login: LoginClient,
    /// Free places for requests.
    pub places: Semaphore,
}

/// Headers that every answer carries: nothing is cached, framed, sniffed or loaded from elsewhere.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::STRICT_TRANSPORT_SECURITY, "max-age=63072000"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
];

/// All routes.
pub fn router(gateway: Arc<Gateway>) -> Router {
    let mut router = Router::new()
        .route("/", post(rpc::handle).get(page::html))
        .route("/page.js", get(page::script))
        .route("/auth/login", get(auth::login::handle))
        .route("/auth/callback", get(auth::callback::handle))
        .route("/auth/logout", post(auth::logout::handle))
        .route("/auth/me", get(auth::me::handle))
        .route("/wallets/challenge", post(wallets::challenge::handle))
        .route(
            "/wallets",
            post(wallets::link::handle).get(wallets::list::handle),
        )
        .route("/wallets/{address}", delete(wallets::unlink::handle))
        .with_state(gateway);
    for (name, value) in HEADERS {
        let value = HeaderValue::from_static(value);
        router = router.layer(SetResponseHeaderLayer::if_not_present(name, value));
    }
    router
}
