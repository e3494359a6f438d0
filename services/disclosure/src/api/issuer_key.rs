//! `GET /v1/issuer-key`: the public key of packages, for anybody.
//!
//! An auditor must get the key (or its thumbprint) from the institution by another way as well: who
//! could forge packages could forge this answer.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use cloister_disclosure::{Jwk, Thumbprint};
use serde::Serialize;

use crate::api::Api;

/// The answer.
#[derive(Debug, Serialize)]
pub(crate) struct IssuerKeyBody {
    thumbprint: Thumbprint,
    jwk: Jwk,
    pem: Option<String>,
}

pub(crate) async fn handle(State(api): State<Arc<Api>>) -> Json<IssuerKeyBody> {
    let key = api.app.key.issuer_key();
    Json(IssuerKeyBody {
        thumbprint: key.thumbprint(),
        jwk: key.jwk(),
        pem: key.to_pem(),
    })
}
