//! Grants as JSON.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::app::grant::{Auditor, Grant, NewGrant};
use crate::app::scope::{Kind, Scope};

/// The body of `POST /v1/grants`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewGrantBody {
    case_reference: String,
    legal_basis: String,
    auditor: AuditorBody,
    scope: Scope,
    kinds: BTreeSet<Kind>,
    #[serde(default)]
    first_batch: u64,
    #[serde(default)]
    last_batch: Option<u64>,
    expires_at: u64,
}

/// The auditor; without an issuer, of the same provider as the officer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AuditorBody {
    #[serde(default)]
    issuer: Option<String>,
    subject: String,
}

impl NewGrantBody {
    /// The terms, with `issuer` where none is named.
    pub(crate) fn terms(self, issuer: &str) -> NewGrant {
        let issuer = self.auditor.issuer.unwrap_or_else(|| issuer.to_owned());
        NewGrant {
            case_reference: self.case_reference,
            legal_basis: self.legal_basis,
            auditor: Auditor {
                issuer,
                subject: self.auditor.subject,
            },
            scope: self.scope,
            kinds: self.kinds,
            first_batch: self.first_batch,
            last_batch: self.last_batch,
            expires_at: self.expires_at,
        }
    }
}

/// A grant in an answer.
#[derive(Debug, Serialize)]
pub(crate) struct GrantBody {
    id: Uuid,
    state: &'static str,
    case_reference: String,
    legal_basis: String,
    auditor: Auditor,
    scope: Scope,
    kinds: BTreeSet<Kind>,
    first_batch: u64,
    last_batch: Option<u64>,
    expires_at: u64,
    created_at: u64,
    created_by: String,
    revoked_at: Option<u64>,
    revoked_by: Option<String>,
}

impl GrantBody {
    pub(crate) fn new(grant: Grant, now: u64) -> Self {
        let state = match (&grant.revocation, grant.is_live(now)) {
            (Some(_), _) => "revoked",
            (None, Err(_)) => "expired",
            (None, Ok(())) => "active",
        };
        let Grant {
            id,
            terms,
            created_at,
            created_by,
            revocation,
        } = grant;
        let (revoked_at, revoked_by) = revocation.map(|end| (end.at, end.by)).unzip();
        Self {
            id,
            state,
            case_reference: terms.case_reference,
            legal_basis: terms.legal_basis,
            auditor: terms.auditor,
            scope: terms.scope,
            kinds: terms.kinds,
            first_batch: terms.first_batch,
            last_batch: terms.last_batch,
            expires_at: terms.expires_at,
            created_at,
            created_by,
            revoked_at,
            revoked_by,
        }
    }
}
