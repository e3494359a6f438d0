//! What the engine answers.

use alloy_primitives::B256;
use thiserror::Error;

use crate::action::Action;

/// The rule of a denial that no policy asked for.
pub const DEFAULT_DENY: &str = "default-deny";
/// The rule of a denial because a policy could not be evaluated.
pub const EVALUATION_ERROR: &str = "evaluation-error";

/// A decision and why it fell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub(crate) allowed: bool,
    pub(crate) action: Action,
    pub(crate) rules: Vec<String>,
    pub(crate) errors: Vec<String>,
    pub(crate) policy_root: B256,
}

impl Decision {
    /// Whether it may be done.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.allowed
    }

    /// What was asked.
    #[must_use]
    pub fn action(&self) -> Action {
        self.action
    }

    /// Ids of the policies that decided, sorted: those that permitted, or those that forbade; or
    /// [`DEFAULT_DENY`] or [`EVALUATION_ERROR`] alone.
    #[must_use]
    pub fn rules(&self) -> &[String] {
        &self.rules
    }

    /// The same as one text for the audit ledger: ids with commas between.
    #[must_use]
    pub fn rule_text(&self) -> String {
        self.rules.join(",")
    }

    /// Why policies could not be evaluated, for operators; empty when all were.
    #[must_use]
    pub fn errors(&self) -> &[String] {
        &self.errors
    }

    /// [`crate::PolicySet::root`] of the policies that decided.
    #[must_use]
    pub fn policy_root(&self) -> B256 {
        self.policy_root
    }
}

/// Proof that a request was allowed. Only [`crate::Engine`] makes one.
///
/// ```compile_fail
/// use cloister_authz::{Authorized, request::ReadAudit};
///
/// fn forge(other: &Authorized<ReadAudit>) -> Authorized<ReadAudit> {
///     Authorized { request: ReadAudit, decision: other.decision().clone() }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorized<R> {
    request: R,
    decision: Decision,
}

impl<R> Authorized<R> {
    pub(crate) fn new(request: R, decision: Decision) -> Self {
        Self { request, decision }
    }

    /// What was asked.
    #[must_use]
    pub fn request(&self) -> &R {
        &self.request
    }

    /// The decision, for the audit ledger.
    #[must_use]
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// Gives the request back and ends the permission.
    #[must_use]
    pub fn into_request(self) -> R {
        self.request
    }
}

/// A request that was not allowed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("not permitted by policy; ask for what rule `{}` needs", decision.rule_text())]
pub struct Denied {
    /// The decision, for the audit ledger.
    pub decision: Decision,
}
