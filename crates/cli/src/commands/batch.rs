//! `cloister batch show`: a batch and how far it is on its way to Ethereum.

use serde_json::json;

use crate::error::CliError;
use crate::http::Api;
use crate::terminal;

/// Shows one batch.
///
/// # Errors
/// When the gateway refuses or knows no such batch.
pub(crate) async fn show(api: &Api, number: u64) -> Result<(), CliError> {
    let number_hex = format!("{number:#x}");
    let batch = api.rpc("cloister_getBatch", json!([number_hex])).await?;
    if batch.is_null() {
        return Err(CliError::Argument(format!(
            "there is no sealed batch {number}"
        )));
    }
    let finality = api.rpc("cloister_getFinality", json!([number_hex])).await?;
    let both = json!({"batch": batch, "finality": finality});
    terminal::line(&serde_json::to_string_pretty(&both).unwrap_or_default());
    Ok(())
}
