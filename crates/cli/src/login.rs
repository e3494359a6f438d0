//! `cloister login`: the device flow (RFC 8628), and renewal by refresh token.

use std::sync::Arc;
use std::time::Duration;

use cloister_oidc::{DeviceClient, DevicePoll, DeviceTokens, HttpClient, Provider};
use cloister_types::{Clock, SystemClock};

use crate::config::Config;
use crate::error::CliError;
use crate::session::{Session, SessionStore};
use crate::terminal;

/// The scopes that are asked for.
const SCOPE: &str = "openid offline_access cloister";
/// How long an access token is taken to last when the provider does not say, in seconds.
const SHORT_LIFE_S: u64 = 60;

fn device_client(config: &Config) -> Result<DeviceClient, CliError> {
    let ca = match &config.ca_file {
        None => None,
        Some(path) => Some(std::fs::read(path).map_err(|source| CliError::File {
            path: path.clone(),
            source,
        })?),
    };
    let http = HttpClient::new(ca.as_deref())?;
    let provider = Provider::new(&config.oidc.issuer, http, Arc::new(SystemClock))?;
    let client = DeviceClient::new(Arc::new(provider), &config.oidc.client_id, SCOPE);
    Ok(client.with_resource(&config.oidc.audience))
}

fn session(tokens: &DeviceTokens) -> Session {
    let life = tokens.expires_in_s.unwrap_or(SHORT_LIFE_S);
    Session {
        access_token: tokens.access_token.to_string(),
        refresh_token: tokens.refresh_token.as_ref().map(|token| token.to_string()),
        expires_at: SystemClock.now().seconds().saturating_add(life),
    }
}

/// Logs a person in and stores the session.
///
/// # Errors
/// When the provider refuses or the person does not finish in time.
pub(crate) async fn login(config: &Config, store: &SessionStore) -> Result<(), CliError> {
    let client = device_client(config)?;
    let start = client.start().await?;
    let page = start
        .verification_uri_complete
        .as_ref()
        .unwrap_or(&start.verification_uri);
    terminal::note("Open this address in a browser and confirm the code:");
    terminal::note(&format!("  {page}"));
    terminal::note(&format!("  code {}", start.user_code));
    terminal::note(&format!(
        "Waiting; the code ends in {} minutes.",
        start.expires_in_s / 60
    ));
    let mut interval = Duration::from_secs(start.interval_s);
    loop {
        // Ends by itself: the provider answers `expired_token` when the code's time is over.
        tokio::time::sleep(interval).await;
        match client.poll(&start).await? {
            DevicePoll::Pending => {}
            DevicePoll::SlowDown => interval += Duration::from_secs(5),
            DevicePoll::Tokens(tokens) => {
                store.save(&session(&tokens))?;
                terminal::line("logged in");
                return Ok(());
            }
        }
    }
}

/// A new session from the refresh token of an old one.
///
/// # Errors
/// When the provider does not give one; then the person must log in again.
pub(crate) async fn refresh(config: &Config, old: &Session) -> Result<Session, CliError> {
    let token = old.refresh_token.as_deref().ok_or(CliError::SessionEnded)?;
    let tokens = device_client(config)?
        .refresh(token)
        .await
        .map_err(|error| match error {
            cloister_oidc::OAuthError::Refused { .. } => CliError::SessionEnded,
            other => CliError::Oidc(other),
        })?;
    let mut renewed = session(&tokens);
    if renewed.refresh_token.is_none() {
        renewed.refresh_token.clone_from(&old.refresh_token);
    }
    Ok(renewed)
}
