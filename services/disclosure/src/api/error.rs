//! Errors as callers see them: a status, a stable code, a sentence. Causes go to the log.

use axum::Json;
use axum::http::header::WWW_AUTHENTICATE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::app::error::AppError;

/// The body of every refusal.
#[derive(Debug, Serialize)]
pub(crate) struct ApiError {
    #[serde(skip)]
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: &str) -> Self {
        Self {
            status,
            code,
            message: message.to_owned(),
        }
    }

    pub(crate) fn unauthenticated(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", message)
    }

    pub(crate) fn invalid(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message)
    }

    pub(crate) fn too_large() -> Self {
        let status = StatusCode::PAYLOAD_TOO_LARGE;
        Self::new(
            status,
            "too_large",
            "the request is longer than this service takes",
        )
    }

    pub(crate) fn no_such_endpoint() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "no_such_endpoint",
            "there is no such endpoint",
        )
    }

    pub(crate) fn no_such_method() -> Self {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        Self::new(
            status,
            "no_such_method",
            "the endpoint does not have this method",
        )
    }

    pub(crate) fn busy() -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self::new(
            status,
            "busy",
            "too many requests at once; try again in a moment",
        )
    }

    pub(crate) fn timeout() -> Self {
        let status = StatusCode::GATEWAY_TIMEOUT;
        Self::new(
            status,
            "timeout",
            "the request took too long; try again in a moment",
        )
    }

    pub(crate) fn away() -> Self {
        let error = AppError::Unavailable(anyhow::anyhow!("the identity provider is away"));
        error.into()
    }
}

impl From<AppError> for ApiError {
    fn from(error: AppError) -> Self {
        let status = match &error {
            AppError::Invalid(_) => StatusCode::BAD_REQUEST,
            AppError::Forbidden | AppError::Expired(_) | AppError::Revoked => StatusCode::FORBIDDEN,
            AppError::UnknownGrant | AppError::NotDisclosable => StatusCode::NOT_FOUND,
            AppError::NotSealed(_) | AppError::NotCommitted(_) => StatusCode::CONFLICT,
            AppError::Unavailable(cause) => {
                tracing::warn!(error = format!("{cause:#}"), "a request failed for now");
                StatusCode::SERVICE_UNAVAILABLE
            }
            AppError::Internal(cause) => {
                tracing::error!(error = format!("{cause:#}"), "a request failed");
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        Self::new(status, error.code(), &error.to_string())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        metrics::counter!("cloister_disclosure_refusals_total", "code" => self.code).increment(1);
        let status = self.status;
        let mut response = (status, Json(self)).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
