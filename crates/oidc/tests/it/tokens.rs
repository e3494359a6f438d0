//! Keys and tokens, made with another implementation than the one under test.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};
use rcgen::KeyPair;
use serde_json::{Value, json};

use crate::fake::NOW;

pub(crate) const AUDIENCE: &str = "urn:cloister:api";

/// A private key, its name and the algorithm it signs with.
pub(crate) struct Signer {
    pub(crate) kid: &'static str,
    pub(crate) algorithm: Algorithm,
    key: EncodingKey,
    public: Value,
}

pub(crate) fn es256(kid: &'static str) -> Signer {
    let pair = KeyPair::generate().unwrap();
    let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap();
    Signer::new(kid, Algorithm::ES256, key)
}

pub(crate) fn ed25519(kid: &'static str) -> Signer {
    let pair = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let key = EncodingKey::from_ed_pem(pair.serialize_pem().as_bytes()).unwrap();
    let public = json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key_raw())});
    Signer {
        kid,
        algorithm: Algorithm::EdDSA,
        key,
        public,
    }
}

pub(crate) fn rsa(kid: &'static str, algorithm: Algorithm) -> Signer {
    let key = EncodingKey::from_rsa_pem(include_bytes!("keys/rsa_2048.pem")).unwrap();
    Signer::new(kid, algorithm, key)
}

pub(crate) fn weak_rsa(kid: &'static str) -> Signer {
    let key = EncodingKey::from_rsa_pem(include_bytes!("keys/rsa_1024.pem")).unwrap();
    Signer::new(kid, Algorithm::RS256, key)
}

pub(crate) fn encode(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

impl Signer {
    fn new(kid: &'static str, algorithm: Algorithm, key: EncodingKey) -> Self {
        let jwk = Jwk::from_encoding_key(&key, algorithm).unwrap();
        Self {
            kid,
            algorithm,
            key,
            public: serde_json::to_value(jwk).unwrap(),
        }
    }

    /// The public key as a provider publishes it, without `alg`.
    pub(crate) fn jwk(&self) -> Value {
        let mut jwk = self.public.clone();
        let members = jwk.as_object_mut().unwrap();
        members.remove("alg");
        members.insert("kid".into(), self.kid.into());
        members.insert("use".into(), "sig".into());
        jwk
    }

    pub(crate) fn header(&self) -> Value {
        json!({"alg": format!("{:?}", self.algorithm), "typ": "at+jwt", "kid": self.kid})
    }

    /// Signs texts as they are, well-formed or not.
    pub(crate) fn sign_text(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature =
            jsonwebtoken::crypto::sign(signed.as_bytes(), &self.key, self.algorithm).unwrap();
        format!("{signed}.{signature}")
    }

    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    /// A good token.
    pub(crate) fn token(&self, issuer: &str) -> String {
        self.sign(&self.header(), &claims(issuer))
    }
}

/// The claims of a good access token.
pub(crate) fn claims(issuer: &str) -> Value {
    json!({
        "iss": issuer, "sub": "alice", "aud": AUDIENCE, "client_id": "cloister-cli",
        "jti": "t-1", "iat": NOW - 10, "exp": NOW + 600, "groups": ["trader", "desk-rates"],
    })
}
