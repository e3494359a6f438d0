//! Linking wallets to a principal (EIP-4361).

use crate::api::Gateway;
use crate::app::siwe::Binding;

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
