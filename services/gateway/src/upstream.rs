//! The services behind the gateway, over gRPC with mutual TLS.
//!
//! What comes in is decoded once into the types of [`crate::app::model`]; what cannot be decoded is
//! a fault of ours, not of the caller. Nothing above this module knows tonic.

mod decode;
pub mod prover;
pub mod sequencer;

use cloister_proto::code::code_of;
use tonic::Status;

/// Why a service behind the gateway did not answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum UpstreamError {
    /// It is away.
    #[error("the {part} is away: {reason}")]
    Unavailable {
        /// Which service.
        part: &'static str,
        /// For operators.
        reason: String,
    },
    /// It did not answer in time; whether it did what was asked is not known.
    #[error("the {part} did not answer in time: {reason}")]
    TimedOut {
        /// Which service.
        part: &'static str,
        /// For operators.
        reason: String,
    },
    /// It refused with a stable code.
    #[error("the {part} refused with `{code}`: {message}")]
    Refused {
        /// Which service.
        part: &'static str,
        /// The stable code.
        code: String,
        /// For people.
        message: String,
    },
    /// It failed, or answered something that we do not understand.
    #[error("the {part} failed: {reason}")]
    Failed {
        /// Which service.
        part: &'static str,
        /// For operators.
        reason: String,
    },
}

impl UpstreamError {
    fn new(part: &'static str, status: &Status) -> Self {
        use tonic::Code;
        match code_of(status) {
            Some("unavailable") => {
                return Self::Unavailable {
                    part,
                    reason: status.message().to_owned(),
                };
            }
            Some("internal") => {
                return Self::Failed {
                    part,
                    reason: status.message().to_owned(),
                };
            }
            Some(_) | None => {}
        }
        if let Some(code) = code_of(status) {
            let (code, message) = (code.to_owned(), status.message().to_owned());
            return Self::Refused {
                part,
                code,
                message,
            };
        }
        let reason = format!("{:?}: {}", status.code(), status.message());
        match status.code() {
            Code::Unavailable => Self::Unavailable { part, reason },
            Code::DeadlineExceeded | Code::Cancelled => Self::TimedOut { part, reason },
            // A lost connection surfaces as one of these, with the transport's error as source.
            Code::Unknown | Code::Internal if has_transport_source(status) => {
                Self::Unavailable { part, reason }
            }
            Code::Ok
            | Code::Unknown
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::ResourceExhausted
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::Internal
            | Code::DataLoss
            | Code::Unauthenticated => Self::Failed { part, reason },
        }
    }

    fn malformed(part: &'static str, what: &'static str) -> Self {
        Self::Failed {
            part,
            reason: format!("`{what}` in its answer is malformed"),
        }
    }
}

fn has_transport_source(status: &Status) -> bool {
    std::error::Error::source(status).is_some()
}

#[cfg(test)]
mod tests {
    use cloister_proto::code::with_code;

    use super::*;

    #[test]
    fn a_stable_code_is_kept() {
        let status = with_code(
            Status::failed_precondition("nonce 1 was used"),
            "nonce_too_low",
        );
        let UpstreamError::Refused { code, message, .. } = UpstreamError::new("sequencer", &status)
        else {
            panic!("{status:?}")
        };
        assert_eq!(
            (code.as_str(), message.as_str()),
            ("nonce_too_low", "nonce 1 was used")
        );
    }

    #[test]
    fn a_service_that_is_away_is_told_from_one_that_fails() {
        let away = UpstreamError::new("prover", &Status::unavailable("connection refused"));
        assert!(
            matches!(away, UpstreamError::Unavailable { part: "prover", .. }),
            "{away:?}"
        );
        let failed = UpstreamError::new("prover", &Status::internal("oops"));
        assert!(matches!(failed, UpstreamError::Failed { .. }), "{failed:?}");
    }
}
