//! Wiring: makes the parts, connects them, and ends them in order.

use std::{sync::Arc, time::Duration};

use alloy_primitives::B256;
use cloister_authz::PolicySet;
use cloister_crypto::{Salter, StateSecret};
use cloister_proto::sequencer::v1::sequencer_server::SequencerServer;
use cloister_service_kit::{Context, Result, Service, ServiceConfig, grpc, listen};
use cloister_settings::{AdminSection, DatabaseSection, TelemetrySection};
use cloister_types::{ChainConfig, Clock, SystemClock};
use sqlx::migrate::Migrator;
use tokio::sync::{Semaphore, mpsc, watch};
use tonic::service::Routes;

use crate::{
    api::Api,
    app::{
        audit_heads::AuditHeads,
        batch_policy::CostModel,
        builder::{Builder, OpenBatch, Pace},
        call::Caller,
        chain::Chain,
        committer::{Committer, Handover},
        node::Node,
        pool::Pool,
        proving_load::ProvingLoad,
        recover::{Recovered, recover},
        rules::Rules,
        seal_queue::SealQueue,
        sealer::{Sealer, StateTree},
        submit::Submitter,
    },
    config::Config,
    store::Store,
};

static MIGRATOR: Migrator = sqlx::migrate!("../../migrations/sequencer");

/// Blocks that wait to become durable while another is written.
const BLOCKS_AHEAD: usize = 1;
/// Requests to the builder that may wait.
const COMMANDS: usize = 64;
/// Signers recovered at once, for each processor.
const RECOVERIES_PER_CPU: usize = 4;

/// The sequencer.
#[derive(Debug)]
pub(crate) struct Sequencer;

impl ServiceConfig for Config {
    fn admin(&self) -> &AdminSection {
        &self.admin
    }

    fn database(&self) -> &DatabaseSection {
        &self.database
    }

    fn telemetry(&self) -> &TelemetrySection {
        &self.telemetry
    }
}

impl Service for Sequencer {
    const NAME: &'static str = "sequencer";
    type Config = Config;

    fn migrator() -> &'static Migrator {
        &MIGRATOR
    }

    async fn run(config: Config, context: Context) -> Result<()> {
        let serving = context.readiness.check("chain");
        let rules = Arc::new(rules(&config)?);
        let policy_root = PolicySet::load(&config.chain.policies_dir)?.root();
        let store = Store::new(context.database.clone());
        let costs = config.batch.costs()?;
        let genesis = &config.chain.genesis_file;
        let recovered = recover(&store, &rules, policy_root, genesis, &costs).await?;
        let heads = Arc::new(AuditHeads::new(store.audit_heads().await?));
        let listener = listen("grpc", config.grpc.listen).await?;
        let wiring = Wiring {
            config: &config,
            context: &context,
            rules,
            policy_root,
            store,
            costs,
        };
        let node = wiring.start(recovered, heads);
        let api = Api::new(
            Arc::new(node),
            config.limits.max_streams,
            context.shutdown.clone(),
        );
        let server = SequencerServer::new(api)
            .max_decoding_message_size(config.limits.max_request_bytes)
            .max_encoding_message_size(config.limits.max_response_bytes);
        serving.ready();
        grpc::serve(
            listener,
            Routes::new(server),
            &config.grpc,
            &context.shutdown,
        )
        .await?;
        Ok(())
    }
}

fn rules(config: &Config) -> Result<Rules> {
    let secret = StateSecret::parse(&config.chain.state_secret_file.read()?)?;
    Ok(Rules {
        config: ChainConfig {
            chain_id: config.chain.id,
            fork: config.chain.fork.parse()?,
            block_gas_limit: config.chain.gas_limit,
            base_fee_wei: config.chain.base_fee_wei,
        },
        salter: Salter::new(&secret),
    })
}

/// What every part needs.
struct Wiring<'a> {
    config: &'a Config,
    context: &'a Context,
    rules: Arc<Rules>,
    policy_root: B256,
    store: Store,
    costs: CostModel,
}

