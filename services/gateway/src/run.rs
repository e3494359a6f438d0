//! Wiring: from the configuration to a gateway that serves, and the tasks behind it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use cloister_authz::{Engine, PolicySet};
use cloister_oidc::{
    ClaimPath, ClientCredentials, HttpClient, LoginClient, Provider, Verifier, VerifierOptions,
};
use cloister_proto::tls::client_channel;
use cloister_service_kit::https::{self, Limits};
use cloister_service_kit::{Check, Context, Result};
use cloister_settings::Url;
use cloister_store_pg::ledger::{Ledger, LedgerLimits};
use cloister_types::{Clock, SystemClock};
use tokio::sync::Semaphore;

use crate::api::{self, Gateway};
use crate::app::App;
use crate::app::blocks::Blocks;
use crate::app::deployments::SETTLE_EVERY;
use crate::app::entropy::SystemEntropy;
use crate::app::identity::ClaimMap;
use crate::app::rate::RateLimiter;
use crate::app::registry::Registry;
use crate::config::{Config, OidcSection};
use crate::upstream::prover;
use crate::upstream::sequencer::Sequencer;

/// How often the sequencer is compared with our configuration.
const COMPARE_EVERY: Duration = Duration::from_secs(1);
/// How often the head of the audit ledger is reported, when it changed.
const ANCHOR_EVERY: Duration = Duration::from_secs(2);
/// The HTTP layer refuses what is this much longer than a JSON-RPC body may be, before it is read;
/// what lies between is answered as JSON-RPC.
const BODY_SLACK_BYTES: usize = 64 * 1024;

/// Serves until the shutdown.
///
/// # Errors
/// Whatever makes it impossible to serve.
pub async fn run(config: Config, context: Context) -> Result<()> {
    let serving = context.readiness.check("https");
    let checks = (
        context.readiness.check("sequencer"),
        context.readiness.check("audit"),
    );
    let gateway = Arc::new(build(&config, &context).await?);
    tasks(&gateway, &context, checks);
    let listener = cloister_service_kit::listen("https", config.https.listen).await?;
    serving.ready();
    let limits = Limits {
        max_body_bytes: config
            .limits
            .max_body_bytes
            .saturating_add(BODY_SLACK_BYTES),
        ..Limits::default()
    };
    let router = api::router(Arc::clone(&gateway));
    https::serve(
        listener,
        router,
        &config.https.identity(),
        limits,
        &context.shutdown,
    )
    .await?;
    gateway.app.ledger.close().await;
    Ok(())
}

async fn build(config: &Config, context: &Context) -> Result<Gateway> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (verifier, login) = identity(&config.oidc, &config.https.public_url, &clock)?;
    let policies = PolicySet::load(&config.policies_dir).context("cannot use the policies")?;
    let pool = context.database.pool().clone();
    let ledger = Ledger::open("gateway", pool.clone(), LedgerLimits::default())
        .await
        .context("cannot open the audit ledger")?;
    let timeout = config.limits.request_timeout();
    let sequencer = client_channel(&config.sequencer).context("the section [sequencer]")?;
    let prover = client_channel(&config.prover).context("the section [prover]")?;
    let url = &config.https.public_url;
    let host = url.host_str().context("https.public_url has no host")?;
    let app = App {
        chain_id: config.chain.id,
        limits: config.limits.clone(),
        session: config.session.clone(),
        domain: url
            .port()
            .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
        public_url: url.as_str().trim_end_matches('/').to_owned(),
        clock,
        entropy: Arc::new(SystemEntropy),
        database: context.database.clone(),
        engine: Engine::new(policies),
        ledger,
        sequencer: Sequencer::new(sequencer, timeout),
        prover: prover::Prover::new(prover, timeout),
        claims: ClaimMap::new(&config.oidc).context("the section [oidc]")?,
        registry: Registry::new(pool),
        blocks: Blocks::default(),
        rate: RateLimiter::default(),
    };
    let places = Semaphore::new(config.limits.max_concurrent_requests);
    Ok(Gateway {
        app,
        verifier,
        login,
        places,
    })
}

