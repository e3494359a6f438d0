//! The institution's Ed25519 key: reading it, naming it, and its form as a JSON Web Key.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePublicKey as _};
use ed25519_dalek::{Signature, Signer as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Why a key file was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a PKCS#8 PEM with an Ed25519 private key.
    #[error(
        "not an Ed25519 private key in PKCS#8 PEM: make one with `openssl genpkey -algorithm ed25519`"
    )]
    Private,
    /// Not a PEM with an Ed25519 public key.
    #[error("not an Ed25519 public key in PEM: make it with `openssl pkey -pubout`")]
    Public,
    /// The point has small order, so that one signature fits many messages.
    #[error("the Ed25519 public key is weak: ask the institution for its real key")]
    Weak,
}

/// A JSON Web Key of kind `OKP` with curve `Ed25519` (RFC 8037 section 2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jwk {
    /// Always `Ed25519`.
    pub crv: String,
    /// Always `OKP`.
    pub kty: String,
    /// The public key, 32 bytes in base64url without padding.
    pub x: String,
}

/// The SHA-256 thumbprint of a key (RFC 7638), in base64url; it names the key.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Thumbprint(String);

impl Thumbprint {
    /// The thumbprint's 43 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The public key that packages are checked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerKey(ed25519_dalek::VerifyingKey);

impl IssuerKey {
    /// Reads a `PUBLIC KEY` PEM (RFC 8410).
    ///
    /// # Errors
    /// When it is something else, or a weak key.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let key = ed25519_dalek::VerifyingKey::from_public_key_pem(pem.trim())
            .map_err(|_| KeyError::Public)?;
        Self::strong(key)
    }

    /// Reads the key out of its JSON Web Key.
    ///
    /// # Errors
    /// When the kind or curve differs, `x` is not 32 bytes of a point, or the key is weak.
    pub fn from_jwk(jwk: &Jwk) -> Result<Self, KeyError> {
        let Jwk { crv, kty, x } = jwk;
        if crv != "Ed25519" || kty != "OKP" || x.len() != 43 {
            return Err(KeyError::Public);
        }
        let bytes = URL_SAFE_NO_PAD.decode(x).map_err(|_| KeyError::Public)?;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| KeyError::Public)?;
        let key = ed25519_dalek::VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::Public)?;
        Self::strong(key)
    }

    fn strong(key: ed25519_dalek::VerifyingKey) -> Result<Self, KeyError> {
        if key.is_weak() {
            Err(KeyError::Weak)
        } else {
            Ok(Self(key))
        }
    }

    /// The key as a JSON Web Key.
    #[must_use]
    pub fn jwk(&self) -> Jwk {
        Jwk {
            crv: "Ed25519".to_owned(),
            kty: "OKP".to_owned(),
            x: URL_SAFE_NO_PAD.encode(self.0.as_bytes()),
        }
    }

    /// The key as a `PUBLIC KEY` PEM, or nothing if it cannot be encoded (never for a valid key).
    #[must_use]
    pub fn to_pem(&self) -> Option<String> {
        self.0
            .to_public_key_pem(ed25519_dalek::pkcs8::spki::der::pem::LineEnding::LF)
            .ok()
    }

    /// The key's name: the SHA-256 of its required JWK members in the order of RFC 7638.
    #[must_use]
    pub fn thumbprint(&self) -> Thumbprint {
        let x = URL_SAFE_NO_PAD.encode(self.0.as_bytes());
        let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        Thumbprint(URL_SAFE_NO_PAD.encode(Sha256::digest(members)))
    }

    /// Whether `signature` is the key's over `message`, by the strict rules (no malleability).
    #[must_use]
    pub fn has_signed(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.0
            .verify_strict(message, &Signature::from_bytes(signature))
            .is_ok()
    }
}

/// The private key of the disclosure service, wiped from memory when dropped.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// Reads a PKCS#8 `PRIVATE KEY` PEM (RFC 8410).
    ///
    /// # Errors
    /// When it is something else.
    pub fn from_pkcs8_pem(pem: &str) -> Result<Self, KeyError> {
        ed25519_dalek::SigningKey::from_pkcs8_pem(pem.trim())
            .map(Self)
            .map_err(|_| KeyError::Private)
    }

    /// The key of a 32-byte seed (RFC 8032 section 5.1.5).
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The public half.
    #[must_use]
    pub fn issuer_key(&self) -> IssuerKey {
        IssuerKey(self.0.verifying_key())
    }

    /// Signs a message.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SigningKey({})", self.issuer_key().thumbprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_is_the_one_of_rfc_8037_appendix_a_3() {
        let jwk = Jwk {
            crv: "Ed25519".to_owned(),
            kty: "OKP".to_owned(),
            x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".to_owned(),
        };
        let key = IssuerKey::from_jwk(&jwk).expect("the RFC's key");
        assert_eq!(
            key.thumbprint().as_str(),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
        assert_eq!(key.jwk(), jwk);
    }

    #[test]
    fn a_public_key_survives_its_pem() {
        let key = SigningKey::from_seed(&[7; 32]).issuer_key();
        let pem = key.to_pem().expect("encodes");
        assert_eq!(IssuerKey::from_pem(&pem), Ok(key));
        assert_eq!(IssuerKey::from_pem("hello"), Err(KeyError::Public));
    }

    #[test]
    fn refuses_a_weak_key() {
        let x = URL_SAFE_NO_PAD.encode({
            let mut identity = [0_u8; 32];
            identity[0] = 1;
            identity
        });
        let jwk = Jwk {
            crv: "Ed25519".to_owned(),
            kty: "OKP".to_owned(),
            x,
        };
        assert_eq!(IssuerKey::from_jwk(&jwk), Err(KeyError::Weak));
    }

    #[test]
    fn a_signing_key_shows_only_its_name() {
        let key = SigningKey::from_seed(&[7; 32]);
        assert_eq!(
            format!("{key:?}"),
            format!("SigningKey({})", key.issuer_key().thumbprint())
        );
    }
}
