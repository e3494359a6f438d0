//! One row in the audit ledger for every decision, before the answer leaves.

use std::sync::Arc;

use cloister_audit::{Outcome, Row};
use cloister_authz::{Decision, Engine};
use cloister_store_pg::ledger::Ledger;
use cloister_types::{B256, Clock};

use crate::app::Caller;
use crate::app::error::AppError;

/// What a row says beside who and when.
#[derive(Debug, Clone)]
pub(crate) struct Event<'a> {
    /// What was called, e.g. `POST /v1/packages`.
    pub(crate) method: &'static str,
    /// What it was about.
    pub(crate) resource: &'a str,
    /// The rules that decided.
    pub(crate) rule: &'a str,
    /// SHA-256 of the request.
    pub(crate) request: B256,
    /// How it ended.
    pub(crate) outcome: Outcome,
}

/// Writes rows.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    ledger: Ledger,
    clock: Arc<dyn Clock>,
    policy_root: B256,
}

impl Recorder {
    pub(crate) fn new(ledger: Ledger, clock: Arc<dyn Clock>, engine: &Engine) -> Self {
        Self {
            ledger,
            clock,
            policy_root: engine.policy_root(),
        }
    }

    /// Returns once the row is durable; without a row there is no answer (SDS-1).
    pub(crate) async fn record(
        &self,
        caller: Option<&Caller>,
        event: Event<'_>,
    ) -> Result<(), AppError> {
        let Event {
            method,
            resource,
            rule,
            request,
            outcome,
        } = event;
        let row = Row {
            time: self.clock.now(),
            principal: caller.map_or_else(|| "anonymous".to_owned(), |c| c.principal.id()),
            session: caller.map(|c| c.session.clone()).unwrap_or_default(),
            method: method.to_owned(),
            resource: resource.to_owned(),
            rule: rule.to_owned(),
            policy_version: self.policy_root,
            request_hash: request,
            outcome,
        };
        let written = self.ledger.append(row).await;
        written
            .map(|_| ())
            .map_err(|error| AppError::Unavailable(error.into()))
    }
}

/// The rules of several decisions as one text.
pub(crate) fn rules<'a>(decisions: impl IntoIterator<Item = &'a Decision>) -> String {
    let rules = decisions
        .into_iter()
        .flat_map(|decision| decision.rules().iter());
    let rules: std::collections::BTreeSet<&str> = rules.map(String::as_str).collect();
    rules.into_iter().collect::<Vec<_>>().join(",")
}
