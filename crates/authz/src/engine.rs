//! Deciding.

use std::sync::Arc;

use alloy_primitives::B256;
use cedar_policy::{Authorizer, Context, Entities, Request};
use thiserror::Error;

use crate::action::Action;
use crate::ask::Ask;
use crate::decision::{Authorized, DEFAULT_DENY, Decision, Denied, EVALUATION_ERROR};
use crate::entities::Question;
use crate::policy_set::PolicySet;
use crate::principal::Principal;

/// Evaluates policies. Cheap to clone; a change of policies is a new engine.
#[derive(Clone, Debug)]
pub struct Engine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    policies: PolicySet,
    authorizer: Authorizer,
}

#[derive(Debug, Error)]
enum EvaluationError {
    #[error("no policies are loaded for the action")]
    NoPolicies,
    #[error("the request does not fit the schema: {0}")]
    Request(String),
}

impl Engine {
    /// An engine for validated policies.
    #[must_use]
    pub fn new(policies: PolicySet) -> Self {
        Self {
            inner: Arc::new(Inner {
                policies,
                authorizer: Authorizer::new(),
            }),
        }
    }

    /// The policies in force.
    #[must_use]
    pub fn policies(&self) -> &PolicySet {
        &self.inner.policies
    }

    /// [`PolicySet::root`] of the policies in force.
    #[must_use]
    pub fn policy_root(&self) -> B256 {
        self.inner.policies.root()
    }

    /// Asks whether `principal` may do what `request` says, and hands out the permission.
    ///
    /// # Errors
    /// When no policy permits it, one forbids it, or one cannot be evaluated.
    pub fn authorize<R: Ask>(
        &self,
        principal: &Principal,
        request: R,
    ) -> Result<Authorized<R>, Denied> {
        let decision = self.decide(principal, &request);
        if decision.is_allowed() {
            Ok(Authorized::new(request, decision))
        } else {
            Err(Denied { decision })
        }
    }

    /// The decision alone, for explanations and dry runs.
    #[must_use]
    pub fn decide<R: Ask + ?Sized>(&self, principal: &Principal, request: &R) -> Decision {
        let action = request.action();
        match self.evaluate(principal, request) {
            Ok(response) => self.conclude(action, &response),
            // Whatever cannot be asked is not allowed.
            Err(error) => self.refuse(action, vec![error.to_string()]),
        }
    }

    fn evaluate<R: Ask + ?Sized>(
        &self,
        principal: &Principal,
        request: &R,
    ) -> Result<cedar_policy::Response, EvaluationError> {
        let fail = |error: &dyn std::error::Error| EvaluationError::Request(error.to_string());
        let policies = self
            .inner
            .policies
            .for_action(request.action())
            .ok_or(EvaluationError::NoPolicies)?;
        let schema = self.inner.policies.schema();
        let Question {
            principal,
            action,
            resource,
            context,
            entities,
        } = Question::new(principal, request).map_err(|error| fail(&*error))?;
        let context = Context::from_pairs(context).map_err(|error| fail(&error))?;
        let request = Request::new(principal, action, resource, context, Some(schema))
            .map_err(|error| fail(&error))?;
        let entities =
            Entities::from_entities(entities, Some(schema)).map_err(|error| fail(&error))?;
        Ok(self
            .inner
            .authorizer
            .is_authorized(&request, policies, &entities))
    }

    fn conclude(&self, action: Action, response: &cedar_policy::Response) -> Decision {
        let diagnostics = response.diagnostics();
        let errors: Vec<String> = diagnostics.errors().map(ToString::to_string).collect();
        // Cedar skips a policy that fails; a `forbid` that fails would then permit.
        if !errors.is_empty() {
            return self.refuse(action, errors);
        }
        let mut rules: Vec<String> = diagnostics.reason().map(ToString::to_string).collect();
        rules.sort_unstable();
        let allowed = response.decision() == cedar_policy::Decision::Allow && !rules.is_empty();
        if rules.is_empty() {
            rules.push(DEFAULT_DENY.to_owned());
        }
        Decision {
            allowed,
            action,
            rules,
            errors,
            policy_root: self.policy_root(),
        }
    }

    fn refuse(&self, action: Action, errors: Vec<String>) -> Decision {
        let rules = vec![EVALUATION_ERROR.to_owned()];
        Decision {
            allowed: false,
            action,
            rules,
            errors,
            policy_root: self.policy_root(),
        }
    }
}
