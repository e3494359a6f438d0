//! Requests to the token endpoint (RFC 6749).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use thiserror::Error;
use url::Url;
use url::form_urlencoded::byte_serialize;
use zeroize::Zeroizing;

use crate::http::{HttpClient, HttpError};
use crate::provider::ProviderError;

const MAX_REASON_CHARS: usize = 200;

/// Why tokens could not be had.
#[derive(Debug, Error)]
pub enum OAuthError {
    /// The provider cannot be used.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The provider has no such endpoint.
    #[error("the identity provider has no `{name}`; enable it there")]
    NoEndpoint {
        /// Name of the endpoint in the metadata.
        name: &'static str,
    },
    /// The provider refused.
    #[error("the identity provider refused: `{code}` {description}")]
    Refused {
        /// The code of RFC 6749, section 5.2, e.g. `invalid_grant`.
        code: String,
        /// What it says to people.
        description: String,
    },
    /// An answer without what it must hold.
    #[error("the identity provider's answer has no usable `{name}`")]
    Answer {
        /// The member.
        name: &'static str,
    },
}

impl From<HttpError> for OAuthError {
    fn from(error: HttpError) -> Self {
        Self::Provider(error.into())
    }
}

/// Name and secret of a client.
#[derive(Clone)]
pub struct ClientCredentials {
    id: String,
    secret: Option<Zeroizing<String>>,
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCredentials")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl ClientCredentials {
    /// A client that cannot keep a secret, such as a command-line tool.
    #[must_use]
    pub fn public(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            secret: None,
        }
    }

    /// A client with a secret, sent by HTTP basic authentication.
    #[must_use]
    pub fn confidential(id: impl Into<String>, secret: Zeroizing<String>) -> Self {
        Self {
            id: id.into(),
            secret: Some(secret),
        }
    }

    /// The client's name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// RFC 6749, section 2.3.1: both parts are form-encoded first.
    fn authorization(&self) -> Option<Zeroizing<String>> {
        let secret = self.secret.as_ref()?;
        let encode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let pair = Zeroizing::new(format!("{}:{}", encode(&self.id), encode(secret)));
        Some(Zeroizing::new(format!(
            "Basic {}",
            STANDARD.encode(pair.as_bytes())
        )))
    }
}

/// Posts to an endpoint of the provider and returns the answer's body when it succeeded.
pub(crate) async fn post(
    http: &HttpClient,
    url: &Url,
    client: &ClientCredentials,
    form: &[(&str, &str)],
) -> Result<Value, OAuthError> {
    let authorization = client.authorization();
    let mut form = form.to_vec();
    if authorization.is_none() {
        form.push(("client_id", client.id()));
    }
    let answer = http
        .post(url, &form, authorization.as_ref().map(|a| a.as_str()))
        .await?;
    if answer.status == 200 {
        return Ok(answer.body);
    }
    let text = |name: &str| {
        let text = answer
            .body
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default();
        text.chars()
            .filter(|c| !c.is_control())
            .take(MAX_REASON_CHARS)
            .collect::<String>()
    };
    match text("error") {
        code if code.is_empty() => Err(ProviderError::Status {
            url: url.to_string(),
            status: answer.status,
        }
        .into()),
        code => Err(OAuthError::Refused {
            code,
            description: text("error_description"),
        }),
    }
}

pub(crate) fn required(answer: &Value, name: &'static str) -> Result<String, OAuthError> {
    optional(answer, name).ok_or(OAuthError::Answer { name })
}

pub(crate) fn optional(answer: &Value, name: &str) -> Option<String> {
    answer
        .get(name)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

/// RFC 6750: the only kind of token that is used here.
pub(crate) fn require_bearer(answer: &Value) -> Result<(), OAuthError> {
    let kind = optional(answer, "token_type").unwrap_or_default();
    if kind.eq_ignore_ascii_case("bearer") {
        Ok(())
    } else {
        Err(OAuthError::Answer { name: "token_type" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_authentication_encodes_both_parts_first() {
        let secret = Zeroizing::new("p:ä /".to_owned());
        let header = ClientCredentials::confidential("a b", secret)
            .authorization()
            .unwrap();
        let decoded = STANDARD
            .decode(header.strip_prefix("Basic ").unwrap())
            .unwrap();
        assert_eq!(String::from_utf8(decoded).unwrap(), "a+b:p%3A%C3%A4+%2F");
        assert!(ClientCredentials::public("a").authorization().is_none());
    }

    #[test]
    fn a_secret_is_not_shown() {
        let client = ClientCredentials::confidential("a", Zeroizing::new("hidden".to_owned()));
        assert!(!format!("{client:?}").contains("hidden"));
    }
}
