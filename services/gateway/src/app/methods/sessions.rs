//! `cloister_revokeSessions`: takes a person's browser sessions and tokens out of use.

use alloy_primitives::U64;
use cloister_authz::request::Administer;
use serde::Serialize;

use super::{Answer, json};
use crate::app::failure;
use crate::app::op::Op;
use crate::rpc::RpcError;
use crate::rpc::params::Params;
use crate::store::principals;

/// Longest issuer or subject, in bytes; as long as tokens may have them.
const MAX_NAME_BYTES: usize = 1_024;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Revocation {
    issuer: String,
    subject: String,
    /// Browser sessions that were ended.
    sessions: i64,
    /// UNIX seconds; what began before is refused.
    revoked_at: U64,
}

/// `cloister_revokeSessions`: of a subject, at the caller's own issuer unless one is named. Whether
/// anybody has that name is not known here; the provider is not told.
pub(crate) async fn revoke(op: &Op<'_>, params: &Params<'_>) -> Answer {
    let subject = name(params.required(0, "subject")?)?;
    let issuer: Option<String> = params.optional(1, "issuer")?;
    let own = &op.caller.principal;
    let issuer = name(issuer.unwrap_or_else(|| own.issuer.clone()))?;
    let now = op.app.clock.now();
    let ask = Administer {
        operation: "revoke_session".to_owned(),
        now: now.seconds(),
    };
    op.authorize_about(ask, &format!("principal:{issuer}|{subject}"))
        .await?;
    let (who, by) = (
        (issuer.as_str(), subject.as_str()),
        (own.issuer.as_str(), own.subject.as_str()),
    );
    let sessions = principals::revoke(op.app.database.pool(), who, by, now).await;
    let sessions = sessions.map_err(|error| failure::database(&error))?;
    json(&Revocation {
        sessions,
        revoked_at: U64::from(now.seconds()),
        issuer,
        subject,
    })
}

fn name(name: String) -> Result<String, RpcError> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.contains(char::is_control) {
        return Err(RpcError::invalid_params(format!(
            "a subject or issuer has 1 to {MAX_NAME_BYTES} bytes and no control characters"
        )));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_tokens_may_hold() {
        assert!(name("alice".to_owned()).is_ok());
        for refused in ["", "a\nb", &"x".repeat(1_025)] {
            assert!(name(refused.to_owned()).is_err(), "{refused:?}");
        }
    }
}
