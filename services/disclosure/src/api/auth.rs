//! From the bearer token to the caller; from the body to its hash and content.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use cloister_audit::Outcome;
use cloister_authz::{Desk, Principal, Role};
use cloister_oidc::{AccessToken, Verifier};
use cloister_types::B256;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use crate::api::Api;
use crate::api::error::ApiError;
use crate::app::Caller;
use crate::app::audit::Event;
use crate::config::OidcSection;

/// Checks tokens and maps groups to roles and desks.
#[derive(Debug)]
pub(crate) struct Authenticator {
    verifier: Verifier,
    roles: Vec<(String, Role)>,
    desks: Vec<(String, Desk)>,
}

impl Authenticator {
    /// Mappings that name no role or desk are refused when the configuration is read.
    pub(crate) fn new(verifier: Verifier, section: &OidcSection) -> Self {
        let roles = section.role.iter();
        let roles = roles.filter_map(|map| Some((map.claim.clone(), map.role.parse().ok()?)));
        let desks = section.desk.iter();
        let desks =
            desks.filter_map(|map| Some((map.claim.clone(), Desk::new(map.desk.clone()).ok()?)));
        Self {
            verifier,
            roles: roles.collect(),
            desks: desks.collect(),
        }
    }

    fn caller(&self, token: &AccessToken) -> Caller {
        let has = |claim: &String| token.groups.contains(claim);
        let session = token.session_id.as_ref().or(token.token_id.as_ref());
        Caller {
            principal: Principal {
                issuer: token.issuer.clone(),
                subject: token.subject.clone(),
                roles: self
                    .roles
                    .iter()
                    .filter(|(c, _)| has(c))
                    .map(|(_, role)| *role)
                    .collect(),
                desks: self
                    .desks
                    .iter()
                    .filter(|(c, _)| has(c))
                    .map(|(_, d)| d.clone())
                    .collect(),
                wallets: BTreeSet::new(),
            },
            session: session.cloned().unwrap_or_default(),
        }
    }
}

fn bearer(parts: &Parts) -> Option<&str> {
    let mut all = parts.headers.get_all(AUTHORIZATION).iter();
    let only = all.next().filter(|_| all.next().is_none())?.to_str().ok()?;
    let (scheme, token) = only.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

impl FromRequestParts<Arc<Api>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, ApiError> {
        let refusal = match bearer(parts) {
            None => "log in and send the access token as `Authorization: Bearer`".to_owned(),
            Some(token) => match api.authenticator.verifier.verify(token).await {
                Ok(token) => return Ok(api.authenticator.caller(&token)),
                Err(error) if error.is_unavailable() => {
                    tracing::warn!(%error, "a token cannot be checked");
                    return Err(ApiError::away());
                }
                Err(error) => error.to_string(),
            },
        };
        let resource = parts.uri.path();
        let event = Event {
            method: "authenticate",
            resource,
            rule: "access-token",
            request: B256::ZERO,
            outcome: Outcome::Unauthenticated,
        };
        api.app.audit.record(None, event).await?;
        Err(ApiError::unauthenticated(&refusal))
    }
}

/// A JSON body with its SHA-256. Unlike axum's own extractor it asks for no content type.
#[derive(Debug)]
pub(crate) struct Body<T> {
    pub(crate) content: T,
    pub(crate) hash: B256,
}

impl<T: DeserializeOwned> FromRequest<Arc<Api>> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, ApiError> {
        let bytes =
            Bytes::from_request(request, api)
                .await
                .map_err(|rejection| match rejection {
                    BytesRejection::FailedToBufferBody(error)
                        if error.status() == axum::http::StatusCode::PAYLOAD_TOO_LARGE =>
                    {
                        ApiError::too_large()
                    }
                    _ => ApiError::invalid("the body did not arrive"),
                })?;
        let content = serde_json::from_slice(&bytes)
            .map_err(|error| ApiError::invalid(&format!("the body is not valid: {error}")))?;
        Ok(Self {
            content,
            hash: B256::new(Sha256::digest(&bytes).into()),
        })
    }
}
