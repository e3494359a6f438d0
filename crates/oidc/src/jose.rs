//! The strict reading of a signed token in compact form (RFC 7515), before any key is touched.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::json;
use crate::verifier::TokenError;

/// Longest token that is read, in bytes.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;
const MAX_KEY_ID_BYTES: usize = 256;

/// Signature algorithms that are accepted. Nothing symmetric, nothing unsigned, nothing with SHA-1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2048 to 8192 bits.
    Rs256,
    /// RSASSA-PSS with SHA-256, 2048 to 8192 bits.
    Ps256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// The algorithm that a name stands for, if it is accepted.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "ES256" => Some(Self::Es256),
            "RS256" => Some(Self::Rs256),
            "PS256" => Some(Self::Ps256),
            // RFC 9864 gives EdDSA on this curve a name of its own.
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            _ => None,
        }
    }

    /// The name in a token's header.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// A token taken apart. Nothing in it is to be believed yet.
#[derive(Debug)]
pub(crate) struct Unverified<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) key_id: Option<String>,
    pub(crate) typ: Option<String>,
    pub(crate) signed: &'a [u8],
    pub(crate) signature: Vec<u8>,
    pub(crate) claims: Map<String, Value>,
}

impl<'a> Unverified<'a> {
    pub(crate) fn parse(token: &'a str) -> Result<Self, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong { got: token.len() });
        }
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenError::NotThreeParts);
        };
        let signed = token
            .as_bytes()
            .get(..header.len() + 1 + payload.len())
            .ok_or(TokenError::NotThreeParts)?;
        let header = object(header, "header")?;
        let (algorithm, key_id, typ) = read_header(&header)?;
        let claims = object(payload, "claims")?;
        let signature = decode(signature, "signature")?;
        Ok(Self {
            algorithm,
            key_id,
            typ,
            signed,
            signature,
            claims,
        })
    }
}

type Header = (Algorithm, Option<String>, Option<String>);

fn read_header(header: &Map<String, Value>) -> Result<Header, TokenError> {
    // RFC 8725, section 3.10 and RFC 7515, section 4.1.11: keys never come from the token, and an
    // extension that is critical is one that we do not know.
    for name in ["crit", "jku", "jwk", "x5u", "x5c", "b64", "zip"] {
        if header.contains_key(name) {
            return Err(TokenError::ForbiddenHeader { name });
        }
    }
    let text = |name: &'static str| match header.get(name) {
        None => Ok(None),
        Some(Value::String(value)) => Ok(Some(value.clone())),
        Some(_) => Err(TokenError::Malformed {
            part: "header",
            reason: format!("`{name}` is not text"),
        }),
    };
    let name = text("alg")?.ok_or(TokenError::Algorithm { got: String::new() })?;
    let algorithm = Algorithm::from_name(&name).ok_or(TokenError::Algorithm { got: name })?;
    let key_id = text("kid")?;
    if key_id
        .as_ref()
        .is_some_and(|id| id.len() > MAX_KEY_ID_BYTES)
    {
        let reason = format!("`kid` is longer than {MAX_KEY_ID_BYTES} bytes");
        return Err(TokenError::Malformed {
            part: "header",
            reason,
        });
    }
    Ok((algorithm, key_id, text("typ")?))
}

fn decode(text: &str, part: &'static str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|error| TokenError::Malformed {
            part,
            reason: error.to_string(),
        })
}

fn object(text: &str, part: &'static str) -> Result<Map<String, Value>, TokenError> {
    match json::parse(&decode(text, part)?) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => Err(TokenError::Malformed {
            part,
            reason: "it is not a JSON object".to_owned(),
        }),
        Err(error) => Err(TokenError::Malformed {
            part,
            reason: error.to_string(),
        }),
    }
}
