//! What can go wrong between us and an Ethereum node.

use alloy::primitives::{Address, Bytes};
use alloy::sol_types::SolInterface as _;
use alloy::transports::{RpcError, TransportError, TransportErrorKind};

use crate::bindings::Rollup::RollupErrors;
use crate::bindings::VerifierRouter::VerifierRouterErrors;
use crate::bindings::WrapVerifier::WrapVerifierErrors;

/// A question to an Ethereum node without a usable answer.
///
/// Messages never hold the node's URL: providers put their access keys in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum L1Error {
    /// The node's address cannot be used.
    #[error("the Ethereum node's address cannot be used: {reason}")]
    BadEndpoint {
        /// Why.
        reason: String,
    },
    /// The node does not answer; trying again later may help.
    #[error("the Ethereum node does not answer: {reason}")]
    Unreachable {
        /// How it failed, without the address.
        reason: String,
    },
    /// The node answers with an error of its own.
    #[error("the Ethereum node refused `{method}`: {message} (code {code})")]
    Refused {
        /// JSON-RPC method.
        method: &'static str,
        /// JSON-RPC error code.
        code: i64,
        /// The node's words, shortened.
        message: String,
    },
    /// The call would revert.
    #[error("the call would revert: {0}")]
    Reverts(Refusal),
    /// There is no Rollup contract at the address.
    #[error("there is no Rollup contract at `{address}`: check `rollup_contract` and the chain")]
    NoContract {
        /// The address that was asked.
        address: Address,
    },
    /// The answer does not have the form it must have.
    #[error("the Ethereum node's answer to `{method}` cannot be understood: {reason}")]
    BadAnswer {
        /// JSON-RPC method.
        method: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl L1Error {
    /// Whether the node, and not the request, is the trouble, so that trying again may help.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

/// Why the Rollup contract, its router or a verifier refuses a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The guardian paused the contract.
    #[error("the contract is paused by its guardian")]
    Paused,
    /// The sender lacks the role.
    #[error("`{account}` does not hold the role that this call needs")]
    Unauthorized {
        /// The sender.
        account: Address,
    },
    /// Another batch is due.
    #[error("batch {expected} is due, not batch {got}")]
    UnexpectedBatch {
        /// The batch the contract waits for.
        expected: u64,
        /// The batch it was given.
        got: u64,
    },
    /// The header hashes to something else on the contract's parent.
    #[error("batch {number} was sealed on another parent than the contract holds")]
    BatchHashMismatch {
        /// The batch.
        number: u64,
    },
    /// Any other error of the contract, by name.
    #[error("{0}")]
    Contract(String),
    /// A revert without data we know.
    #[error("no reason given (data `{0}`)")]
    Unknown(Bytes),
}

impl Refusal {
    /// Reads revert data.
    #[must_use]
    pub fn decode(data: &[u8]) -> Self {
        match RollupErrors::abi_decode(data) {
            Ok(RollupErrors::EnforcedPause(_)) => Self::Paused,
            Ok(RollupErrors::AccessControlUnauthorizedAccount(error)) => Self::Unauthorized {
                account: error.account,
            },
            Ok(RollupErrors::UnexpectedBatch(error)) => Self::UnexpectedBatch {
                expected: error.expected,
                got: error.got,
            },
            Ok(RollupErrors::BatchHashMismatch(error)) => Self::BatchHashMismatch {
                number: error.number,
            },
            Ok(other) => Self::Contract(short(&format!("{other:?}"))),
            Err(_) => Self::of_a_verifier(data),
        }
    }

    /// The Rollup hands on what the router and the verifier say.
    fn of_a_verifier(data: &[u8]) -> Self {
        if let Ok(error) = WrapVerifierErrors::abi_decode(data) {
            return Self::Contract(short(&format!("{error:?}")));
        }
        match VerifierRouterErrors::abi_decode(data) {
            Ok(error) => Self::Contract(short(&format!("{error:?}"))),
            Err(_) => Self::Unknown(Bytes::copy_from_slice(data.get(..64).unwrap_or(data))),
        }
    }

    /// Whether no reason is given: so ends a call that runs out of gas within another one.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        matches!(self, Self::Unknown(data) if data.is_empty())
    }
}

/// Longest text of a node that we repeat.
const MAX_WORDS: usize = 200;

fn short(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(MAX_WORDS)
        .collect()
}

/// Turns alloy's error into ours.
pub(crate) fn classify(method: &'static str, error: TransportError) -> L1Error {
    match error {
        RpcError::ErrorResp(payload) => {
            if let Some(data) = payload.as_revert_data() {
                return L1Error::Reverts(Refusal::decode(&data));
            }
            if payload.message.contains("execution reverted") {
                return L1Error::Reverts(Refusal::Unknown(Bytes::new()));
            }
            L1Error::Refused {
                method,
                code: payload.code,
                message: short(&payload.message),
            }
        }
        RpcError::Transport(kind) => L1Error::Unreachable {
            reason: transport_reason(&kind),
        },
        RpcError::NullResp => bad_answer(method, "it is null"),
        RpcError::DeserError { err, .. } | RpcError::SerError(err) => {
            bad_answer(method, &err.to_string())
        }
        RpcError::UnsupportedFeature(what) => bad_answer(method, what),
        RpcError::LocalUsageError(error) => bad_answer(method, &error.to_string()),
    }
}

pub(crate) fn bad_answer(method: &'static str, reason: &str) -> L1Error {
    L1Error::BadAnswer {
        method,
        reason: short(reason),
    }
}

fn transport_reason(kind: &TransportErrorKind) -> String {
    match kind {
        TransportErrorKind::HttpError(error) => format!("HTTP status {}", error.status),
        TransportErrorKind::Custom(error) => error
            .downcast_ref::<reqwest::Error>()
            .map_or("the request failed", http_reason)
            .to_owned(),
        _ => "the request failed".to_owned(),
    }
}

/// reqwest's own text holds the URL, so only the kind is told.
fn http_reason(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else if error.is_body() || error.is_decode() {
        "the answer broke off"
    } else {
        "the request failed"
    }
}

#[cfg(test)]
mod tests {
    use alloy::sol_types::SolError as _;

    use super::*;
    use crate::bindings::Rollup as contract;

    #[test]
    fn reads_the_contracts_errors() {
        let data = contract::UnexpectedBatch {
            expected: 4,
            got: 9,
        }
        .abi_encode();
        let refusal = Refusal::decode(&data);
        assert_eq!(
            refusal,
            Refusal::UnexpectedBatch {
                expected: 4,
                got: 9
            }
        );
        assert_eq!(refusal.to_string(), "batch 4 is due, not batch 9");
        assert_eq!(
            Refusal::decode(&contract::EnforcedPause {}.abi_encode()),
            Refusal::Paused
        );
    }

    #[test]
    fn reads_what_the_rollup_hands_on() {
        use crate::bindings::{VerifierRouter, WrapVerifier};
        assert_eq!(
            Refusal::decode(&WrapVerifier::NoSession {}.abi_encode()).to_string(),
            "NoSession(NoSession)"
        );
        assert_eq!(
            Refusal::decode(&VerifierRouter::FrozenVerifier { version: 3 }.abi_encode())
                .to_string(),
            "FrozenVerifier(FrozenVerifier { version: 3 })"
        );
        assert!(Refusal::decode(&[]).is_silent());
    }

    #[test]
    fn keeps_unknown_revert_data_short() {
        let Refusal::Unknown(data) = Refusal::decode(&[7; 500]) else {
            panic!("decoded nonsense");
        };
        assert_eq!(data.len(), 64);
    }
}
