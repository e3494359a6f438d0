//! `cloister_registerContract` attaches a template or an ABI to a contract that was deployed
//! through the gateway, so that policies can speak of its functions and arguments;
//! `cloister_getContract` shows what they know. Rules are lifted
//! as easily as they are given, so policies tell the first time from later ones (SGW-16).

use alloy_primitives::{Address, U64};
use cloister_abi::ContractAbi;
use cloister_authz::request::{Contract, RegisterContract, ViewContract};
use cloister_types::UnixMillis;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Answer, json};
use crate::app::failure;
use crate::app::op::Op;
use crate::app::registry::{DEFAULT_TEMPLATE, Known};
use crate::rpc::params::Params;
use crate::rpc::{Code, RpcError};
use crate::store::contracts::{self, Attachment, Registration};

/// What to attach.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Name of a policy template.
    template: Option<String>,
    /// JSON ABI; without it the template's.
    abi: Option<Box<RawValue>>,
}

#[derive(Debug, Serialize)]
struct Registered {
    address: Address,
    template: String,
    desk: Option<String>,
    functions: usize,
}

/// A contract as `cloister_getContract` shows it to those who see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ContractView<'a> {
    address: Address,
    template: &'a str,
    desk: Option<String>,
    /// The wallet that deployed it.
    deployer: Address,
    /// Signatures that policies know.
    functions: Vec<&'a str>,
    /// Who gave template and ABI last; null when it has those of its deployment.
    registered: Option<RegisteredBy<'a>>,
}

#[derive(Debug, Serialize)]
struct RegisteredBy<'a> {
    /// UNIX seconds.
    at: U64,
    issuer: &'a str,
    subject: &'a str,
}

/// `cloister_getContract`: what policies know of a contract. What is not registered is asked for as
/// one of no desk: who sees every contract is told `null`, others as of another desk's (SGW-2).
pub(crate) async fn show(op: &Op<'_>, params: &Params<'_>) -> Answer {
    let address: Address = params.required(0, "address")?;
    let directory = op.app.registry.lookup(&[address]).await;
    let directory = directory.map_err(|error| failure::database(&error))?;
    let known = directory.get(&address);
    let contract = known.map_or_else(
        || Contract {
            address,
            desk: None,
            template: DEFAULT_TEMPLATE.to_owned(),
        },
        |known| known.contract.clone(),
    );
    op.authorize(ViewContract { contract }).await?;
    json(&known.map(|known| {
        ContractView {
            address,
            template: &known.contract.template,
            desk: known.contract.desk.as_ref().map(ToString::to_string),
            deployer: known.deployer,
            functions: known
                .abi
                .as_ref()
                .map(|abi| abi.signatures().collect())
                .unwrap_or_default(),
            registered: known
                .registration
                .as_ref()
                .map(|registration| RegisteredBy {
                    at: U64::from(registration.at.seconds()),
                    issuer: &registration.issuer,
                    subject: &registration.subject,
                }),
        }
    }))
}

/// `cloister_registerContract`.
pub(crate) async fn register(op: &Op<'_>, params: &Params<'_>) -> Answer {
    let address: Address = params.required(0, "address")?;
    let wanted: Wanted = params.optional(1, "registration")?.unwrap_or_default();
    let template = wanted
        .template
        .unwrap_or_else(|| DEFAULT_TEMPLATE.to_owned());
    if !op.app.registry.has_template(&template) {
        return Err(RpcError::invalid_params(format!(
            "`{template}` is not a template: use one of {}",
            op.app.registry.template_names().join(", ")
        )));
    }
    let abi = wanted
        .abi
        .as_deref()
        .map(|abi| parse(op, abi))
        .transpose()?;
    let directory = op.app.registry.lookup(&[address]).await;
    let directory = directory.map_err(|error| failure::database(&error))?;
    let known = directory.get(&address);
    let registration = known.and_then(|known| known.registration.as_ref());
    let now = op.app.clock.now();
    let allowed = op.authorize(ask(address, &template, known, now)).await?;
    let attachment = Attachment {
        contract: address,
        template: &template,
        abi: wanted.abi.as_ref().map(|abi| abi.get()),
        registration: Registration {
            at: now,
            issuer: op.caller.principal.issuer.clone(),
            subject: op.caller.principal.subject.clone(),
        },
        seen: registration.map(|registration| registration.at),
    };
    if known.is_none() {
        return Err(unknown());
    }
    let attached = contracts::attach(op.app.database.pool(), &attachment).await;
    if !attached.map_err(|error| failure::database(&error))? {
        return Err(overtaken());
    }
    op.app.blocks.forget_views();
    json(&Registered {
        address,
        desk: allowed
            .request()
            .contract
            .desk
            .as_ref()
            .map(ToString::to_string),
        functions: abi.map_or(0, |abi| abi.signatures().count()),
        template,
    })
}

/// What is not registered is asked for as a contract of no desk and no deployer: policies deny it
/// like a contract of another desk (SGW-2).
fn ask(
    address: Address,
    template: &str,
    known: Option<&Known>,
    now: UnixMillis,
) -> RegisterContract {
    RegisterContract {
        contract: Contract {
            address,
            desk: known.and_then(|known| known.contract.desk.clone()),
            template: template.to_owned(),
        },
        deployer: known.map_or(Address::ZERO, |known| known.deployer),
        first: known.is_none_or(|known| known.registration.is_none()),
        age_s: known.map_or(0, |known| age_s(known.recorded_at, now)),
    }
}

fn parse(op: &Op<'_>, abi: &RawValue) -> Result<ContractAbi, RpcError> {
    if abi.get().len() > op.app.limits.max_abi_bytes {
        return Err(RpcError::new(
            Code::LimitExceeded,
            format!(
                "the ABI is longer than {} bytes",
                op.app.limits.max_abi_bytes
            ),
        ));
    }
    let parsed = ContractAbi::from_json(abi.get())
        .map_err(|error| RpcError::invalid_params(format!("the ABI is not taken: {error}")))?;
    if let Some((here, there)) = op.app.registry.conflict(&parsed) {
        return Err(RpcError::invalid_params(format!(
            "the ABI is not taken: `{here}` has the selector of `{there}`, which rules speak of"
        )));
    }
    Ok(parsed)
}

/// How long ago, rounded up, so that no limit is stretched by a part of a second.
fn age_s(since: UnixMillis, now: UnixMillis) -> u64 {
    now.0.saturating_sub(since.0).div_ceil(1_000)
}

/// Somebody who may register any contract asked for one that was not deployed through a gateway.
fn unknown() -> RpcError {
    RpcError::invalid_params("no contract was deployed at this address through the gateway")
}

/// Two register the same contract at once: the second decides about what it has not seen.
fn overtaken() -> RpcError {
    RpcError::invalid_params("somebody else registered the contract at the same moment: try again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_second_counts_as_a_whole_one() {
        assert_eq!(age_s(UnixMillis(0), UnixMillis(3_600_000)), 3_600);
        assert_eq!(age_s(UnixMillis(0), UnixMillis(3_600_001)), 3_601);
        assert_eq!(age_s(UnixMillis(5), UnixMillis(0)), 0);
    }
}
