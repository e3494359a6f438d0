//! Wiring only.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use cloister_l1::{Endpoint, EthClient};
use cloister_service_kit::{Context, Error, Result, Service, grpc, listen};
use cloister_signer::{LocalKey, TransactionSigner};
use cloister_types::SystemClock;
use cloister_wrap::release::Release;

use crate::api;
use crate::app::committer::{Committer, Parts, Wraps};
use crate::app::health::Health;
use crate::app::intake::Intake;
use crate::artefacts::Artefacts;
use crate::config::{Config, WorkerConfig};
use crate::store::{MIGRATOR, Store};

mod proving;

/// Most bytes of a release's file that are read; they have some hundred thousand.
const MAX_RELEASE_BYTES: u64 = 16 << 20;

/// The service.
#[derive(Debug)]
pub(crate) struct Prover;

impl Service for Prover {
    const NAME: &'static str = "prover";
    type Config = Config;

    fn migrator() -> &'static sqlx::migrate::Migrator {
        &MIGRATOR
    }

    async fn run(config: Config, context: Context) -> Result<()> {
        let l1 = &config.l1;
        let key: Arc<dyn TransactionSigner> = Arc::new(LocalKey::open(&l1.key_source())?);
        let client = EthClient::connect(&Endpoint::new(l1.rpc_url.clone(), l1.request_timeout()))?;
        let store = Store::new(context.database.clone());
        let health = Arc::new(Health::default());
        refuse_another_installation(&config, &store).await?;

        let intake = Intake::new(
            grpc::channel(&config.sequencer)?,
            store.clone(),
            Arc::clone(&health),
            l1.chain_id,
            l1.rollup_contract,
        );
        let check = context.readiness.check("sequencer");
        context
            .tasks
            .spawn("intake", intake.run(context.shutdown.clone(), check));

        if let Some(section) = &config.prover {
            let channel = grpc::channel(&config.sequencer)?;
            proving::start(section, channel, &store, &health, &context)?;
        }

        let folder = config.prover.as_ref().and_then(|it| it.artefacts.clone());
        let artefacts = Arc::new(Artefacts::new(store.clone(), folder));
        let release = l1.wrap_release.as_deref().map(read_release).transpose()?;
        let parts = Parts {
            client,
            store: store.clone(),
            key,
            clock: Arc::new(SystemClock),
            health: Arc::clone(&health),
            wraps: Wraps::new(store.clone(), Arc::clone(&artefacts), release),
        };
        let committer = Committer::new(l1, config.prover.is_some(), parts).await?;
        let check = context.readiness.check("ethereum");
        context
            .tasks
            .spawn("committer", committer.run(context.shutdown.clone(), check));

        let api = api::ProverApi::new(store, artefacts, health, l1.chain_id, l1.rollup_contract);
        let listener = listen("grpc", config.grpc.listen).await?;
        let serving = grpc::serve(listener, api.routes(), &config.grpc, &context.shutdown);
        Box::pin(serving).await?;
        Ok(())
    }
}

/// The service on a machine that only proves.
#[derive(Debug)]
pub(crate) struct Workers;

impl Service for Workers {
    const NAME: &'static str = "prover";
    const COMMAND: &'static str = "worker";
    const ABOUT: &'static str = "Prove batches beside a running prover, on the same database";
    type Config = WorkerConfig;

    fn migrator() -> &'static sqlx::migrate::Migrator {
        &MIGRATOR
    }

    async fn run(config: WorkerConfig, context: Context) -> Result<()> {
        let store = Store::new(context.database.clone());
        let health = Arc::new(Health::default());
        proving::start_workers(&config.prover, &store, &health, &context, false)?;
        context.shutdown.stopping().await;
        Ok(())
    }
}

/// The wraps of a guest program that is not a released one.
fn read_release(path: &Path) -> Result<Release> {
    let unusable = |reason: &dyn std::fmt::Display| {
        Error::msg(format!(
            "the release `{}` of `l1.wrap_release` cannot be used: {reason}",
            path.display()
        ))
    };
    let file = std::fs::File::open(path).map_err(|error| unusable(&error))?;
    let mut bytes = Vec::new();
    let read = file.take(MAX_RELEASE_BYTES).read_to_end(&mut bytes);
    read.map_err(|error| unusable(&error))?;
    Release::decode(&bytes).map_err(|error| unusable(&error))
}

/// A database that was made for another contract is an operator's mistake: say so at once, also
/// while the sequencer is away.
async fn refuse_another_installation(config: &Config, store: &Store) -> Result<()> {
    let Some(target) = store.target().await? else {
        return Ok(());
    };
    let configured = (config.l1.chain_id, config.l1.rollup_contract);
    if (target.l1_chain_id, target.rollup_contract) == configured {
        return Ok(());
    }
    Err(Error::msg(format!(
        "the database belongs to contract `{}` of Ethereum chain {}, and the configuration names \
         `{}` of chain {}: use the database of this installation or an empty one",
        target.rollup_contract, target.l1_chain_id, configured.1, configured.0
    )))
}
