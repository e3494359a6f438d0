//! HTTPS to the services, in the name of the person who is logged in.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cloister_settings::Url;
use cloister_types::{Clock, SystemClock};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::config::Config;
use crate::error::CliError;
use crate::login;
use crate::session::{Session, SessionStore};

/// The longest answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// How long one request may take.
const TIMEOUT: Duration = Duration::from_mins(1);
/// An access token is renewed when it has less than this many seconds to live.
const RENEW_BEFORE_S: u64 = 30;

/// An HTTP client that trusts the configured authority, or the public ones.
///
/// # Errors
/// When the certificates cannot be read.
pub(crate) fn client(ca_file: Option<&Path>) -> Result<reqwest::Client, CliError> {
    let mut builder = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("cloister/", env!("CARGO_PKG_VERSION")));
    if let Some(path) = ca_file {
        let pem = std::fs::read(path).map_err(|source| CliError::File {
            path: path.to_path_buf(),
            source,
        })?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem)
            .ok()
            .filter(|certificates| !certificates.is_empty())
            .ok_or_else(|| CliError::Certificates {
                path: path.to_path_buf(),
            })?;
        builder = builder.tls_certs_only(certificates);
    }
    let url = "the HTTP client".to_owned();
    builder
        .build()
        .map_err(|source| CliError::Unreachable { url, source })
}

/// The services as the logged-in person reaches them.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    http: reqwest::Client,
    config: Arc<Config>,
    store: SessionStore,
    session: Arc<Mutex<Session>>,
}

impl Api {
    /// Takes up the stored session.
    ///
    /// # Errors
    /// When nobody is logged in.
    pub(crate) fn open(config: Config, store: SessionStore) -> Result<Self, CliError> {
        let http = client(config.ca_file.as_deref())?;
        let session = Arc::new(Mutex::new(store.load()?));
        Ok(Self {
            http,
            config: Arc::new(config),
            store,
            session,
        })
    }

    /// An access token with some life left, renewed when needed. Renewals happen one at a time.
    ///
    /// # Errors
    /// When the session has ended.
    pub(crate) async fn token(&self) -> Result<String, CliError> {
        let mut session = self.session.lock().await;
        let now = SystemClock.now().seconds();
        if session.expires_at <= now.saturating_add(RENEW_BEFORE_S) {
            if session.refresh_token.is_some() {
                *session = login::refresh(&self.config, &session).await?;
                self.store.save(&session)?;
            } else if session.expires_at <= now {
                return Err(CliError::SessionEnded);
            }
        }
        Ok(session.access_token.clone())
    }

    /// The gateway.
    pub(crate) fn gateway(&self) -> &Url {
        &self.config.gateway
    }

    /// The disclosure service.
    ///
    /// # Errors
    /// When the settings do not name it.
    pub(crate) fn disclosure(&self) -> Result<&Url, CliError> {
        let missing = "the settings do not name the `disclosure` service";
        self.config
            .disclosure
            .as_ref()
            .ok_or_else(|| CliError::Argument(missing.to_owned()))
    }

    /// Sends a request and returns status and body, whatever the status.
    ///
    /// # Errors
    /// When the service does not answer or says too much.
    pub(crate) async fn send(
        &self,
        method: reqwest::Method,
        url: Url,
        body: Option<Vec<u8>>,
    ) -> Result<(u16, Vec<u8>), CliError> {
        let name = url.to_string();
        let unreachable = |source| CliError::Unreachable {
            url: name.clone(),
            source,
        };
        let mut request = self
            .http
            .request(method, url)
            .bearer_auth(self.token().await?);
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body);
        }
        let mut answer = request.send().await.map_err(unreachable)?;
        let status = answer.status().as_u16();
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
            if bytes.len().saturating_add(chunk.len()) > MAX_ANSWER_BYTES {
                return Err(CliError::BadAnswer {
                    url: name,
                    reason: "it is too long".to_owned(),
                });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok((status, bytes))
    }

    /// Sends JSON and reads JSON; an answer other than 2xx is an error.
    ///
    /// # Errors
    /// When the service does not answer or refuses.
    pub(crate) async fn json(
        &self,
        method: reqwest::Method,
        url: Url,
        body: Option<&Value>,
    ) -> Result<Value, CliError> {
        let name = url.to_string();
        let body = body.map(|body| body.to_string().into_bytes());
        let (status, bytes) = self.send(method, url, body).await?;
        let value: Option<Value> = serde_json::from_slice(&bytes).ok();
        if !(200..300).contains(&status) {
            let said = value.as_ref().and_then(|value| {
                let message = value
                    .get("message")
                    .or_else(|| value.pointer("/error/message"));
                message.and_then(Value::as_str).map(str::to_owned)
            });
            let message = said.unwrap_or_else(|| String::from_utf8_lossy(&bytes).into_owned());
            return Err(CliError::Refused {
                url: name,
                status,
                message,
            });
        }
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        value.ok_or_else(|| CliError::BadAnswer {
            url: name,
            reason: "it is no JSON".to_owned(),
        })
    }

    /// One JSON-RPC call to the gateway.
    ///
    /// # Errors
    /// When the gateway does not answer or answers with an error.
    pub(crate) async fn rpc(&self, method: &str, params: Value) -> Result<Value, CliError> {
        let url = self.gateway().clone();
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut answer = self
            .json(reqwest::Method::POST, url.clone(), Some(&body))
            .await?;
        if let Some(error) = answer.get("error") {
            let message = error
                .get("message")
                .and_then(Value::as_str)
                .unwrap_or("no reason given");
            let message = message.to_owned();
            return Err(CliError::Refused {
                url: url.to_string(),
                status: 200,
                message,
            });
        }
        answer
            .get_mut("result")
            .map(Value::take)
            .ok_or_else(|| CliError::BadAnswer {
                url: url.to_string(),
                reason: "it has no result".to_owned(),
            })
    }
}
