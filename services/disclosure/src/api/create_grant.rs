//! `POST /v1/grants`: compliance gives an auditor a right to packages.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::api::Api;
use crate::api::auth::Body;
use crate::api::error::ApiError;
use crate::api::view::{GrantBody, NewGrantBody};
use crate::app::Caller;

pub(crate) async fn handle(
    State(api): State<Arc<Api>>,
    caller: Caller,
    body: Body<NewGrantBody>,
) -> Result<(StatusCode, Json<GrantBody>), ApiError> {
    let terms = body.content.terms(&caller.principal.issuer);
    let grant = api.app.create_grant(&caller, terms, body.hash).await?;
    Ok((
        StatusCode::CREATED,
        Json(GrantBody::new(grant, api.app.now())),
    ))
}
