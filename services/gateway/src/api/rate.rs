//! How often somebody may ask, for every endpoint: nobody, known or not, can fill the audit ledger,
//! which keeps its rows, or the tables of logins and challenges (SGW-14).

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::request::Parts;

use super::Gateway;
use crate::app::identity::Caller;
use crate::app::rate::{Counted, Rate};
use crate::rpc::{Code, RpcError};

/// Who is counted: the principal, or the address of somebody unknown.
#[must_use]
pub fn counted(caller: &Caller, peer: IpAddr) -> Counted {
    if caller.principal.is_anonymous() {
        Counted::Address(peer)
    } else {
        Counted::Principal(caller.principal.id())
    }
}

/// Takes `count` requests.
///
/// # Errors
/// There are not so many left.
pub fn take(gateway: &Gateway, who: Counted, count: usize) -> Result<(), RpcError> {
    let limits = &gateway.app.limits;
    let rate = match who {
        Counted::Principal(_) => Rate {
            per_second: limits.requests_per_second,
            burst: limits.burst,
        },
        Counted::Address(_) => {
            let per_second = limits.anonymous_requests_per_second;
            Rate {
                per_second,
                burst: per_second.saturating_mul(2),
            }
        }
    };
    let now = gateway.app.clock.now();
    if gateway.app.rate.take(who, rate, count, now) {
        return Ok(());
    }
    Err(RpcError::new(
        Code::LimitExceeded,
        format!("more than {} requests a second: slow down", rate.per_second),
    ))
}

/// Where a request comes from.
///
/// # Errors
/// The server did not say, which is a mistake of ours.
pub fn peer(parts: &Parts) -> Result<IpAddr, RpcError> {
    let info = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    info.map(|info| info.0.ip()).ok_or_else(RpcError::internal)
}
