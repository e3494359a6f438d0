//! What the caller may know of itself and of the rules.

use std::collections::BTreeSet;

use alloy_primitives::Address;
use cloister_authz::Action;
use cloister_authz::request::ReadAudit;
use serde::Serialize;

use super::{Answer, json};
use crate::app::op::Op;
use crate::rpc::RpcError;
use crate::rpc::params::Params;

/// The caller, as `cloister_whoami` shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Whoami {
    issuer: String,
    subject: String,
    roles: Vec<&'static str>,
    desks: Vec<String>,
    wallets: BTreeSet<Address>,
}

/// `cloister_whoami`.
pub(crate) fn whoami(op: &Op<'_>) -> Answer {
    json(&describe(op.caller))
}

/// The caller's own description.
#[must_use]
pub fn describe(caller: &crate::app::identity::Caller) -> Whoami {
    let principal = &caller.principal;
    Whoami {
        issuer: principal.issuer.clone(),
        subject: principal.subject.clone(),
        roles: principal.roles.iter().map(|role| role.as_str()).collect(),
        desks: principal.desks.iter().map(ToString::to_string).collect(),
        wallets: principal.wallets.clone(),
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Explanation {
    rule: String,
    meaning: &'static str,
    ask_for: &'static str,
    your_roles: Vec<&'static str>,
    /// The policies about the action, for those who may read how decisions fell.
    #[serde(skip_serializing_if = "Option::is_none")]
    policies: Option<Vec<Policy>>,
}

#[derive(Debug, Serialize)]
struct Policy {
    id: String,
    text: String,
}

/// `cloister_explain`: what a denial's `rule` means and what to ask for. The policies themselves are
/// shown to those only who may read the audit ledger.
pub(crate) fn explain(op: &Op<'_>, params: &Params<'_>) -> Answer {
    let rule: String = params.required(0, "rule")?;
    let Some((meaning, ask_for)) = words(&rule) else {
        return Err(RpcError::invalid_params(
            "unknown rule: give the `rule` from the `data` of a denial, e.g. `call`",
        ));
    };
    let may_read = op
        .app
        .engine
        .decide(&op.caller.principal, &ReadAudit)
        .is_allowed();
    let policies = may_read.then(|| policies(op, &rule));
    json(&Explanation {
        meaning,
        ask_for,
        your_roles: op
            .caller
            .principal
            .roles
            .iter()
            .map(|role| role.as_str())
            .collect(),
        policies,
        rule,
    })
}

fn policies(op: &Op<'_>, rule: &str) -> Vec<Policy> {
    let action = format!("Action::\"{}\"", rule.split(':').next().unwrap_or(rule));
    let set = op.app.engine.policies();
    let texts = set
        .rule_ids()
        .filter_map(|id| Some((id, set.rule_source(id)?)));
    texts
        .filter(|(_, text)| text.contains(&action) || !text.contains("Action::"))
        .map(|(id, text)| Policy {
            id: id.to_owned(),
            text: text.to_owned(),
        })
        .collect()
}

fn words(rule: &str) -> Option<(&'static str, &'static str)> {
    if rule.starts_with("rpc:") {
        return Some((
            "your roles do not include this group of methods",
            "a role that includes it (trader, developer, compliance, operator or auditor)",
        ));
    }
    let action = Action::ALL
        .into_iter()
        .find(|action| action.as_str() == rule)?;
    Some(match action {
        Action::Rpc => (
            "your roles do not include this method",
            "a role that includes it",
        ),
        Action::Call => (
            "no policy lets you execute this function of this contract from this wallet",
            "membership of the desk that owns the contract, or registration of its ABI so that \
             the function is known",
        ),
        Action::Send => (
            "no policy lets you send this transaction: function, arguments and value are ruled",
            "membership of the desk that owns the contract, or a higher limit",
        ),
        Action::Deploy => (
            "no policy lets you create contracts for a desk",
            "a desk, and the role trader or developer",
        ),
        Action::ViewAccount => (
            "the account is not one of yours",
            "a link to the wallet, or a disclosure grant",
        ),
        Action::ViewContract => (
            "the contract is not one of your desk's",
            "membership of its desk",
        ),
        Action::ViewTransaction => (
            "you did not take part in the transaction",
            "a disclosure grant",
        ),
        Action::ViewLog => (
            "the event does not concern you",
            "a policy for this event, or a disclosure grant",
        ),
        Action::ViewBatch => ("your roles do not include batches", "any role"),
        Action::LinkWallet => (
            "the wallet is not linked to you",
            "nothing: link it by signing a challenge (POST /wallets/challenge)",
        ),
        Action::RegisterContract => (
            "the contract is not one that you deployed for your desk within the last hour and that \
             nobody has registered yet, or it is one of your desk that was",
            "an operator or compliance officer of another desk, or of none, to register it",
        ),
        Action::Administer => (
            "the operation is for those who run the installation",
            "the role operator",
        ),
        Action::Grant => (
            "only compliance gives rights to disclosure",
            "the role compliance",
        ),
        Action::Disclose => ("no grant covers this", "a grant from compliance"),
        Action::AuditRead => (
            "the audit ledger is for those who supervise",
            "the role compliance",
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_explained() {
        for action in Action::ALL {
            assert!(words(action.as_str()).is_some(), "{}", action.as_str());
        }
        assert!(words("rpc:send").is_some());
        assert_eq!(words("default-deny"), None);
    }
}
