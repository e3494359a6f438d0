//! Logging in from a terminal: the device authorization grant (RFC 8628).

use std::sync::Arc;

use serde_json::Value;
use zeroize::Zeroizing;

use crate::oauth::{self, ClientCredentials, OAuthError};
use crate::provider::Provider;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// The pause between polls when the provider names none (RFC 8628, section 3.2), in seconds.
const DEFAULT_INTERVAL_S: u64 = 5;
const MAX_INTERVAL_S: u64 = 60;

/// A login that waits for a person.
#[derive(Clone, Debug)]
pub struct DeviceStart {
    /// What the person types.
    pub user_code: String,
    /// Where they type it.
    pub verification_uri: String,
    /// The same with the code in it, if the provider gives one.
    pub verification_uri_complete: Option<String>,
    /// How long the codes last, in seconds.
    pub expires_in_s: u64,
    /// How long to wait between polls, in seconds; [`DevicePoll::SlowDown`] adds 5.
    pub interval_s: u64,
    device_code: Zeroizing<String>,
}

/// Tokens for a terminal.
#[derive(Clone, Debug)]
pub struct DeviceTokens {
    /// For the API.
    pub access_token: Zeroizing<String>,
    /// For the next access token, if the provider gives one.
    pub refresh_token: Option<Zeroizing<String>>,
    /// How long the access token lasts, in seconds, if the provider says.
    pub expires_in_s: Option<u64>,
}

/// What one poll found.
#[derive(Clone, Debug)]
pub enum DevicePoll {
    /// The person has not finished. Wait and poll again.
    Pending,
    /// Wait 5 seconds longer between polls from now on.
    SlowDown,
    /// Done.
    Tokens(DeviceTokens),
}

/// A client that logs in from a terminal. It never sleeps: the caller waits between polls.
#[derive(Debug)]
pub struct DeviceClient {
    provider: Arc<Provider>,
    client: ClientCredentials,
    scope: String,
    resource: Option<String>,
}

impl DeviceClient {
    /// A public client. `scope` holds names with spaces between.
    #[must_use]
    pub fn new(
        provider: Arc<Provider>,
        client_id: impl Into<String>,
        scope: impl Into<String>,
    ) -> Self {
        let client = ClientCredentials::public(client_id);
        Self {
            provider,
            client,
            scope: scope.into(),
            resource: None,
        }
    }

    /// Asks for an access token for this audience (RFC 8707).
    #[must_use]
    pub fn with_resource(mut self, resource: impl Into<String>) -> Self {
        self.resource = Some(resource.into());
        self
    }

    /// Begins a login.
    ///
    /// # Errors
    /// When the provider refuses or has no device flow.
    pub async fn start(&self) -> Result<DeviceStart, OAuthError> {
        let metadata = self.provider.metadata().await?;
        let name = "device_authorization_endpoint";
        let url = metadata
            .device_authorization_endpoint
            .as_ref()
            .ok_or(OAuthError::NoEndpoint { name })?;
        let mut form = vec![("scope", self.scope.as_str())];
        form.extend(
            self.resource
                .as_deref()
                .map(|resource| ("resource", resource)),
        );
        let answer = oauth::post(&self.provider.http, url, &self.client, &form).await?;
        let seconds = |name: &str| answer.get(name).and_then(Value::as_u64);
        Ok(DeviceStart {
            user_code: oauth::required(&answer, "user_code")?,
            verification_uri: oauth::required(&answer, "verification_uri")?,
            verification_uri_complete: oauth::optional(&answer, "verification_uri_complete"),
            expires_in_s: seconds("expires_in").ok_or(OAuthError::Answer { name: "expires_in" })?,
            interval_s: seconds("interval")
                .unwrap_or(DEFAULT_INTERVAL_S)
                .clamp(1, MAX_INTERVAL_S),
            device_code: Zeroizing::new(oauth::required(&answer, "device_code")?),
        })
    }

    /// Asks whether the person has finished.
    ///
    /// # Errors
    /// When the person refused, the codes expired, or the provider cannot be used.
    pub async fn poll(&self, start: &DeviceStart) -> Result<DevicePoll, OAuthError> {
        let mut form = vec![
            ("grant_type", GRANT),
            ("device_code", start.device_code.as_str()),
        ];
        form.extend(
            self.resource
                .as_deref()
                .map(|resource| ("resource", resource)),
        );
        match self.tokens(&form).await {
            Ok(tokens) => Ok(DevicePoll::Tokens(tokens)),
            Err(OAuthError::Refused { code, .. }) if code == "authorization_pending" => {
                Ok(DevicePoll::Pending)
            }
            Err(OAuthError::Refused { code, .. }) if code == "slow_down" => {
                Ok(DevicePoll::SlowDown)
            }
            Err(error) => Err(error),
        }
    }

    /// Exchanges a refresh token for new tokens. The old refresh token may end by this.
    ///
    /// # Errors
    /// When the provider refuses (log in again) or cannot be used.
    pub async fn refresh(&self, refresh_token: &str) -> Result<DeviceTokens, OAuthError> {
        let mut form = vec![
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token),
        ];
        form.extend(
            self.resource
                .as_deref()
                .map(|resource| ("resource", resource)),
        );
        self.tokens(&form).await
    }

    async fn tokens(&self, form: &[(&str, &str)]) -> Result<DeviceTokens, OAuthError> {
        let metadata = self.provider.metadata().await?;
        let url = metadata
            .token_endpoint
            .as_ref()
            .ok_or(OAuthError::NoEndpoint {
                name: "token_endpoint",
            })?;
        let answer = oauth::post(&self.provider.http, url, &self.client, form).await?;
        oauth::require_bearer(&answer)?;
        Ok(DeviceTokens {
            access_token: Zeroizing::new(oauth::required(&answer, "access_token")?),
            refresh_token: oauth::optional(&answer, "refresh_token").map(Zeroizing::new),
            expires_in_s: answer.get("expires_in").and_then(Value::as_u64),
        })
    }
}
