//! The REST interface. Each endpoint is one file; `docs/reference/disclosure.openapi.json` is the
//! description for callers.

mod auth;
mod create_grant;
mod error;
mod issuer_key;
mod list_grants;
mod make_package;
mod revoke_grant;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::error_handling::HandleErrorLayer;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS};
use axum::routing::{delete, get, post};
use tower::ServiceBuilder;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::app::App;

pub(crate) use auth::Authenticator;
use error::ApiError;

/// What handlers share.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) app: App,
    pub(crate) authenticator: Authenticator,
}

/// All endpoints with their limits.
pub(crate) fn router(api: Arc<Api>) -> Router {
    let limits = &api.app.limits;
    let busy = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(|error: tower::BoxError| async move {
            if error.is::<tower::timeout::error::Elapsed>() {
                ApiError::timeout()
            } else {
                ApiError::busy()
            }
        }))
        .load_shed()
        .concurrency_limit(limits.max_concurrent_requests)
        .timeout(limits.request_timeout());
    let set =
        |name, value| SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value));
    Router::new()
        .route(
            "/v1/grants",
            post(create_grant::handle).get(list_grants::handle),
        )
        .route("/v1/grants/{id}", delete(revoke_grant::handle))
        .route("/v1/packages", post(make_package::handle))
        .route("/v1/issuer-key", get(issuer_key::handle))
        .fallback(|| async { ApiError::no_such_endpoint() })
        .method_not_allowed_fallback(|| async { ApiError::no_such_method() })
        .layer(busy)
        .layer(set(CACHE_CONTROL, "no-store"))
        .layer(set(X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(set(STRICT_TRANSPORT_SECURITY, "max-age=31536000"))
        .with_state(api)
}
