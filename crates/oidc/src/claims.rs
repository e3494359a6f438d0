//! What a verified token says.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::verifier::TokenError;

/// Longest subject, in bytes (OpenID Connect Core 1.0, section 2).
const MAX_SUBJECT_BYTES: usize = 255;
const MAX_TEXT_BYTES: usize = 1024;
const MAX_GROUPS: usize = 256;
const MAX_GROUP_BYTES: usize = 256;
const MAX_AUDIENCES: usize = 16;

/// Where in a token the groups are: the name of a claim, or a JSON pointer (RFC 6901) such as
/// `/realm_access/roles` for a nested one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimPath(String);

impl ClaimPath {
    /// A name, or a pointer when it begins with `/`.
    #[must_use]
    pub fn new(path: impl Into<String>) -> Self {
        Self(path.into())
    }

    fn find<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a Value> {
        let Some(rest) = self.0.strip_prefix('/') else {
            return claims.get(&self.0);
        };
        let unescape = |step: &str| step.replace("~1", "/").replace("~0", "~");
        let mut steps = rest.split('/').map(unescape);
        let mut value = claims.get(&steps.next()?)?;
        for step in steps {
            value = value.as_object()?.get(&step)?;
        }
        Some(value)
    }
}

/// A verified access token (RFC 9068).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// The provider that issued it.
    pub issuer: String,
    /// Who it speaks for: the provider's stable name.
    pub subject: String,
    /// The client that it was given to.
    pub client_id: String,
    /// Values of the configured claim.
    pub groups: BTreeSet<String>,
    /// Its own identifier.
    pub token_id: Option<String>,
    /// The provider's session.
    pub session_id: Option<String>,
    /// The person's name, for display only.
    pub name: Option<String>,
    /// UNIX seconds.
    pub issued_at: u64,
    /// UNIX seconds after which it is nothing.
    pub expires_at: u64,
}

/// A verified ID token (OpenID Connect Core 1.0, section 3.1.3.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdToken {
    /// The provider that issued it.
    pub issuer: String,
    /// Who logged in: the provider's stable name.
    pub subject: String,
    /// Values of the configured claim.
    pub groups: BTreeSet<String>,
    /// The person's name, for display only.
    pub name: Option<String>,
    /// The provider's session.
    pub session_id: Option<String>,
    /// UNIX seconds.
    pub issued_at: u64,
    /// UNIX seconds.
    pub expires_at: u64,
}

/// Reads claims by their rules.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claims<'a>(pub(crate) &'a Map<String, Value>);

