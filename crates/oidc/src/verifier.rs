//! Deciding whether a token is genuine, current and for us.

use std::sync::Arc;

use thiserror::Error;

use crate::cache::{TokenCache, fingerprint};
use crate::claims::{AccessToken, ClaimPath, Claims, IdToken};
use crate::jose::{MAX_TOKEN_BYTES, Unverified};
use crate::provider::{Provider, ProviderError};

/// How far the provider's clock and ours may be apart, in seconds.
pub const SKEW_S: u64 = 30;

/// Why a token is not accepted.
#[derive(Debug, Error)]
pub enum TokenError {
    /// Longer than the limit.
    #[error("the token has {got} bytes, at most {MAX_TOKEN_BYTES} are read")]
    TooLong {
        /// Bytes received.
        got: usize,
    },
    /// Not a signed token in compact form.
    #[error("the token is not three parts with dots between")]
    NotThreeParts,
    /// A part that does not decode.
    #[error("the token's {part} is malformed: {reason}")]
    Malformed {
        /// Which part.
        part: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A header member by which the token would choose its own key or rules.
    #[error("the token's header has `{name}`, which is not accepted")]
    ForbiddenHeader {
        /// The member.
        name: &'static str,
    },
    /// An algorithm outside the allow-list, such as `none` or `HS256`.
    #[error("the token's algorithm `{got}` is not accepted; use ES256, RS256, PS256 or EdDSA")]
    Algorithm {
        /// The algorithm.
        got: String,
    },
    /// A token of another kind, e.g. an ID token used as an access token.
    #[error("the token's type is `{got}`, not `{expected}`")]
    Type {
        /// The type in the header, or nothing.
        got: String,
        /// The type it must be.
        expected: &'static str,
    },
    /// The provider has no such key, or no longer.
    #[error("the provider has no key `{id}`")]
    UnknownKey {
        /// The id in the header, or nothing.
        id: String,
    },
    /// The key is of another type or for another algorithm than the token says.
    #[error("the key `{id}` is not one for `{algorithm}`")]
    WrongKey {
        /// The id in the header.
        id: String,
        /// The algorithm in the header.
        algorithm: &'static str,
    },
    /// The signature does not verify.
    #[error("the token's signature is wrong")]
    Signature,
    /// A claim that must be there is not.
    #[error("the token has no `{name}`")]
    MissingClaim {
        /// The claim.
        name: String,
    },
    /// A claim of the wrong shape.
    #[error("the token's `{name}` is not valid")]
    InvalidClaim {
        /// The claim.
        name: String,
    },
    /// A token of another provider.
    #[error("the token was issued by `{got}`")]
    Issuer {
        /// The issuer.
        got: String,
    },
    /// A token for somebody else.
    #[error("the token is not for `{expected}`")]
    Audience {
        /// The audience it must name.
        expected: String,
    },
    /// A token whose time is over.
    #[error("the token expired at {at}; log in again")]
    Expired {
        /// UNIX seconds.
        at: u64,
    },
    /// A token whose time has not come.
    #[error("the token is not valid before {at}")]
    NotYetValid {
        /// UNIX seconds.
        at: u64,
    },
    /// An ID token of another login.
    #[error("the token belongs to another login")]
    Nonce,
    /// The provider's keys are not known, so nothing can be said about the token.
    #[error("the token cannot be checked: {0}")]
    Provider(#[from] ProviderError),
}

impl TokenError {
    /// Whether the token may be good and only the provider is away: answer "try again", not "log in".
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Provider(_))
    }
}

impl PartialEq for TokenError {
    /// By what they say.
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

/// What an access token must be.
#[derive(Clone, Debug)]
pub struct VerifierOptions {
    /// The audience that it must name, exactly.
    pub audience: String,
    /// Where its groups are.
    pub groups: ClaimPath,
    /// Most verified tokens that are remembered.
    pub cached_tokens: usize,
    /// How long a verified token is remembered, in seconds, if it does not expire before. Also how
    /// long a token outlives its key.
    pub cache_s: u64,
}

impl VerifierOptions {
    /// An audience and the claim that holds the groups; 16,384 tokens remembered for 5 minutes.
    #[must_use]
    pub fn new(audience: impl Into<String>, groups_claim: impl Into<String>) -> Self {
        Self {
            audience: audience.into(),
            groups: ClaimPath::new(groups_claim),
            cached_tokens: 16_384,
            cache_s: 300,
        }
    }
}

/// Verifies bearer access tokens of one provider. The checks are those of RFC 8725 and RFC 9068,
/// section 4 (SOI-1 to SOI-6).
#[derive(Debug)]
pub struct Verifier {
    provider: Arc<Provider>,
    options: VerifierOptions,
    cache: TokenCache,
}

impl Verifier {
    /// A verifier.
    #[must_use]
    pub fn new(provider: Arc<Provider>, options: VerifierOptions) -> Self {
        let cache = TokenCache::new(options.cached_tokens);
        Self {
            provider,
            options,
            cache,
        }
    }

    /// The provider.
    #[must_use]
    pub fn provider(&self) -> &Arc<Provider> {
        &self.provider
    }