impl Wiring<'_> {
    /// Starts builder, committer and sealer over a recovered chain.
    fn start(self, recovered: Recovered, audit_heads: Arc<AuditHeads>) -> Node {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let chain = Arc::new(Chain::new(recovered.head(), recovered.sealed.clone()));
        let base_fee = u128::from(self.config.chain.base_fee_wei);
        let tip = recovered.parent.state.clone();
        let pool = Arc::new(Pool::new(self.config.mempool.limits(), base_fee, tip));
        let queue = Arc::new(recovered.queue);
        let tree = Arc::new(recovered.tree);
        let (handover, blocks) = mpsc::channel::<Handover>(BLOCKS_AHEAD);
        let (commands, requests) = mpsc::channel(COMMANDS);
        let (available, is_available) = watch::channel(true);
        let load = Arc::new(ProvingLoad::new(self.config.backpressure.rule()));
        let (show_open, open) = watch::channel(OpenBatch {
            number: recovered.batch,
            tally: *recovered.fill.tally(),
        });
        let builder = Builder {
            rules: Arc::clone(&self.rules),
            pool: Arc::clone(&pool),
            clock: Arc::clone(&clock),
            pace: self.pace(),
            queue: Arc::clone(&queue),
            handover,
            commands: requests,
            parent: recovered.parent,
            batch: recovered.batch,
            fill: recovered.fill,
            load: Arc::clone(&load),
            open: show_open,
        };
        let committer = Committer {
            store: self.store.clone(),
            term: recovered.term,
            chain: Arc::clone(&chain),
            pool: Arc::clone(&pool),
            queue: Arc::clone(&queue),
            available,
        };
        let sealer = self.sealer(recovered.term, &chain, &queue, &tree, &audit_heads);
        self.spawn(builder, committer, sealer, blocks);
        let watched = watch_blocks(self.context.clone(), is_available.clone());
        self.context.tasks.spawn("blocks", watched);
        let submitter = self.submitter(&pool, &queue, &clock, is_available);
        let caller = self.caller(&chain, &clock);
        Node {
            rules: self.rules,
            genesis: recovered.genesis,
            policy_root: self.policy_root,
            limits: self.config.limits.clone(),
            store: self.store,
            chain,
            tree,
            pool,
            submitter,
            caller,
            audit_heads,
            commands,
            clock,
            queue,
            open,
            batch_limits: self.config.batch.limits(),
            costs: self.costs,
            load,
        }
    }

    fn sealer(
        &self,
        term: i64,
        chain: &Arc<Chain>,
        queue: &Arc<SealQueue>,
        tree: &Arc<StateTree>,
        audit_heads: &Arc<AuditHeads>,
    ) -> Sealer {
        Sealer {
            rules: Arc::clone(&self.rules),
            store: self.store.clone(),
            term,
            tree: Arc::clone(tree),
            chain: Arc::clone(chain),
            queue: Arc::clone(queue),
            audit_heads: Arc::clone(audit_heads),
            policy_root: self.policy_root,
            clock: Arc::new(SystemClock),
            costs: self.costs,
            check: self.context.readiness.check("sealing"),
        }
    }

    /// Starts the tasks that build, persist and seal.
    fn spawn(
        &self,
        builder: Builder,
        committer: Committer,
        sealer: Sealer,
        blocks: mpsc::Receiver<Handover>,
    ) {
        let tasks = &self.context.tasks;
        let stop = self.context.shutdown.clone();
        tasks.spawn("builder", async move { Ok(builder.run(stop).await?) });
        tasks.spawn("committer", async move { Ok(committer.run(blocks).await?) });
        let stop = self.context.shutdown.clone();
        tasks.spawn("sealer", async move {
            sealer.run(stop).await;
            Ok(())
        });
    }

    fn pace(&self) -> Pace {
        Pace {
            interval: Duration::from_millis(self.config.block.interval_ms),
            max_block_transactions: self.config.block.max_transactions,
            batch: self.config.batch.limits(),
            max_unsealed: self.config.batch.max_unsealed,
            costs: self.costs,
        }
    }

    fn submitter(
        &self,
        pool: &Arc<Pool>,
        queue: &Arc<SealQueue>,
        clock: &Arc<dyn Clock>,
        available: watch::Receiver<bool>,
    ) -> Submitter {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Submitter {
            rules: Arc::clone(&self.rules),
            pool: Arc::clone(pool),
            store: self.store.clone(),
            clock: Arc::clone(clock),
            available,
            recoveries: Semaphore::new(processors.saturating_mul(RECOVERIES_PER_CPU)),
            max_transaction_bytes: self.config.mempool.max_transaction_bytes,
            timeout: Duration::from_millis(self.config.mempool.submit_timeout_ms),
            queue: Arc::clone(queue),
            max_unsealed: self.config.batch.max_unsealed,
        }
    }

    fn caller(&self, chain: &Arc<Chain>, clock: &Arc<dyn Clock>) -> Caller {
        Caller {
            rules: Arc::clone(&self.rules),
            chain: Arc::clone(chain),
            clock: Arc::clone(clock),
            slots: Arc::new(Semaphore::new(self.config.limits.max_parallel_executions)),
            max_gas: self.config.limits.max_call_gas,
        }
    }
}

/// Tells operators whether blocks can be stored.
async fn watch_blocks(context: Context, mut available: watch::Receiver<bool>) -> Result<()> {
    let check = context.readiness.check("blocks");
    loop {
        if *available.borrow_and_update() {
            check.ready();
        } else {
            check.not_ready("blocks cannot be stored");
        }
        match context.shutdown.unless_stopping(available.changed()).await {
            Some(Ok(())) => {}
            Some(Err(_)) | None => return Ok(()),
        }
    }
}
