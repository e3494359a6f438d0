//! The HTTP client for the identity provider: HTTPS, no redirects, no proxies, bounded answers.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::{Certificate, Client, RequestBuilder, redirect};
use serde_json::Value;
use thiserror::Error;
use url::{Host, Url};

use crate::json;

/// Longest answer of the provider, in bytes.
pub(crate) const MAX_BODY_BYTES: usize = 256 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const TIMEOUT: Duration = Duration::from_secs(8);

/// Why the provider could not be asked.
#[derive(Debug, Error)]
pub enum HttpError {
    /// The CA file is not a list of PEM certificates.
    #[error("the certificate authority for the identity provider is not PEM: {reason}")]
    Certificate {
        /// What is wrong with it.
        reason: String,
    },
    /// The client cannot be made.
    #[error("cannot make an HTTPS client")]
    Client(#[source] reqwest::Error),
    /// An address that is neither HTTPS nor on this machine.
    #[error("`{url}` is not an https address")]
    Insecure {
        /// The address.
        url: String,
    },
    /// No answer.
    #[error("the identity provider does not answer at `{url}`")]
    Unreachable {
        /// The address.
        url: String,
        /// What went wrong.
        #[source]
        source: reqwest::Error,
    },
    /// An answer that is longer than the limit.
    #[error("the answer of `{url}` is longer than {MAX_BODY_BYTES} bytes")]
    TooLong {
        /// The address.
        url: String,
    },
    /// An answer that is not JSON.
    #[error("the answer of `{url}` is not JSON: {reason}")]
    NotJson {
        /// The address.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// An HTTP client for one provider. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: Client,
}

/// An answer: status and JSON body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl HttpClient {
    /// A client that trusts the system's certificate authorities, or only those in `ca_pem`.
    ///
    /// # Errors
    /// When the PEM text does not parse.
    pub fn new(ca_pem: Option<&[u8]>) -> Result<Self, HttpError> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Somebody else may have been quicker; then theirs is used.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let mut builder = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT);
        let Some(pem) = ca_pem else {
            return Ok(Self {
                client: builder.build().map_err(HttpError::Client)?,
            });
        };
        let refuse = |reason: String| HttpError::Certificate { reason };
        let trusted =
            Certificate::from_pem_bundle(pem).map_err(|error| refuse(error.to_string()))?;
        if trusted.is_empty() {
            return Err(refuse("it holds no certificate".to_owned()));
        }
        builder = builder.tls_certs_only(trusted);
        Ok(Self {
            client: builder.build().map_err(|error| refuse(error.to_string()))?,
        })
    }

    pub(crate) async fn get(&self, url: &Url) -> Result<Answer, HttpError> {
        self.send(url, self.client.get(url.clone())).await
    }

    /// Posts a form, with HTTP basic authentication when given.
    pub(crate) async fn post(
        &self,
        url: &Url,
        form: &[(&str, &str)],
        authorization: Option<&str>,
    ) -> Result<Answer, HttpError> {
        let mut request = self.client.post(url.clone()).form(form);
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        self.send(url, request).await
    }

    async fn send(&self, url: &Url, request: RequestBuilder) -> Result<Answer, HttpError> {
        require_secure(url)?;
        let unreachable = |source: reqwest::Error| HttpError::Unreachable {
            url: url.to_string(),
            source: source.without_url(),
        };
        let request = request.header("accept", "application/json");
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > MAX_BODY_BYTES {
                return Err(HttpError::TooLong {
                    url: url.to_string(),
                });
            }
            body.extend_from_slice(&chunk);
        }
        let body = json::parse(&body).map_err(|reason| HttpError::NotJson {
            url: url.to_string(),
            reason: reason.to_string(),
        })?;
        Ok(Answer { status, body })
    }
}

/// Plain HTTP is for tests on this machine only.
pub(crate) fn require_secure(url: &Url) -> Result<(), HttpError> {
    let local = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    match url.scheme() {
        "https" => Ok(()),
        "http" if local => Ok(()),
        _ => Err(HttpError::Insecure {
            url: url.to_string(),
        }),
    }
}
