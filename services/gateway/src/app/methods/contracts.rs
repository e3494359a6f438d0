//! `cloister_registerContract`: attaches a template or an ABI to a contract that was deployed
//! through the gateway, so that policies can speak of its functions and arguments.

use alloy_primitives::Address;
use cloister_abi::ContractAbi;
use cloister_authz::request::{Contract, RegisterContract};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Answer, json};
use crate::app::failure;
use crate::app::op::Op;
use crate::app::registry::DEFAULT_TEMPLATE;
use crate::rpc::params::Params;
use crate::rpc::{Code, RpcError};
use crate::store::contracts;

/// What to attach.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Registration {
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

/// `cloister_registerContract`.
pub(crate) async fn register(op: &Op<'_>, params: &Params<'_>) -> Answer {
    let address: Address = params.required(0, "address")?;
    let wanted: Registration = params.optional(1, "registration")?.unwrap_or_default();
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
    // What is not registered is asked for as a contract of no desk and no deployer: policies deny
    // it like a contract of another desk (SGW-2).
    let ask = RegisterContract {
        contract: Contract {
            address,
            desk: known.and_then(|known| known.contract.desk.clone()),
            template: template.clone(),
        },
        deployer: known.map_or(Address::ZERO, |known| known.deployer),
    };
    let allowed = op.authorize(ask).await?;
    let text = wanted.abi.as_ref().map(|abi| abi.get());
    let attached = contracts::attach(op.app.database.pool(), address, &template, text).await;
    if !attached.map_err(|error| failure::database(&error))? {
        return Err(unknown());
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
    ContractAbi::from_json(abi.get())
        .map_err(|error| RpcError::invalid_params(format!("the ABI is not taken: {error}")))
}

/// Somebody who may register any contract asked for one that was not deployed through a gateway.
fn unknown() -> RpcError {
    RpcError::invalid_params("no contract was deployed at this address through the gateway")
}