impl Claims<'_> {
    pub(crate) fn text(self, name: &'static str) -> Result<Option<String>, TokenError> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.len() <= MAX_TEXT_BYTES => Ok(Some(text.clone())),
            Some(_) => Err(TokenError::InvalidClaim {
                name: name.to_owned(),
            }),
        }
    }

    pub(crate) fn required_text(self, name: &'static str) -> Result<String, TokenError> {
        self.text(name)?
            .filter(|text| !text.is_empty())
            .ok_or_else(|| TokenError::MissingClaim {
                name: name.to_owned(),
            })
    }

    pub(crate) fn subject(self) -> Result<String, TokenError> {
        let subject = self.required_text("sub")?;
        if subject.len() > MAX_SUBJECT_BYTES || subject.chars().any(char::is_control) {
            return Err(TokenError::InvalidClaim {
                name: "sub".to_owned(),
            });
        }
        Ok(subject)
    }

    /// A time in UNIX seconds; fractions are dropped (RFC 7519, `NumericDate`).
    pub(crate) fn time(self, name: &'static str) -> Result<Option<u64>, TokenError> {
        let invalid = || TokenError::InvalidClaim {
            name: name.to_owned(),
        };
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::Number(number)) => match (number.as_u64(), number.as_f64()) {
                (Some(seconds), _) => Ok(Some(seconds)),
                (None, Some(seconds)) if (0.0..1e15).contains(&seconds) => Ok(Some(whole(seconds))),
                _ => Err(invalid()),
            },
            Some(_) => Err(invalid()),
        }
    }

    pub(crate) fn required_time(self, name: &'static str) -> Result<u64, TokenError> {
        self.time(name)?.ok_or_else(|| TokenError::MissingClaim {
            name: name.to_owned(),
        })
    }

    /// The audiences, one or several.
    pub(crate) fn audiences(self) -> Result<Vec<String>, TokenError> {
        let invalid = || TokenError::InvalidClaim {
            name: "aud".to_owned(),
        };
        match self.0.get("aud") {
            None => Err(TokenError::MissingClaim {
                name: "aud".to_owned(),
            }),
            Some(Value::String(one)) => Ok(vec![one.clone()]),
            Some(Value::Array(many)) if many.len() <= MAX_AUDIENCES => many
                .iter()
                .map(|one| one.as_str().map(str::to_owned).ok_or_else(invalid))
                .collect(),
            Some(_) => Err(invalid()),
        }
    }

    /// The groups; none when the claim is absent.
    pub(crate) fn groups(self, path: &ClaimPath) -> Result<BTreeSet<String>, TokenError> {
        let invalid = || TokenError::InvalidClaim {
            name: path.0.clone(),
        };
        let group = |value: &Value| {
            value
                .as_str()
                .filter(|text| text.len() <= MAX_GROUP_BYTES)
                .map(str::to_owned)
                .ok_or_else(invalid)
        };
        match path.find(self.0) {
            None | Some(Value::Null) => Ok(BTreeSet::new()),
            Some(Value::Array(many)) if many.len() <= MAX_GROUPS => {
                many.iter().map(group).collect()
            }
            Some(Value::Array(_)) => Err(invalid()),
            Some(one) => Ok(BTreeSet::from([group(one)?])),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the caller has checked the range"
)]
fn whole(seconds: f64) -> u64 {
    seconds as u64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn groups(path: &str, claims: &Value) -> Result<BTreeSet<String>, TokenError> {
        Claims(claims.as_object().unwrap()).groups(&ClaimPath::new(path))
    }

    #[test]
    fn groups_are_found_by_name_or_by_pointer() {
        let claims = json!({
            "groups": ["a", "b"],
            "one": "c",
            "realm_access": {"roles": ["d"]},
            "https://x.example/roles": ["e"],
            "with/slash": {"t~": ["f"]},
        });
        let is = |path: &str, expected: &[&str]| {
            let expected = expected.iter().map(|group| (*group).to_owned()).collect();
            assert_eq!(groups(path, &claims), Ok(expected), "{path}");
        };
        is("groups", &["a", "b"]);
        is("one", &["c"]);
        is("/realm_access/roles", &["d"]);
        is("https://x.example/roles", &["e"]);
        is("/with~1slash/t~0", &["f"]);
        is("absent", &[]);
        is("/groups/absent", &[]);
    }

    #[test]
    fn groups_of_another_shape_are_refused() {
        for value in [
            json!(1),
            json!([1]),
            json!({"a": 1}),
            json!(["x".repeat(300)]),
        ] {
            let expected = Err(TokenError::InvalidClaim {
                name: "g".to_owned(),
            });
            assert_eq!(groups("g", &json!({ "g": value })), expected);
        }
    }

    #[test]
    fn times_may_have_fractions_but_not_signs() {
        let claims = json!({"a": 10, "b": 10.9, "c": -1, "d": "10", "e": 1e300});
        let claims = Claims(claims.as_object().unwrap());
        assert_eq!(claims.time("a"), Ok(Some(10)));
        assert_eq!(claims.time("b"), Ok(Some(10)));
        assert_eq!(claims.time("absent"), Ok(None));
        for name in ["c", "d", "e"] {
            assert_eq!(
                claims.time(name),
                Err(TokenError::InvalidClaim {
                    name: name.to_owned()
                })
            );
        }
    }
}
