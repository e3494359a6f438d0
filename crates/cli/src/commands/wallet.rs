//! `cloister wallet`: shows that a wallet is yours, by an EIP-4361 message.

use alloy::network::TxSigner as _;
use cloister_signer::{KeySource, LocalKey};
use reqwest::Method;
use serde_json::{Value, json};

use crate::commands::service_url;
use crate::error::CliError;
use crate::http::Api;
use crate::terminal;

/// Links the wallet of `key` to the person who is logged in.
///
/// # Errors
/// When the key cannot be read or the gateway refuses.
pub(crate) async fn link(api: &Api, key: &KeySource) -> Result<(), CliError> {
    let key = LocalKey::open(key)?;
    let address = key.address().to_checksum(None);
    let challenge_url = service_url(api.gateway(), "wallets/challenge")?;
    let body = json!({"address": address});
    let challenge = api
        .json(Method::POST, challenge_url.clone(), Some(&body))
        .await?;
    let message = challenge
        .get("message")
        .and_then(Value::as_str)
        .ok_or_else(|| CliError::BadAnswer {
            url: challenge_url.to_string(),
            reason: "it has no `message`".to_owned(),
        })?;
    check(message, api, &address)?;
    let signature = key.sign_text(message)?;
    let body = json!({"message": message, "signature": signature});
    api.json(
        Method::POST,
        service_url(api.gateway(), "wallets")?,
        Some(&body),
    )
    .await?;
    terminal::line(&format!("linked {address}"));
    Ok(())
}

/// A message that does not name our gateway and our wallet is not signed (SCL-2).
fn check(message: &str, api: &Api, address: &str) -> Result<(), CliError> {
    let host = api.gateway().host_str().unwrap_or_default();
    let first = message.lines().next().unwrap_or_default();
    let named = first.split(' ').next().unwrap_or_default();
    let named_host = named.rsplit_once(':').map_or(named, |(host, _)| host);
    if named_host != host || message.lines().nth(1) != Some(address) {
        return Err(CliError::BadAnswer {
            url: api.gateway().to_string(),
            reason: "its challenge names another service or another wallet".to_owned(),
        });
    }
    Ok(())
}

/// Lists the linked wallets.
///
/// # Errors
/// When the gateway refuses.
pub(crate) async fn list(api: &Api) -> Result<(), CliError> {
    let url = service_url(api.gateway(), "wallets")?;
    let wallets = api.json(Method::GET, url, None).await?;
    terminal::line(&serde_json::to_string_pretty(&wallets).unwrap_or_default());
    Ok(())
}