    /// Verifies an access token.
    ///
    /// # Errors
    /// The first thing that is wrong with it, or that the provider's keys are not to be had.
    pub async fn verify(&self, token: &str) -> Result<Arc<AccessToken>, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong { got: token.len() });
        }
        let key = fingerprint(token);
        let now = self.provider.clock.now();
        if let Some(known) = self.cache.get(&key, now.0) {
            return Ok(known);
        }
        let verified = Arc::new(self.check(token).await?);
        let until_ms = verified
            .expires_at
            .saturating_add(SKEW_S)
            .min(now.seconds().saturating_add(self.options.cache_s))
            .saturating_mul(1000);
        self.cache.put(key, Arc::clone(&verified), until_ms);
        Ok(verified)
    }

    async fn check(&self, token: &str) -> Result<AccessToken, TokenError> {
        let parsed = Unverified::parse(token)?;
        require_type(&parsed, "at+jwt")?;
        check_signature(&self.provider, &parsed).await?;
        let claims = Claims(&parsed.claims);
        let Common {
            issued_at,
            expires_at,
        } = check_common(&self.provider, claims)?;
        if !claims.audiences()?.contains(&self.options.audience) {
            return Err(TokenError::Audience {
                expected: self.options.audience.clone(),
            });
        }
        let client_id = match claims.text("client_id")? {
            Some(id) => id,
            None => claims
                .text("azp")?
                .ok_or_else(|| TokenError::MissingClaim {
                    name: "client_id".to_owned(),
                })?,
        };
        Ok(AccessToken {
            issuer: self.provider.issuer().to_owned(),
            subject: claims.subject()?,
            client_id,
            groups: claims.groups(&self.options.groups)?,
            token_id: claims.text("jti")?,
            session_id: claims.text("sid")?,
            name: claims.text("name")?,
            issued_at,
            expires_at,
        })
    }
}

/// Verifies an ID token (OpenID Connect Core 1.0, section 3.1.3.7) for a client and a login.
pub(crate) async fn verify_id_token(
    provider: &Provider,
    token: &str,
    client_id: &str,
    nonce: &str,
    groups: &ClaimPath,
) -> Result<IdToken, TokenError> {
    let parsed = Unverified::parse(token)?;
    if parsed.typ.is_some() {
        require_type(&parsed, "JWT")?;
    }
    check_signature(provider, &parsed).await?;
    let claims = Claims(&parsed.claims);
    let Common {
        issued_at,
        expires_at,
    } = check_common(provider, claims)?;
    let audiences = claims.audiences()?;
    let authorized = claims.text("azp")?;
    // With several audiences the token must say that it was made for us.
    let ours = audiences.iter().any(|audience| audience == client_id)
        && authorized
            .as_deref()
            .map_or(audiences.len() == 1, |party| party == client_id);
    if !ours {
        return Err(TokenError::Audience {
            expected: client_id.to_owned(),
        });
    }
    if claims.required_text("nonce")? != nonce {
        return Err(TokenError::Nonce);
    }
    Ok(IdToken {
        issuer: provider.issuer().to_owned(),
        subject: claims.subject()?,
        groups: claims.groups(groups)?,
        name: claims.text("name")?,
        session_id: claims.text("sid")?,
        issued_at,
        expires_at,
    })
}

fn require_type(token: &Unverified<'_>, expected: &'static str) -> Result<(), TokenError> {
    let got = token.typ.clone().unwrap_or_default();
    // RFC 7515, section 4.1.9: the media type, whose prefix may be left out, in any case of letters.
    let lower = got.to_ascii_lowercase();
    let short = lower.strip_prefix("application/").unwrap_or(&lower);
    if short == expected.to_ascii_lowercase() {
        Ok(())
    } else {
        Err(TokenError::Type { got, expected })
    }
}

async fn check_signature(provider: &Provider, token: &Unverified<'_>) -> Result<(), TokenError> {
    let Unverified {
        algorithm,
        key_id,
        signed,
        signature,
        ..
    } = token;
    let id = || key_id.clone().unwrap_or_default();
    let keys = provider.keys().find(provider, key_id.as_deref()).await?;
    if keys.is_empty() {
        return Err(TokenError::UnknownKey { id: id() });
    }
    let mut serving = keys.iter().filter(|key| key.serves(*algorithm)).peekable();
    if serving.peek().is_none() {
        return Err(TokenError::WrongKey {
            id: id(),
            algorithm: algorithm.name(),
        });
    }
    if serving.any(|key| key.verify(*algorithm, signed, signature)) {
        Ok(())
    } else {
        Err(TokenError::Signature)
    }
}

struct Common {
    issued_at: u64,
    expires_at: u64,
}

fn check_common(provider: &Provider, claims: Claims<'_>) -> Result<Common, TokenError> {
    let issuer = claims.required_text("iss")?;
    if issuer != provider.issuer() {
        return Err(TokenError::Issuer { got: issuer });
    }
    let now = provider.clock.now().seconds();
    let expires_at = claims.required_time("exp")?;
    if now >= expires_at.saturating_add(SKEW_S) {
        return Err(TokenError::Expired { at: expires_at });
    }
    let issued_at = claims.required_time("iat")?;
    let begins_at = claims.time("nbf")?.unwrap_or(issued_at).max(issued_at);
    if begins_at > now.saturating_add(SKEW_S) {
        return Err(TokenError::NotYetValid { at: begins_at });
    }
    Ok(Common {
        issued_at,
        expires_at,
    })
}
