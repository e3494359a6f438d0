//! `cloister session revoke`: takes a person's browser sessions and tokens out of use.

use serde_json::{Value, json};

use crate::error::CliError;
use crate::http::Api;
use crate::terminal;

/// Revokes what `subject` holds.
///
/// # Errors
/// When the gateway refuses.
pub(crate) async fn revoke(api: &Api, subject: &str, issuer: Option<&str>) -> Result<(), CliError> {
    let params = json!([subject, issuer]);
    let answer = api.rpc("cloister_revokeSessions", params).await?;
    let issuer = answer.get("issuer").and_then(Value::as_str);
    let sessions = answer.get("sessions").and_then(Value::as_u64);
    terminal::line(&terminal::clean(&format!(
        "revoked `{subject}` of {}: browser sessions ended: {}, tokens issued until now are refused",
        issuer.unwrap_or("an unnamed issuer"),
        sessions.unwrap_or(0),
    )));
    terminal::note(
        "who can still log in at the identity provider can come back: withdraw that there",
    );
    Ok(())
}
