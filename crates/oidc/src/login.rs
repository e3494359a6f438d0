//! Logging in with a browser: authorization code with PKCE (RFC 7636, RFC 9700).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde_json::Value;
use thiserror::Error;
use url::Url;
use zeroize::Zeroizing;

use crate::claims::{ClaimPath, IdToken};
use crate::oauth::{self, ClientCredentials, OAuthError};
use crate::provider::{Provider, ProviderError};
use crate::verifier::{TokenError, verify_id_token};

/// Why a login did not succeed.
#[derive(Debug, Error)]
pub enum LoginError {
    /// The provider refused or cannot be used.
    #[error(transparent)]
    OAuth(#[from] OAuthError),
    /// The provider sent the browser back with an error.
    #[error("the login was not completed: `{code}`")]
    NotCompleted {
        /// E.g. `access_denied`.
        code: String,
    },
    /// The browser came back from another provider (RFC 9207).
    #[error("the login came back from another identity provider")]
    Issuer,
    /// The browser came back without a code.
    #[error("the login came back without a code")]
    NoCode,
    /// The ID token is not acceptable.
    #[error("the login's ID token is not acceptable: {0}")]
    Token(#[from] TokenError),
}

impl From<ProviderError> for LoginError {
    fn from(error: ProviderError) -> Self {
        Self::OAuth(error.into())
    }
}

/// What binds a login to the browser that began it. Keep it on the server, by the state.
#[derive(Clone, Debug)]
pub struct LoginSecrets {
    /// Goes to the provider and comes back with the browser.
    pub state: String,
    /// The ID token must repeat it.
    pub nonce: String,
    /// Proves to the token endpoint that the code is ours; also RFC 7636's `code_verifier`.
    pub code_verifier: Zeroizing<String>,
}

impl LoginSecrets {
    /// Makes secrets of 96 random bytes.
    #[must_use]
    pub fn from_entropy(entropy: &[u8; 96]) -> Self {
        let part = |at: usize| URL_SAFE_NO_PAD.encode(&entropy[at..at + 32]);
        Self {
            state: part(0),
            nonce: part(32),
            code_verifier: Zeroizing::new(part(64)),
        }
    }
}

/// The query with which the browser comes back. The caller has found the login by `state`.
#[derive(Clone, Debug, Default)]
pub struct Callback {
    /// The code.
    pub code: Option<String>,
    /// The issuer (RFC 9207).
    pub iss: Option<String>,
    /// The provider's error code.
    pub error: Option<String>,
}

/// What a login yields.
#[derive(Clone, Debug)]
pub struct LoginTokens {
    /// Who logged in, verified.
    pub id: IdToken,
    /// The ID token as received, for logging out.
    pub raw_id_token: Zeroizing<String>,
    /// An access token, not verified here.
    pub access_token: Zeroizing<String>,
}

/// A client that logs people in.
#[derive(Debug)]
pub struct LoginClient {
    provider: Arc<Provider>,
    client: ClientCredentials,
    redirect_uri: Url,
    scope: String,
    resource: Option<String>,
    groups: ClaimPath,
}

impl LoginClient {
    /// A client. `scope` holds names with spaces between and must include `openid`; `groups` names
    /// the claim of the ID token that holds the groups.
    #[must_use]
    pub fn new(
        provider: Arc<Provider>,
        client: ClientCredentials,
        redirect_uri: Url,
        scope: impl Into<String>,
        groups: ClaimPath,
    ) -> Self {
        Self {
            provider,
            client,
            redirect_uri,
            scope: scope.into(),
            resource: None,
            groups,
        }
    }

    /// Asks for an access token for this audience (RFC 8707).
    #[must_use]
    pub fn with_resource(mut self, resource: impl Into<String>) -> Self {
        self.resource = Some(resource.into());
        self
    }

    /// Where to send the browser.
    ///
    /// # Errors
    /// When the provider cannot be used or has no authorization endpoint.
    pub async fn begin(&self, secrets: &LoginSecrets) -> Result<Url, LoginError> {
        let metadata = self.provider.metadata().await?;
        let mut url = metadata
            .authorization_endpoint
            .clone()
            .ok_or(OAuthError::NoEndpoint {
                name: "authorization_endpoint",
            })?;
        let verifier = digest(&SHA256, secrets.code_verifier.as_bytes());
        let challenge = URL_SAFE_NO_PAD.encode(verifier.as_ref());
        {
            let mut query = url.query_pairs_mut();
            query
                .append_pair("response_type", "code")
                .append_pair("client_id", self.client.id())
                .append_pair("redirect_uri", self.redirect_uri.as_str())
                .append_pair("scope", &self.scope)
                .append_pair("state", &secrets.state)
                .append_pair("nonce", &secrets.nonce)
                .append_pair("code_challenge", &challenge)
                .append_pair("code_challenge_method", "S256");
            if let Some(resource) = &self.resource {
                query.append_pair("resource", resource);
            }
        }
        Ok(url)
    }

    /// Completes a login with what the browser brought back and the secrets kept for its state.
    ///
    /// # Errors
    /// When the provider says no, or the ID token is not one for this login.
    pub async fn finish(
        &self,
        callback: &Callback,
        secrets: &LoginSecrets,
    ) -> Result<LoginTokens, LoginError> {
        let metadata = self.provider.metadata().await?;
        match callback.iss.as_deref() {
            Some(issuer) if issuer != self.provider.issuer() => return Err(LoginError::Issuer),
            None if metadata.callback_has_issuer => return Err(LoginError::Issuer),
            _ => {}
        }
        if let Some(code) = &callback.error {
            return Err(LoginError::NotCompleted {
                code: code.chars().take(64).collect(),
            });
        }
        let code = callback.code.as_deref().ok_or(LoginError::NoCode)?;
        let answer = self.exchange(&metadata, code, secrets).await?;
        oauth::require_bearer(&answer)?;
        let raw_id_token = Zeroizing::new(oauth::required(&answer, "id_token")?);
        let access_token = Zeroizing::new(oauth::required(&answer, "access_token")?);
        let (client_id, nonce) = (self.client.id(), secrets.nonce.as_str());
        let id = verify_id_token(
            &self.provider,
            &raw_id_token,
            client_id,
            nonce,
            &self.groups,
        )
        .await?;
        Ok(LoginTokens {
            id,
            raw_id_token,
            access_token,
        })
    }

    async fn exchange(
        &self,
        metadata: &crate::Metadata,
        code: &str,
        secrets: &LoginSecrets,
    ) -> Result<Value, OAuthError> {
        let url = metadata
            .token_endpoint
            .as_ref()
            .ok_or(OAuthError::NoEndpoint {
                name: "token_endpoint",
            })?;
        let mut form = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.redirect_uri.as_str()),
            ("code_verifier", secrets.code_verifier.as_str()),
        ];
        if let Some(resource) = &self.resource {
            form.push(("resource", resource));
        }
        oauth::post(&self.provider.http, url, &self.client, &form).await
    }
}
