//! Wiring.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cloister_authz::{Engine, PolicySet};
use cloister_disclosure::SigningKey;
use cloister_disclosure::manifest::Anchor;
use cloister_oidc::{ClaimPath, HttpClient, Provider, Verifier, VerifierOptions};
use cloister_service_kit::https::{self, Limits};
use cloister_service_kit::{Check, Context, Print, Result, Service, Shutdown, grpc, listen};
use cloister_store_pg::ledger::{Ledger, LedgerLimits};
use cloister_types::{Clock, SystemClock};
use sqlx::migrate::Migrator;
use tokio::net::TcpListener;

use crate::api::{Api, Authenticator, router};
use crate::app::App;
use crate::app::audit::Recorder;
use crate::app::chain::Chain;
use crate::config::{Config, LimitsSection, OidcSection};
use crate::openapi;
use crate::store::Grants;
use crate::upstream::Upstream;

static MIGRATOR: Migrator = sqlx::migrate!("../../migrations/disclosure");

/// The service, for the skeleton.
#[derive(Debug)]
pub struct DisclosureService;

impl Service for DisclosureService {
    const NAME: &'static str = "disclosure";
    const PRINTS: &'static [Print] = &[Print {
        command: "print-openapi",
        about: "Print the description of the REST interface (OpenAPI 3.1)",
        make: openapi::document,
    }];
    type Config = Config;

    fn migrator() -> &'static Migrator {
        &MIGRATOR
    }

    async fn run(config: Config, context: Context) -> Result<()> {
        let server = Server::start(config, &context, Arc::new(SystemClock)).await?;
        server.serve(&context.shutdown).await
    }
}

/// The service with its port taken and its background work begun.
#[derive(Debug)]
pub struct Server {
    config: Config,
    listener: TcpListener,
    api: Arc<Api>,
    ledger: Ledger,
}

impl Server {
    /// Opens everything; `clock` is what grants and tokens expire by.
    ///
    /// # Errors
    /// When a file, the ledger or the port cannot be used.
    pub async fn start(config: Config, context: &Context, clock: Arc<dyn Clock>) -> Result<Self> {
        let engine = Engine::new(PolicySet::load(&config.policies_dir)?);
        let ledger_pool = context.database.pool().clone();
        let ledger = Ledger::open("disclosure", ledger_pool, LedgerLimits::default()).await?;
        let chain = Arc::new(Upstream::new(
            grpc::channel(&config.sequencer)?,
            grpc::channel(&config.prover)?,
        ));
        let key = SigningKey::from_pkcs8_pem(&config.signing_key_file.read()?)?;
        tracing::info!(thumbprint = %key.issuer_key().thumbprint(), "packages are signed by");
        let anchor = Anchor {
            l1_chain_id: config.l1.chain_id,
            rollup: config.l1.rollup_contract.parse()?,
        };
        let app = App {
            grants: Grants::new(&context.database),
            chain: Arc::clone(&chain) as Arc<dyn Chain>,
            audit: Recorder::new(ledger.clone(), Arc::clone(&clock), &engine),
            engine,
            clock: Arc::clone(&clock),
            key,
            anchor,
            limits: config.limits.clone(),
        };
        let authenticator = authenticator(&config.oidc, clock)?;
        let listener = listen("https", config.https.listen).await?;
        let every = Duration::from_millis(config.limits.anchor_interval_ms);
        let check = context.readiness.check("audit ledger");
        let (shutdown, anchored) = (context.shutdown.clone(), ledger.clone());
        context.tasks.spawn("audit anchor", async move {
            anchor_heads(&anchored, chain.as_ref(), every, &check, &shutdown).await;
            Ok(())
        });
        let api = Arc::new(Api { app, authenticator });
        Ok(Self {
            config,
            listener,
            api,
            ledger,
        })
    }

    /// The address that was taken.
    ///
    /// # Errors
    /// When the operating system does not say.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until the shutdown; then writes what waits in the ledger.
    ///
    /// # Errors
    /// When the certificate or key cannot be used.
    pub async fn serve(self, shutdown: &Shutdown) -> Result<()> {
        let Self {
            config,
            listener,
            api,
            ledger,
        } = self;
        let LimitsSection { max_body_bytes, .. } = config.limits;
        let limits = Limits {
            max_body_bytes,
            ..Limits::default()
        };
        let identity = config.https.identity();
        https::serve(listener, router(api), &identity, limits, shutdown).await?;
        ledger.close().await;
        Ok(())
    }
}

fn authenticator(section: &OidcSection, clock: Arc<dyn Clock>) -> Result<Authenticator> {
    let ca = section.ca_file.as_ref().map(std::fs::read).transpose()?;
    let http = HttpClient::new(ca.as_deref())?;
    let provider = Provider::new(section.issuer.as_str(), http, clock)?;
    let groups = ClaimPath::new(section.roles_claim.clone());
    let mut options = VerifierOptions::new(section.audience.as_str(), "groups");
    options.groups = groups;
    Ok(Authenticator::new(
        Verifier::new(Arc::new(provider), options),
        section,
    ))
}

/// Hands the ledger's head to the sequencer whenever it has moved; the next sealed batch binds it.
async fn anchor_heads(
    ledger: &Ledger,
    chain: &dyn Chain,
    every: Duration,
    check: &Check,
    shutdown: &Shutdown,
) {
    let mut anchored = 0;
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while shutdown.unless_stopping(ticks.tick()).await.is_some() {
        let head = match ledger.head().await {
            Ok(head) if ledger.is_healthy() => {
                check.ready();
                head
            }
            Ok(_) => {
                check.not_ready("the last row could not be written");
                continue;
            }
            Err(error) => {
                check.not_ready(error.to_string());
                continue;
            }
        };
        if head.count == anchored {
            continue;
        }
        match chain.anchor_audit(head.count, head.hash).await {
            Ok(()) => anchored = head.count,
            Err(error) => tracing::warn!(%error, "the audit head was not anchored"),
        }
        metrics::gauge!("cloister_disclosure_audit_rows").set(as_f64(head.count));
        metrics::gauge!("cloister_disclosure_audit_rows_anchored").set(as_f64(anchored));
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge; exact up to 2^53 rows")]
fn as_f64(count: u64) -> f64 {
    count as f64
}
