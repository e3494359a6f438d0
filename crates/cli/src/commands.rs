//! The subcommands, one file each.

pub(crate) mod audit;
pub(crate) mod batch;
pub(crate) mod contract;
pub(crate) mod disclose;
pub(crate) mod l1;
pub(crate) mod proof;
pub(crate) mod prover;
pub(crate) mod rpc_proxy;
pub(crate) mod session;
pub(crate) mod verify;
pub(crate) mod wallet;

use cloister_settings::Url;

use crate::error::CliError;

/// The address of `path` at a service.
///
/// # Errors
/// When the two make no address.
pub(crate) fn service_url(base: &Url, path: &str) -> Result<Url, CliError> {
    let joined = format!("{}/{path}", base.as_str().trim_end_matches('/'));
    joined
        .parse()
        .map_err(|_| CliError::Argument(format!("`{joined}` is no address")))
}
