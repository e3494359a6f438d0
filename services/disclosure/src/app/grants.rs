//! Making, listing and revoking grants.

use cloister_audit::Outcome;
use cloister_authz::Role;
use cloister_authz::request::{Administer, Grant as AskGrant, Target};
use cloister_types::B256;
use uuid::Uuid;

use crate::app::audit::{Event, rules};
use crate::app::error::AppError;
use crate::app::grant::{Grant, NewGrant, Revocation};
use crate::app::{App, Caller};

const CREATE: &str = "POST /v1/grants";
const LIST: &str = "GET /v1/grants";
const REVOKE: &str = "DELETE /v1/grants/{id}";

/// Rule of what the service itself decides about grants.
const OWN: &str = "own-grants";
const UNKNOWN: &str = "grant-unknown";

impl App {
    /// Makes a grant, if policies permit it for every address in its scope.
    pub(crate) async fn create_grant(
        &self,
        caller: &Caller,
        terms: NewGrant,
        request: B256,
    ) -> Result<Grant, AppError> {
        let now = self.now();
        let id = Uuid::now_v7();
        let resource = format!("grant:{id}");
        let event = |rule, outcome| Event {
            method: CREATE,
            resource: &resource,
            rule,
            request,
            outcome,
        };
        if let Err(error) = terms.validate(now, self.limits.max_scope_entries) {
            let event = event("grant-form", Outcome::Failed);
            self.audit.record(Some(caller), event).await?;
            return Err(error);
        }
        let rule = match self.may_grant(caller, &terms, now) {
            Ok(rule) => rule,
            Err(rule) => {
                self.audit
                    .record(Some(caller), event(&rule, Outcome::Denied))
                    .await?;
                return Err(AppError::Forbidden);
            }
        };
        self.audit
            .record(Some(caller), event(&rule, Outcome::Allowed))
            .await?;
        let created_by = caller.principal.id();
        let grant = Grant {
            id,
            terms,
            created_at: now,
            created_by,
            revocation: None,
        };
        self.grants.insert(&grant).await?;
        tracing::info!(grant = %id, "grant made");
        Ok(grant)
    }

    fn may_grant(&self, caller: &Caller, terms: &NewGrant, now: u64) -> Result<String, String> {
        let mut decisions = Vec::new();
        for subject in terms.scope.subjects() {
            let ask = AskGrant {
                target: Target::Account(subject),
                holder: terms.auditor.id(),
                case_id: terms.case_reference.clone(),
                duration_s: terms.expires_at.saturating_sub(now),
                now,
            };
            match self.engine.authorize(&caller.principal, ask) {
                Ok(allowed) => decisions.push(allowed.decision().clone()),
                Err(denied) => return Err(denied.decision.rule_text()),
            }
        }
        Ok(rules(&decisions))
    }

    /// The newest grants: all of them for compliance, an auditor's own for an auditor.
    pub(crate) async fn list_grants(&self, caller: &Caller) -> Result<Vec<Grant>, AppError> {
        let event = |rule, outcome| Event {
            method: LIST,
            resource: "grants",
            rule,
            request: B256::ZERO,
            outcome,
        };
        let limit = self.limits.max_grants_listed;
        let (rule, grants) = match self.may_administer(caller, "list_grants") {
            Ok(rule) => (rule, self.grants.newest(limit).await?),
            Err(_) if caller.principal.has_role(Role::Auditor) => (
                OWN.to_owned(),
                self.grants.of_auditor(&caller.principal, limit).await?,
            ),
            Err(rule) => {
                self.audit
                    .record(Some(caller), event(&rule, Outcome::Denied))
                    .await?;
                return Err(AppError::Forbidden);
            }
        };
        self.audit
            .record(Some(caller), event(&rule, Outcome::Allowed))
            .await?;
        Ok(grants)
    }

    /// Ends a grant. Ending one that has ended already changes nothing.
    pub(crate) async fn revoke_grant(&self, caller: &Caller, id: Uuid) -> Result<(), AppError> {
        let resource = format!("grant:{id}");
        let event = |rule, outcome| Event {
            method: REVOKE,
            resource: &resource,
            rule,
            request: B256::ZERO,
            outcome,
        };
        let rule = match self.may_administer(caller, "revoke_grant") {
            Ok(rule) => rule,
            Err(rule) => {
                self.audit
                    .record(Some(caller), event(&rule, Outcome::Denied))
                    .await?;
                return Err(AppError::Forbidden);
            }
        };
        self.audit
            .record(Some(caller), event(&rule, Outcome::Allowed))
            .await?;
        let revocation = Revocation {
            at: self.now(),
            by: caller.principal.id(),
        };
        if self.grants.revoke(id, &revocation).await? {
            tracing::info!(grant = %id, "grant revoked");
            return Ok(());
        }
        self.audit
            .record(Some(caller), event(UNKNOWN, Outcome::Failed))
            .await?;
        Err(AppError::UnknownGrant)
    }

    fn may_administer(&self, caller: &Caller, operation: &str) -> Result<String, String> {
        let ask = Administer {
            operation: operation.to_owned(),
            now: self.now(),
        };
        match self.engine.authorize(&caller.principal, ask) {
            Ok(allowed) => Ok(allowed.decision().rule_text()),
            Err(denied) => Err(denied.decision.rule_text()),
        }
    }
}
