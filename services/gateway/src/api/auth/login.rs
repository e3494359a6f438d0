//! `GET /auth/login`: sends the browser to the identity provider.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, State};
use axum::response::Response;
use cloister_oidc::LoginSecrets;
use cloister_types::UnixMillis;

use super::{no_entropy, redirect, set_cookie};
use crate::api::Gateway;
use crate::api::authenticate::LOGIN_COOKIE;
use crate::api::problem::Problem;
use crate::api::rate;
use crate::app::rate::Counted;
use crate::app::{entropy, failure};
use crate::rpc::RpcError;
use crate::store::{logins, secret_hash};

/// Begins a login.
///
/// # Errors
/// [`Problem`]: asked too often, or what is away.
pub async fn handle(
    State(gateway): State<Arc<Gateway>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
) -> Result<Response, Problem> {
    rate::take(&gateway, Counted::Address(peer.ip()), 1)?;
    let app = &gateway.app;
    let mut random = [0; 96];
    if !app.entropy.fill(&mut random) {
        return Err(no_entropy().into());
    }
    let secrets = LoginSecrets::from_entropy(&random);
    let browser = entropy::secret(app.entropy.as_ref()).ok_or_else(no_entropy)?;
    let url = gateway.login.begin(&secrets).await.map_err(|error| {
        tracing::warn!(%error, "a login cannot begin");
        RpcError::unavailable("identity provider")
    })?;
    let now = app.clock.now();
    let expires_at = UnixMillis(
        now.0
            .saturating_add(app.session.login_s.saturating_mul(1_000)),
    );
    let pending = logins::Pending {
        nonce: secrets.nonce.clone(),
        code_verifier: secrets.code_verifier.to_string(),
    };
    let (state, bound) = (secret_hash(&secrets.state), secret_hash(&browser));
    logins::add(app.database.pool(), state, bound, &pending, now, expires_at)
        .await
        .map_err(|error| failure::database(&error))?;
    // Lax: the browser comes back from the provider's site.
    let cookie = set_cookie(LOGIN_COOKIE, &browser, app.session.login_s, "Lax");
    Ok(redirect(url.as_str(), cookie))
}
