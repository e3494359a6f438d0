//! OpenID Connect: discovery, key rotation, access-token checks by RFC 8725 and RFC 9068.
//!
//! [`Verifier`] decides whether a bearer token is a genuine, current access token of the configured
//! provider for this audience. [`LoginClient`] runs the authorization-code flow with PKCE for
//! browsers, [`DeviceClient`] the device flow (RFC 8628) for the command line. ID tokens go through
//! the same strict JOSE code as access tokens.
//!
//! What it refuses to know: roles, desks and policies (it hands out the groups of a configured claim
//! as they are), sessions, cookies and where secrets are kept. Time comes in as a
//! [`cloister_types::Clock`], randomness as bytes.
//!
//! ```text
//!  issuer ──► Provider ── metadata (discovery, issuer must match)
//!                │        └ KeyCache ── JWKS (rotation, single flight, bounded refresh)
//!                ├──► Verifier ──► AccessToken        (bearer tokens)
//!                ├──► LoginClient ──► LoginTokens     (code + PKCE + nonce)
//!                └──► DeviceClient ──► DeviceTokens   (user code)
//! ```
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//!
//! use cloister_oidc::{HttpClient, Provider, Verifier, VerifierOptions};
//! use cloister_types::SystemClock;
//!
//! let http = HttpClient::new(None)?;
//! let provider = Arc::new(Provider::new("https://id.example", http, Arc::new(SystemClock))?);
//! let verifier = Verifier::new(provider, VerifierOptions::new("urn:cloister:api", "groups"));
//! let token = verifier.verify("eyJ0eXAiOiJhdCtqd3Qi…").await?;
//! println!("{} {:?}", token.subject, token.groups);
//! # Ok(())
//! # }
//! ```

mod cache;
mod claims;
mod device;
mod http;
mod jose;
mod json;
mod jwks;
mod keys;
mod login;
mod oauth;
mod provider;
mod verifier;

pub use claims::{AccessToken, ClaimPath, IdToken};
pub use device::{DeviceClient, DevicePoll, DeviceStart, DeviceTokens};
pub use http::{HttpClient, HttpError};
pub use jose::{Algorithm, MAX_TOKEN_BYTES};
pub use login::{Callback, LoginClient, LoginError, LoginSecrets, LoginTokens};
pub use oauth::{ClientCredentials, OAuthError};
pub use provider::{Metadata, Provider, ProviderError};
pub use verifier::{SKEW_S, TokenError, Verifier, VerifierOptions};
