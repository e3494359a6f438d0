//! What callers are told when something is refused, and what stays inside.

/// Why a request was not served. The message is for the caller; causes go to the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppError {
    /// The request makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// A policy does not permit it.
    #[error("not permitted: this needs the role that a policy names; ask your administrator")]
    Forbidden,
    /// No such grant, or another auditor's: the same answer.
    #[error("there is no such grant of yours")]
    UnknownGrant,
    /// The caller's own grant has ended.
    #[error("the grant ended at {0} (UNIX seconds); ask compliance for a new one")]
    Expired(u64),
    /// The caller's own grant was revoked.
    #[error("the grant was revoked; ask compliance")]
    Revoked,
    /// Outside the grant, or absent: the same answer (SDS-2).
    #[error("nothing can be disclosed for this request under this grant")]
    NotDisclosable,
    /// The batch does not exist yet.
    #[error("batch {0} is not sealed yet; try again later")]
    NotSealed(u64),
    /// The batch is not on Ethereum yet.
    #[error(
        "batch {0} is not committed to Ethereum yet, so a package about it cannot be verified; \
         try again later, or set `allow_uncommitted` to take it now and verify it later"
    )]
    NotCommitted(u64),
    /// A part that is needed is away.
    #[error("a part of the installation is not available; try again in a moment")]
    Unavailable(#[source] anyhow::Error),
    /// Our own mistake.
    #[error("the request failed inside the service; the operators can find the reason")]
    Internal(#[source] anyhow::Error),
}

impl AppError {
    /// A stable name for programs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid_request",
            Self::Forbidden => "forbidden",
            Self::UnknownGrant => "unknown_grant",
            Self::Expired(_) => "grant_expired",
            Self::Revoked => "grant_revoked",
            Self::NotDisclosable => "not_disclosable",
            Self::NotSealed(_) => "batch_not_sealed",
            Self::NotCommitted(_) => "batch_not_committed",
            Self::Unavailable(_) => "unavailable",
            Self::Internal(_) => "internal",
        }
    }
}
