//! Linking wallets to a principal (EIP-4361).

use alloy_primitives::B256;
use axum::extract::rejection::JsonRejection;

use crate::api::Gateway;
use crate::api::authenticate;
use crate::api::problem::Problem;
use crate::app::identity::Caller;
use crate::app::siwe::Binding;
use crate::rpc::Code;

pub mod challenge;
pub mod link;
pub mod list;
pub mod unlink;

/// What a wallet message must be bound to.
fn binding(gateway: &Gateway) -> Binding<'_> {
    Binding {
        domain: &gateway.app.domain,
        url: &gateway.app.public_url,
        chain_id: gateway.app.chain_id,
        max_age_s: gateway.app.session.challenge_s,
    }
}

/// A body that is not what the endpoint takes, recorded (SGW-5).
async fn malformed(
    gateway: &Gateway,
    caller: &Caller,
    name: &str,
    error: &JsonRejection,
) -> Problem {
    match authenticate::malformed(gateway, caller, name, "body", B256::ZERO).await {
        Ok(()) => Problem::new(error.status(), Code::InvalidParams, error.body_text()),
        Err(error) => error.into(),
    }
}
