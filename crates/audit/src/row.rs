//! A row and its frozen version-1 encoding.

use alloy_primitives::B256;
use cloister_types::UnixMillis;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Longest text in a row, in bytes. [`Row::clean`] cuts longer ones.
pub const MAX_TEXT_BYTES: usize = 1024;

const VERSION: u8 = 1;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Permitted by a policy.
    Allowed,
    /// Not permitted.
    Denied,
    /// Nobody could be authenticated.
    Unauthenticated,
    /// Permitted, but it could not be carried out.
    Failed,
}

/// A number that stands for no outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is not an outcome of version {VERSION}")]
pub struct UnknownOutcome(pub u8);

impl Outcome {
    /// Its number in the encoding and in the database.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Allowed => 1,
            Self::Denied => 2,
            Self::Unauthenticated => 3,
            Self::Failed => 4,
        }
    }

    /// The outcome with a number.
    ///
    /// # Errors
    /// When there is none.
    pub fn from_code(code: u8) -> Result<Self, UnknownOutcome> {
        match code {
            1 => Ok(Self::Allowed),
            2 => Ok(Self::Denied),
            3 => Ok(Self::Unauthenticated),
            4 => Ok(Self::Failed),
            _ => Err(UnknownOutcome(code)),
        }
    }
}

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// When.
    pub time: UnixMillis,
    /// Who: issuer and subject, or `anonymous`.
    pub principal: String,
    /// The session or token it was asked in.
    pub session: String,
    /// What was called, e.g. `eth_call`.
    pub method: String,
    /// What it was about, e.g. `account:0x…`.
    pub resource: String,
    /// The policies that decided.
    pub rule: String,
    /// Version of the policies.
    pub policy_version: B256,
    /// SHA-256 of the request.
    pub request_hash: B256,
    /// How it ended.
    pub outcome: Outcome,
}

impl Row {
    /// Makes every text storable: control characters become U+FFFD, and what is longer than
    /// [`MAX_TEXT_BYTES`] is cut and ends with `…`.
    #[must_use]
    pub fn clean(mut self) -> Self {
        for text in [
            &mut self.principal,
            &mut self.session,
            &mut self.method,
            &mut self.resource,
            &mut self.rule,
        ] {
            clean(text);
        }
        self
    }

    /// Version 1, integers big-endian: version u8 = 1 ‖ time u64 (ms) ‖ outcome u8 ‖ policy version
    /// 32 ‖ request hash 32 ‖ principal ‖ session ‖ method ‖ resource ‖ rule, each text as length
    /// u32 ‖ UTF-8. Frozen.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Self {
            time,
            principal,
            session,
            method,
            resource,
            rule,
            policy_version,
            request_hash,
            outcome,
        } = self;
        let mut bytes = vec![VERSION];
        bytes.extend(time.0.to_be_bytes());
        bytes.push(outcome.code());
        bytes.extend(policy_version);
        bytes.extend(request_hash);
        for text in [principal, session, method, resource, rule] {
            let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
            bytes.extend(length.to_be_bytes());
            bytes.extend(text.as_bytes());
        }
        bytes
    }
}

fn clean(text: &mut String) {
    const MARK: char = '…';
    if text.chars().any(char::is_control) {
        *text = text.replace(char::is_control, "\u{fffd}");
    }
    if text.len() > MAX_TEXT_BYTES {
        text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES - MARK.len_utf8()));
        text.push(MARK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleaning_keeps_ordinary_rows_and_bounds_the_others() {
        let mut row = crate::chain::tests::row(1);
        assert_eq!(row.clone().clean(), row);
        row.method = "a\0b\nc".into();
        row.resource = "ä".repeat(MAX_TEXT_BYTES);
        let cleaned = row.clean();
        assert_eq!(cleaned.method, "a\u{fffd}b\u{fffd}c");
        assert!(cleaned.resource.len() <= MAX_TEXT_BYTES && cleaned.resource.ends_with("ä…"));
        assert_eq!(cleaned.clone().clean(), cleaned);
    }

    #[test]
    fn every_outcome_has_its_own_number() {
        for code in 0..=u8::MAX {
            match Outcome::from_code(code) {
                Ok(outcome) => assert_eq!(outcome.code(), code),
                Err(error) => assert_eq!(error, UnknownOutcome(code)),
            }
        }
        assert_eq!(Outcome::from_code(0), Err(UnknownOutcome(0)));
        assert_eq!(Outcome::from_code(4), Ok(Outcome::Failed));
    }
}
