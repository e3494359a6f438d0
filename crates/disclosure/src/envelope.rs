//! The signed envelope: a JSON Web Signature (RFC 7515) in flattened JSON serialization.
//!
//! The protected header has exactly four members: `alg` (`EdDSA`, RFC 8037), `jwk` (the public
//! key), `kid` (that key's thumbprint, RFC 7638) and `typ`. Anything else, `crit` above all, is
//! refused. The key rides along so that a file can be checked for damage by anyone; whether it is
//! the institution's key is for the reader to know, and [`crate::Report`] says which it was.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::error::VerifyError;
use crate::key::{IssuerKey, Jwk, SigningKey};

/// The `typ` of every package.
pub const TYPE: &str = "cloister-package+jws";
/// The `alg` of every package.
const ALGORITHM: &str = "EdDSA";
/// The largest package that is read: 64 MiB.
pub const MAX_PACKAGE_BYTES: usize = 64 << 20;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Flattened {
    payload: String,
    protected: String,
    signature: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Protected {
    alg: String,
    jwk: Jwk,
    kid: String,
    typ: String,
}

/// What an envelope with a good signature holds.
pub(crate) struct Opened {
    /// The key in the envelope, which made the signature.
    pub(crate) key: IssuerKey,
    /// The signed payload.
    pub(crate) payload: Vec<u8>,
}

/// A payload that waits for its signature; the signer may be in another place (HSM, KMS).
#[derive(Debug, Clone)]
pub struct Unsigned {
    key: IssuerKey,
    signing_input: String,
    protected_length: usize,
}

impl Unsigned {
    pub(crate) fn new(key: &IssuerKey, payload: &[u8]) -> Result<Self, serde_json::Error> {
        let protected = serde_json::to_vec(&Protected {
            alg: ALGORITHM.to_owned(),
            jwk: key.jwk(),
            kid: key.thumbprint().as_str().to_owned(),
            typ: TYPE.to_owned(),
        })?;
        let mut signing_input = URL_SAFE_NO_PAD.encode(protected);
        let protected_length = signing_input.len();
        signing_input.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut signing_input);
        Ok(Self {
            key: key.clone(),
            signing_input,
            protected_length,
        })
    }

    /// The bytes to sign (RFC 7515 section 5.1 step 5).
    #[must_use]
    pub fn signing_input(&self) -> &[u8] {
        self.signing_input.as_bytes()
    }

    /// Joins the signature to the payload; `None` when it is not the key's over this payload.
    #[must_use]
    pub fn with_signature(&self, signature: &[u8; 64]) -> Option<String> {
        if !self.key.has_signed(self.signing_input(), signature) {
            return None;
        }
        let (protected, payload) = self.signing_input.split_at_checked(self.protected_length)?;
        serde_json::to_string_pretty(&Flattened {
            payload: payload.strip_prefix('.')?.to_owned(),
            protected: protected.to_owned(),
            signature: URL_SAFE_NO_PAD.encode(signature),
        })
        .ok()
    }

    /// Signs with a key at hand; `None` when it is another key than the envelope names.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> Option<String> {
        self.with_signature(&key.sign(self.signing_input()))
    }
}

/// Opens an envelope and checks its signature with the key inside it.
pub(crate) fn open(file: &[u8]) -> Result<Opened, VerifyError> {
    if file.len() > MAX_PACKAGE_BYTES {
        return Err(VerifyError::TooLarge {
            limit: MAX_PACKAGE_BYTES,
            got: file.len(),
        });
    }
    let Flattened {
        payload,
        protected,
        signature,
    } = serde_json::from_slice(file).map_err(|e| VerifyError::Envelope(e.to_string()))?;
    let header = URL_SAFE_NO_PAD
        .decode(&protected)
        .map_err(|_| base64_error("protected"))?;
    let Protected { alg, jwk, kid, typ } =
        serde_json::from_slice(&header).map_err(|e| VerifyError::Header(e.to_string()))?;
    if typ != TYPE {
        return Err(VerifyError::Type {
            expected: TYPE,
            got: typ,
        });
    }
    if alg != ALGORITHM {
        return Err(VerifyError::Algorithm {
            expected: ALGORITHM,
            got: alg,
        });
    }
    let key = IssuerKey::from_jwk(&jwk)?;
    if kid != key.thumbprint().as_str() {
        return Err(VerifyError::KeyId {
            expected: key.thumbprint(),
            got: kid,
        });
    }
    let signature = URL_SAFE_NO_PAD
        .decode(&signature)
        .map_err(|_| base64_error("signature"))?;
    let signature: [u8; 64] = signature.try_into().map_err(|_| VerifyError::Signature)?;
    let mut signing_input = protected;
    signing_input.push('.');
    signing_input.push_str(&payload);
    if !key.has_signed(signing_input.as_bytes(), &signature) {
        return Err(VerifyError::Signature);
    }
    let payload = URL_SAFE_NO_PAD
        .decode(&payload)
        .map_err(|_| base64_error("payload"))?;
    Ok(Opened { key, payload })
}

fn base64_error(member: &str) -> VerifyError {
    VerifyError::Envelope(format!("`{member}` is not base64url without padding"))
}
