//! `GET /v1/grants`: the newest grants; an auditor sees only their own.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::api::Api;
use crate::api::error::ApiError;
use crate::api::view::GrantBody;
use crate::app::Caller;

/// The answer.
#[derive(Debug, Serialize)]
pub(crate) struct Grants {
    grants: Vec<GrantBody>,
}

pub(crate) async fn handle(
    State(api): State<Arc<Api>>,
    caller: Caller,
) -> Result<Json<Grants>, ApiError> {
    let now = api.app.now();
    let grants = api.app.list_grants(&caller).await?;
    let grants = grants
        .into_iter()
        .map(|grant| GrantBody::new(grant, now))
        .collect();
    Ok(Json(Grants { grants }))
}
