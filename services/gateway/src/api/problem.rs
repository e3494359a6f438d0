//! Errors of the REST endpoints: the same codes as over JSON-RPC, with an HTTP status.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::rpc::{Code, RpcError};

/// An error answer.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    error: RpcError,
}

impl Problem {
    /// An error with a status of its own.
    #[must_use]
    pub fn new(status: StatusCode, code: Code, message: impl Into<String>) -> Self {
        Self {
            status,
            error: RpcError::new(code, message),
        }
    }

    /// No token or session, or one that is not acceptable. The reason why is not told.
    #[must_use]
    pub fn unauthenticated() -> Self {
        unauthenticated().into()
    }
}

/// The one answer to everybody who could not be authenticated.
#[must_use]
pub fn unauthenticated() -> RpcError {
    RpcError::new(
        Code::Unauthenticated,
        "not authenticated: send an access token (`Authorization: Bearer …`) that is valid now",
    )
}

/// The status that goes with a code.
#[must_use]
pub fn status(code: Code) -> StatusCode {
    match code {
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::Denied | Code::WalletNotLinked | Code::NoWallet => StatusCode::FORBIDDEN,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::LimitExceeded => StatusCode::TOO_MANY_REQUESTS,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}

impl From<RpcError> for Problem {
    fn from(error: RpcError) -> Self {
        Self {
            status: status(error.code()),
            error,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({"error": {"message": self.error.message(), "data": self.error.data()}});
        let mut response = (self.status, Json(body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"cloister\"");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
