//! Which service may call which method: a closed table, deny by default (SPR-6).

use cloister_proto::PeerName;
use cloister_proto::code::with_code;
use tonic::{Request, Status};

/// A method of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// `GetStatus`.
    GetStatus,
    /// `GetBatchStatus`.
    GetBatchStatus,
    /// `ListJobs`.
    ListJobs,
    /// `GetJob`.
    GetJob,
    /// `RetryJob`.
    RetryJob,
    /// `DiscardJob`.
    DiscardJob,
    /// `GetProof`: the proof is not zero knowledge, so the gateway asks policy first.
    GetProof,
}

impl Method {
    /// Who may call it. No wildcard: a new method does not compile until somebody decides.
    const fn peers(self) -> &'static [&'static str] {
        match self {
            Self::GetStatus | Self::GetBatchStatus => &["gateway", "disclosure"],
            Self::ListJobs | Self::GetJob | Self::RetryJob | Self::DiscardJob | Self::GetProof => {
                &["gateway"]
            }
        }
    }
}

/// Refuses a caller that the table does not name.
pub(super) fn authorize<T>(request: &Request<T>, method: Method) -> Result<(), Status> {
    let peer = PeerName::of(request)?;
    if method.peers().contains(&peer.as_str()) {
        return Ok(());
    }
    tracing::warn!(%peer, ?method, "refused a peer");
    Err(with_code(
        Status::permission_denied(format!("the service `{peer}` may not call this method")),
        "peer_not_allowed",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spr_6_only_gateway_and_disclosure_read() {
        for method in [Method::GetStatus, Method::GetBatchStatus] {
            assert_eq!(method.peers(), ["gateway", "disclosure"]);
        }
    }

    #[test]
    fn spr_6_only_the_gateway_touches_jobs_and_proofs() {
        for method in [
            Method::ListJobs,
            Method::GetJob,
            Method::RetryJob,
            Method::DiscardJob,
            Method::GetProof,
        ] {
            assert_eq!(method.peers(), ["gateway"]);
        }
    }

    #[test]
    fn spr_6_a_caller_without_a_certificate_is_refused() {
        let refused = authorize(&Request::new(()), Method::GetStatus).expect_err("no certificate");
        assert_eq!(refused.code(), tonic::Code::Unauthenticated);
    }
}
