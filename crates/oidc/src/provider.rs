//! The identity provider: what discovery says about it, and its keys.

use std::sync::{Arc, RwLock};

use cloister_types::Clock;
use serde_json::Value;
use thiserror::Error;
use tokio::sync::Mutex;
use url::Url;

use crate::http::{HttpClient, HttpError, require_secure};
use crate::jwks::KeyCache;

/// How long metadata is used before it is fetched again, in milliseconds.
const METADATA_AGE_MS: u64 = 3600 * 1000;
/// The least time between two fetches, in milliseconds.
const RETRY_MS: u64 = 2000;

/// Why the provider cannot be used.
#[derive(Debug, Error)]
pub enum ProviderError {
    /// The configured issuer is not an address.
    #[error("the issuer `{issuer}` is not an https address")]
    Issuer {
        /// The issuer.
        issuer: String,
    },
    /// It could not be asked.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// It answered with an error.
    #[error("`{url}` answered with status {status}")]
    Status {
        /// The address.
        url: String,
        /// The status.
        status: u16,
    },
    /// The metadata are those of another issuer (OpenID Connect Discovery 1.0, section 4.3).
    #[error("the metadata are of the issuer `{got}`, not of `{expected}`")]
    IssuerMismatch {
        /// The configured issuer.
        expected: String,
        /// The issuer in the metadata.
        got: String,
    },
    /// A member of the metadata is missing or is not an https address.
    #[error("the provider's metadata have no usable `{name}`")]
    Metadata {
        /// The member.
        name: &'static str,
    },
    /// The key set is not one.
    #[error("the provider's key set is not valid")]
    KeySet,
    /// A fetch failed a moment ago and is not repeated yet.
    #[error("the identity provider failed a moment ago: {reason}")]
    Waiting {
        /// What went wrong then.
        reason: Arc<str>,
    },
}

/// What discovery says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Where browsers log in.
    pub authorization_endpoint: Option<Url>,
    /// Where codes become tokens.
    pub token_endpoint: Option<Url>,
    /// Where the device flow begins.
    pub device_authorization_endpoint: Option<Url>,
    /// Where browsers log out.
    pub end_session_endpoint: Option<Url>,
    /// Where the keys are.
    pub jwks_uri: Url,
    /// Callbacks carry the issuer (RFC 9207).
    pub callback_has_issuer: bool,
}

#[derive(Clone, Debug, Default)]
struct State {
    metadata: Option<Arc<Metadata>>,
    fetched_at_ms: u64,
    failure: Option<(u64, Arc<str>)>,
}

/// One provider. It is asked when it is first needed, so a service starts without it.
#[derive(Debug)]
pub struct Provider {
    issuer: String,
    discovery: Url,
    pub(crate) http: HttpClient,
    pub(crate) clock: Arc<dyn Clock>,
    state: RwLock<State>,
    fetching: Mutex<()>,
    keys: KeyCache,
}

impl Provider {
    /// A provider by its issuer, exactly as it appears in tokens.
    ///
    /// # Errors
    /// When the issuer is not an https address without query and fragment.
    pub fn new(
        issuer: impl Into<String>,
        http: HttpClient,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ProviderError> {
        let issuer = issuer.into();
        let fail = || ProviderError::Issuer {
            issuer: issuer.clone(),
        };
        let parsed = Url::parse(&issuer).map_err(|_| fail())?;
        require_secure(&parsed).map_err(|_| fail())?;
        if parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(fail());
        }
        let address = format!(
            "{}/.well-known/openid-configuration",
            issuer.trim_end_matches('/')
        );
        let discovery = Url::parse(&address).map_err(|_| fail())?;
        let (state, fetching, keys) = (RwLock::default(), Mutex::default(), KeyCache::default());
        Ok(Self {
            issuer,
            discovery,
            http,
            clock,
            state,
            fetching,
            keys,
        })
    }

    /// The issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(crate) fn keys(&self) -> &KeyCache {
        &self.keys
    }

    fn state(&self) -> State {
        self.state
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    fn set_state(&self, state: State) {
        *self
            .state
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = state;
    }

    /// The provider's metadata, fetched at most once an hour. Old metadata are used while the provider
    /// is away.
    ///
    /// # Errors
    /// When they were never fetched and cannot be now.
    pub async fn metadata(&self) -> Result<Arc<Metadata>, ProviderError> {
        if let Some(metadata) = self.usable(&self.state()) {
            return Ok(metadata);
        }
        let _one_at_a_time = self.fetching.lock().await;
        let mut state = self.state();
        if let Some(metadata) = self.usable(&state) {
            return Ok(metadata);
        }
        let now_ms = self.clock.now().0;
        if let Some((at_ms, reason)) = &state.failure
            && now_ms < at_ms.saturating_add(RETRY_MS)
        {
            return Err(ProviderError::Waiting {
                reason: Arc::clone(reason),
            });
        }
        match self.discover().await {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                let fresh = Some(Arc::clone(&metadata));
                self.set_state(State {
                    metadata: fresh,
                    fetched_at_ms: now_ms,
                    failure: None,
                });
                Ok(metadata)
            }
            Err(error) => {
                state.failure = Some((now_ms, error.to_string().into()));
                let old = state.metadata.clone();
                self.set_state(state);
                tracing::warn!(issuer = self.issuer, %error, "discovery failed");
                old.ok_or(error)
            }
        }
    }

    /// Metadata that need no fetch now: fresh ones, or old ones just after a failure.
    fn usable(&self, state: &State) -> Option<Arc<Metadata>> {
        let now_ms = self.clock.now().0;
        let fresh = now_ms.saturating_sub(state.fetched_at_ms) < METADATA_AGE_MS;
        let waiting = state
            .failure
            .as_ref()
            .is_some_and(|(at_ms, _)| now_ms < at_ms.saturating_add(RETRY_MS));
        if fresh || waiting {
            state.metadata.clone()
        } else {
            None
        }
    }

    async fn discover(&self) -> Result<Metadata, ProviderError> {
        let document = self.fetch(&self.discovery).await?;
        let issuer = document
            .get("issuer")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if issuer != self.issuer {
            let (expected, got) = (self.issuer.clone(), issuer.to_owned());
            return Err(ProviderError::IssuerMismatch { expected, got });
        }
        let endpoint = |name: &'static str| match document.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value
                .as_str()
                .and_then(|text| Url::parse(text).ok())
                .filter(|url| require_secure(url).is_ok())
                .map(Some)
                .ok_or(ProviderError::Metadata { name }),
        };
        Ok(Metadata {
            authorization_endpoint: endpoint("authorization_endpoint")?,
            token_endpoint: endpoint("token_endpoint")?,
            device_authorization_endpoint: endpoint("device_authorization_endpoint")?,
            end_session_endpoint: endpoint("end_session_endpoint")?,
            jwks_uri: endpoint("jwks_uri")?.ok_or(ProviderError::Metadata { name: "jwks_uri" })?,
            callback_has_issuer: document.get("authorization_response_iss_parameter_supported")
                == Some(&Value::Bool(true)),
        })
    }

    pub(crate) async fn fetch(&self, url: &Url) -> Result<Value, ProviderError> {
        let answer = self.http.get(url).await?;
        if answer.status != 200 {
            return Err(ProviderError::Status {
                url: url.to_string(),
                status: answer.status,
            });
        }
        Ok(answer.body)
    }
}
