//! How refusals reach callers: one gRPC status, one stable code, a message for the caller; causes
//! inside the sequencer go to its log only.

use cloister_proto::code::with_code;
use tonic::{Code, Status};

use crate::store::StoreError;

/// What kind of refusal it is, and so what the caller can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The request can never succeed.
    Invalid,
    /// The request does not fit the present state.
    Conflict,
    /// Known already.
    Duplicate,
    /// A limit is reached; later it may succeed.
    Exhausted,
    /// Something the sequencer needs is away; later it may succeed.
    Unavailable,
    /// The caller may not do this.
    Denied,
    /// Our own mistake.
    Internal,
}

impl Kind {
    const fn grpc(self) -> Code {
        match self {
            Self::Invalid => Code::InvalidArgument,
            Self::Conflict => Code::FailedPrecondition,
            Self::Duplicate => Code::AlreadyExists,
            Self::Exhausted => Code::ResourceExhausted,
            Self::Unavailable => Code::Unavailable,
            Self::Denied => Code::PermissionDenied,
            Self::Internal => Code::Internal,
        }
    }
}

/// An error that a caller sees.
pub(crate) trait Refusal: std::error::Error {
    /// The stable code.
    fn code(&self) -> &'static str;
    /// The kind.
    fn kind(&self) -> Kind;

    /// The status that goes to the caller. An internal cause is logged, not told.
    fn status(&self) -> Status {
        let kind = self.kind();
        let message = if kind == Kind::Internal {
            tracing::error!(code = self.code(), error = chain(self), "a call failed");
            "the sequencer failed: its log says why".to_owned()
        } else {
            self.to_string()
        };
        with_code(Status::new(kind.grpc(), message), self.code())
    }
}

impl Refusal for StoreError {
    fn code(&self) -> &'static str {
        if self.is_transient() {
            "unavailable"
        } else {
            "internal"
        }
    }

    fn kind(&self) -> Kind {
        if self.is_transient() {
            Kind::Unavailable
        } else {
            Kind::Internal
        }
    }
}

/// An error with all its causes, for the log.
pub(crate) fn chain<E: std::error::Error + ?Sized>(error: &E) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// A request that is not what the interface says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RequestError {
    /// A field has the wrong length.
    #[error("`{field}` must be {expected} bytes: got {got}")]
    Length {
        /// Name of the field.
        field: &'static str,
        /// Bytes wanted.
        expected: usize,
        /// Bytes given.
        got: usize,
    },
    /// A field is missing.
    #[error("`{field}` is missing")]
    Missing {
        /// Name of the field.
        field: &'static str,
    },
    /// A number or a list is over a limit.
    #[error("`{field}` is {got}: at most {limit} is served")]
    TooMany {
        /// Name of the field.
        field: &'static str,
        /// The limit.
        limit: u64,
        /// What was asked for.
        got: u64,
    },
    /// A number or a length is outside of what is taken.
    #[error("`{field}` is {got}: it must be {least} to {most}")]
    OutOfRange {
        /// Name of the field.
        field: &'static str,
        /// The least.
        least: u64,
        /// The most.
        most: u64,
        /// What was sent.
        got: u64,
    },
    /// A range ends before it begins.
    #[error("the range ends at block {to}, before it begins at {from}")]
    EmptyRange {
        /// First block.
        from: u64,
        /// Last block.
        to: u64,
    },
    /// This service may not call this method.
    #[error("`{peer}` may not call `{method}`")]
    PeerDenied {
        /// Name in the client certificate.
        peer: String,
        /// The method.
        method: &'static str,
    },
    /// A ledger that is not the caller's own.
    #[error("`{peer}` may not report for the ledger `{ledger}`: only for its own")]
    ForeignLedger {
        /// Name in the client certificate.
        peer: String,
        /// The ledger.
        ledger: String,
    },
    /// As many streams are open as the sequencer serves.
    #[error("the sequencer serves as many streams as it may: close one, or try again later")]
    TooManyStreams,
    /// The sequencer stops.
    #[error("the sequencer is stopping: try again in a moment")]
    Stopping,
}

impl Refusal for RequestError {
    fn code(&self) -> &'static str {
        match self {
            Self::Length { .. } | Self::Missing { .. } | Self::OutOfRange { .. } => {
                "malformed_request"
            }
            Self::TooMany { .. } => "limit_exceeded",
            Self::EmptyRange { .. } => "empty_range",
            Self::PeerDenied { .. } => "peer_denied",
            Self::ForeignLedger { .. } => "ledger_denied",
            Self::TooManyStreams => "too_many_streams",
            Self::Stopping => "unavailable",
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Length { .. }
            | Self::Missing { .. }
            | Self::TooMany { .. }
            | Self::OutOfRange { .. }
            | Self::EmptyRange { .. } => Kind::Invalid,
            Self::PeerDenied { .. } | Self::ForeignLedger { .. } => Kind::Denied,
            Self::TooManyStreams => Kind::Exhausted,
            Self::Stopping => Kind::Unavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use cloister_proto::code::code_of;

    use super::*;

    #[test]
    fn an_internal_cause_is_not_told() {
        let status = StoreError::Corrupt { what: "block.hash" }.status();
        assert_eq!(status.code(), Code::Internal);
        assert_eq!(code_of(&status), Some("internal"));
        assert_eq!(status.message(), "the sequencer failed: its log says why");
    }

    #[test]
    fn a_refusal_carries_its_code_and_what_was_wrong() {
        let status = RequestError::Length {
            field: "to",
            expected: 20,
            got: 3,
        }
        .status();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(code_of(&status), Some("malformed_request"));
        assert_eq!(status.message(), "`to` must be 20 bytes: got 3");
    }

    #[test]
    fn a_database_that_is_away_is_unavailable() {
        let status = StoreError::Sqlx(sqlx::Error::PoolTimedOut).status();
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(code_of(&status), Some("unavailable"));
    }
}
