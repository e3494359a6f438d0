//! What an execution of a batch says, natively and in the guest.

use std::fmt;

use alloy_primitives::{B256, Bytes};
use cloister_crypto::NativeCrypto;
use cloister_stf::{BatchError, execute_encoded};

/// Valid with a batch hash, or refused with a class of error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The batch hash.
    Valid(B256),
    /// Why there is none.
    Refused(Refused),
}

/// Why a batch is not valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Class of the error: the guest's exit code.
    pub class: u32,
    /// Stable name of the reason, where a transaction is at fault.
    pub code: Option<&'static str>,
    /// In words.
    pub message: String,
}

impl Verdict {
    /// Whether a transaction is at fault, for this reason.
    #[must_use]
    pub fn is_refused_transaction(&self, code: &str) -> bool {
        matches!(self, Self::Refused(refused) if refused.code == Some(code))
    }

    /// What the guest must say: hash or exit code.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::Valid(hash) => Outcome::Valid(*hash),
            Self::Refused(Refused { class, .. }) => Outcome::Exit(*class),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Valid(hash) => write!(f, "valid with hash {hash}"),
            Self::Refused(Refused { class, message, .. }) => {
                write!(f, "refused with class {class}: {message}")
            }
        }
    }
}

/// How an execution of the guest ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It reveals a batch hash.
    Valid(B256),
    /// It ends with another exit code than 0.
    Exit(u32),
    /// It breaks off, which no input may cause.
    Broke(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Valid(hash) => write!(f, "valid with hash {hash}"),
            Self::Exit(code) => write!(f, "exit code {code}"),
            Self::Broke(reason) => write!(f, "broken off: {reason}"),
        }
    }
}

/// The native verdict on an encoded batch.
#[must_use]
pub fn native(input: &Bytes) -> Verdict {
    match execute_encoded(input, &NativeCrypto) {
        Ok(output) => Verdict::Valid(output.header().hash()),
        Err(error) => Verdict::Refused(Refused {
            class: error.class().into(),
            code: transaction_code(&error),
            message: chain(&error),
        }),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the other errors are not about a transaction"
)]
const fn transaction_code(error: &BatchError) -> Option<&'static str> {
    match error {
        BatchError::Transaction { source, .. } => Some(source.code()),
        BatchError::Rejected { source, .. } => Some(source.code()),
        _ => None,
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
