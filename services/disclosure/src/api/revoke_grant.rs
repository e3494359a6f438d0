//! `DELETE /v1/grants/{id}`: compliance ends a grant at once.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;

use crate::api::Api;
use crate::api::error::ApiError;
use crate::app::Caller;

pub(crate) async fn handle(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let id = id
        .parse()
        .map_err(|_| ApiError::invalid("the grant's id is not a UUID"))?;
    api.app.revoke_grant(&caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