fn identity(
    section: &OidcSection,
    public_url: &Url,
    clock: &Arc<dyn Clock>,
) -> Result<(Verifier, LoginClient)> {
    let ca = section.ca_file.as_ref().map(std::fs::read).transpose();
    let ca = ca.context("cannot read oidc.ca_file")?;
    let http = HttpClient::new(ca.as_deref()).context("cannot use oidc.ca_file")?;
    let provider = Provider::new(&section.issuer, http, Arc::clone(clock));
    let provider = Arc::new(provider.context("cannot use oidc.issuer")?);
    let secret = section
        .client_secret_file
        .read()
        .context("cannot use oidc.client_secret_file")?;
    let options = VerifierOptions::new(section.audience.clone(), section.roles_claim.clone());
    let login = LoginClient::new(
        Arc::clone(&provider),
        ClientCredentials::confidential(section.client_id.clone(), secret),
        public_url
            .join("/auth/callback")
            .context("cannot use https.public_url")?,
        section.scopes.join(" "),
        ClaimPath::new(section.roles_claim.clone()),
    );
    Ok((Verifier::new(provider, options), login))
}

fn tasks(gateway: &Arc<Gateway>, context: &Context, (check, audit): (Check, Check)) {
    let (one, stop) = (Arc::clone(gateway), context.shutdown.clone());
    context.tasks.spawn("compare", async move {
        while stop
            .unless_stopping(compare(&one.app, &check, &audit))
            .await
            .is_some()
        {
            stop.unless_stopping(tokio::time::sleep(COMPARE_EVERY))
                .await;
        }
        Ok(())
    });
    let (two, stop) = (Arc::clone(gateway), context.shutdown.clone());
    context.tasks.spawn("anchor", async move {
        let mut reported = None;
        while stop
            .unless_stopping(anchor(&two.app, &mut reported))
            .await
            .is_some()
        {
            stop.unless_stopping(tokio::time::sleep(ANCHOR_EVERY)).await;
        }
        Ok(())
    });
    let (three, stop) = (Arc::clone(gateway), context.shutdown.clone());
    context.tasks.spawn("settle", async move {
        while let Some(settled) = stop.unless_stopping(three.app.settle_left_over()).await {
            if let Err(reason) = settled {
                tracing::warn!(reason, "deployments are left unsettled");
            }
            stop.unless_stopping(tokio::time::sleep(SETTLE_EVERY)).await;
        }
        Ok(())
    });
}

/// Ready while the sequencer runs the same chain under the same policies, and the ledger takes rows.
async fn compare(app: &App, sequencer: &Check, audit: &Check) {
    match app.sequencer.info().await {
        Err(error) => sequencer.not_ready(error.to_string()),
        Ok(info) if info.chain_id != app.chain_id => sequencer.not_ready(format!(
            "it runs chain {}, our configuration names {}",
            info.chain_id, app.chain_id
        )),
        Ok(info) if info.policy_root[..] != app.engine.policy_root()[..] => {
            sequencer.not_ready("it enforces other policies than ours: give both the same folder");
        }
        Ok(_) => sequencer.ready(),
    }
    if app.ledger.is_healthy() {
        audit.ready();
    } else {
        audit.not_ready("the last rows could not be written");
    }
}

/// Reports the head of the audit ledger to the sequencer, which binds it into the next batch.
async fn anchor(app: &App, reported: &mut Option<u64>) {
    let head = match app.ledger.head().await {
        Ok(head) => head,
        Err(error) => {
            tracing::warn!(%error, "the head of the audit ledger cannot be read");
            return;
        }
    };
    if head.count == 0 || *reported == Some(head.count) {
        return;
    }
    match app
        .sequencer
        .anchor_audit_head(head.count, head.hash.0)
        .await
    {
        Ok(()) => *reported = Some(head.count),
        Err(error) => tracing::warn!(%error, "the head of the audit ledger was not reported"),
    }
}
