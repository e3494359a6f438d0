//! Public keys of a provider (RFC 7517), each bound to what it may verify.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde_json::{Map, Value};

use crate::jose::Algorithm;

/// Most keys in a set.
const MAX_KEYS: usize = 64;

#[derive(Clone, Debug)]
enum Material {
    P256(Vec<u8>),
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    Ed25519(Vec<u8>),
}

/// A key that verifies signatures.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) id: Option<String>,
    /// What the provider says the key is for; `None` for any algorithm of its type.
    algorithm: Option<Algorithm>,
    material: Material,
}

impl Key {
    /// Reads one member of a key set. `None` for keys of other types, curves or uses: a set may hold
    /// them for other readers.
    fn parse(jwk: &Map<String, Value>) -> Option<Self> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str);
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
        if jwk.contains_key("use") && text("use") != Some("sig") {
            return None;
        }
        if let Some(operations) = jwk.get("key_ops") {
            operations
                .as_array()?
                .iter()
                .find(|operation| *operation == "verify")?;
        }
        let algorithm = match jwk.get("alg") {
            None => None,
            Some(name) => Some(Algorithm::from_name(name.as_str()?)?),
        };
        let material = match (text("kty")?, text("crv")) {
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes("x")?, bytes("y")?);
                if x.len() != 32 || y.len() != 32 {
                    return None;
                }
                Material::P256([vec![4], x, y].concat())
            }
            ("RSA", _) => Material::Rsa {
                modulus: bytes("n")?,
                exponent: bytes("e")?,
            },
            ("OKP", Some("Ed25519")) => Material::Ed25519(bytes("x").filter(|x| x.len() == 32)?),
            _ => return None,
        };
        let key = Self {
            id: text("kid").map(str::to_owned),
            algorithm,
            material,
        };
        // A key that names an algorithm of another type is of no use to anyone.
        key.algorithm
            .is_none_or(|algorithm| key.has_type_of(algorithm))
            .then_some(key)
    }

    fn has_type_of(&self, algorithm: Algorithm) -> bool {
        match (&self.material, algorithm) {
            (Material::P256(_), Algorithm::Es256)
            | (Material::Rsa { .. }, Algorithm::Rs256 | Algorithm::Ps256)
            | (Material::Ed25519(_), Algorithm::EdDsa) => true,
            (Material::P256(_) | Material::Rsa { .. } | Material::Ed25519(_), _) => false,
        }
    }

    /// Whether the key may verify signatures of an algorithm: type and declared purpose agree.
    pub(crate) fn serves(&self, algorithm: Algorithm) -> bool {
        self.has_type_of(algorithm) && self.algorithm.is_none_or(|own| own == algorithm)
    }

    /// Checks a signature. RSA keys outside 2048 to 8192 bits verify nothing.
    pub(crate) fn verify(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        if !self.serves(algorithm) {
            return false;
        }
        let result = match &self.material {
            Material::P256(point) => {
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point)
                    .verify(signed, signature)
            }
            Material::Ed25519(point) => {
                UnparsedPublicKey::new(&signature::ED25519, point).verify(signed, signature)
            }
            Material::Rsa { modulus, exponent } => {
                let key = RsaPublicKeyComponents {
                    n: modulus,
                    e: exponent,
                };
                let parameters = if algorithm == Algorithm::Ps256 {
                    &signature::RSA_PSS_2048_8192_SHA256
                } else {
                    &signature::RSA_PKCS1_2048_8192_SHA256
                };
                key.verify(parameters, signed, signature)
            }
        };
        result.is_ok()
    }
}

/// Reads a key set; `None` when it is not one.
pub(crate) fn parse_set(document: &Value) -> Option<Vec<Key>> {
    let keys = document.get("keys")?.as_array()?;
    if keys.len() > MAX_KEYS {
        return None;
    }
    Some(
        keys.iter()
            .filter_map(Value::as_object)
            .filter_map(Key::parse)
            .collect(),
    )
}
