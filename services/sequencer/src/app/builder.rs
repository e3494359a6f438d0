//! The one task that makes blocks, one after another, and decides where batches end.
//!
//! A block is made as soon as there is work, but not sooner than an interval after the one before,
//! unless a whole block's gas waits; without work there is none. The next block is made while the
//! one before becomes durable: it builds on a state that nobody has seen yet, and is never written
//! before its parent.

use std::{sync::Arc, time::Duration};

use cloister_service_kit::Shutdown;
use cloister_stf::BlockError;
use cloister_types::Clock;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use super::{
    batch_policy::{BatchFill, BatchLimits, BatchTally, CostModel, Room},
    build::{BlockLimits, BuiltBlock, Parent, build_block},
    committer::Handover,
    pool::Pool,
    proving_load::ProvingLoad,
    rules::Rules,
    seal_queue::SealQueue,
};
use crate::metrics;

/// How often gaps in nonces are looked at.
const SWEEP: Duration = Duration::from_secs(1);

/// What the builder is asked beside building.
#[derive(Debug)]
pub(crate) enum Command {
    /// Close the open batch if it has blocks; answers the batch that holds the latest block.
    CloseBatch(oneshot::Sender<u64>),
}

/// Why the builder cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    /// Execution failed in a way that no transaction can cause.
    #[error("a block cannot be made")]
    Block(#[from] BlockError),
    /// Execution panicked.
    #[error("making a block failed unexpectedly")]
    Panic(#[from] tokio::task::JoinError),
}

/// Limits and intervals.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Least time between two blocks.
    pub interval: Duration,
    /// Most transactions in one block.
    pub max_block_transactions: u32,
    /// Limits of a batch.
    pub batch: BatchLimits,
    /// Unsealed batches beyond which no block is made.
    pub max_unsealed: usize,
    /// Estimates what batches cost in the guest.
    pub costs: CostModel,
}

/// The open batch as others see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenBatch {
    /// Its number.
    pub number: u64,
    /// What it holds.
    pub tally: BatchTally,
}

/// The builder's parts.
#[derive(Debug)]
pub(crate) struct Builder {
    /// The chain's rules.
    pub rules: Arc<Rules>,
    /// Where transactions wait.
    pub pool: Arc<Pool>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Limits and intervals.
    pub pace: Pace,
    /// Batches that are not sealed yet.
    pub queue: Arc<SealQueue>,
    /// Where blocks go.
    pub handover: mpsc::Sender<Handover>,
    /// Requests.
    pub commands: mpsc::Receiver<Command>,
    /// The newest block.
    pub parent: Parent,
    /// Number of the open batch.
    pub batch: u64,
    /// What the open batch holds.
    pub fill: BatchFill,
    /// How far proving is behind.
    pub load: Arc<ProvingLoad>,
    /// Tells others what the open batch holds.
    pub open: watch::Sender<OpenBatch>,
}

impl Builder {
    /// Runs until the service stops. What waits in the pool then is refused.
    ///
    /// # Errors
    /// [`BuildError`].
    pub(crate) async fn run(mut self, shutdown: Shutdown) -> Result<(), BuildError> {
        let outcome = shutdown.unless_stopping(self.work()).await;
        self.pool.refuse_all();
        outcome.unwrap_or(Ok(()))
    }

    async fn work(&mut self) -> Result<(), BuildError> {
        let mut built_at: Option<Instant> = None;
        let mut swept_at = Instant::now();
        loop {
            let now_ms = self.clock.now().0;
            if swept_at.elapsed() >= SWEEP {
                swept_at = Instant::now();
                self.sweep(now_ms);
            }
            if self.fill.tally().is_full(&self.limits(now_ms), now_ms) {
                if !self.close_batch().await {
                    return Ok(());
                }
                continue;
            }
            let wait = self.wait(built_at, now_ms);
            if wait.is_zero() {
                built_at = Some(Instant::now());
                if !self.build(now_ms).await? {
                    return Ok(());
                }
                continue;
            }
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(Command::CloseBatch(answer)) => self.close_on_request(answer).await,
                    None => return Ok(()),
                },
                () = self.pool.changed() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// How long to wait before looking again; zero when a block is due.
    fn wait(&self, built_at: Option<Instant>, now_ms: u64) -> Duration {
        let age = self.fill.tally().closes_in_ms(&self.limits(now_ms), now_ms);
        let idle = age.map_or(SWEEP, |ms| Duration::from_millis(ms.max(1)).min(SWEEP));
        let (ready, gas) = {
            let pool = self.pool.lock();
            (pool.has_ready(), pool.ready_gas())
        };
        if !ready || self.queue.len() > self.pace.max_unsealed {
            return idle;
        }
        if gas >= u128::from(self.rules.config.block_gas_limit) {
            return Duration::ZERO;
        }
        let since = built_at.map_or(Duration::MAX, |at| at.elapsed());
        self.pace.interval.saturating_sub(since).min(idle)
    }

    /// The limits in force: while proving is behind, a batch may grow older.
    fn limits(&self, now_ms: u64) -> BatchLimits {
        self.pace
            .batch
            .stretched(self.load.stretch_permille(now_ms))
    }

    fn show_open_batch(&self) {
        self.open.send_replace(OpenBatch {
            number: self.batch,
            tally: *self.fill.tally(),
        });
    }

    fn sweep(&self, now_ms: u64) {
        metrics::batch_age_limit(self.limits(now_ms).max_age_ms);
        metrics::proving_load(self.load.live(now_ms).as_ref());
        self.pool.expire(now_ms);
        let (transactions, bytes) = {
            let pool = self.pool.lock();
            (pool.len(), pool.bytes())
        };
        metrics::mempool(transactions, bytes);
    }

    /// Makes a block and hands it over; false when nobody takes it any more.
    async fn build(&mut self, now_ms: u64) -> Result<bool, BuildError> {
        // The place is reserved first, so that no block is made that would have to wait: what
        // arrives meanwhile goes into it.
        let Ok(place) = self.handover.clone().reserve_owned().await else {
            return Ok(false);
        };
        let room = self.fill.tally().room(&self.pace.batch);
        let limits = BlockLimits {
            room: Room {
                transactions: room.transactions.min(self.pace.max_block_transactions),
                ..room
            },
            costs: self.pace.costs,
        };
        let (rules, pool) = (Arc::clone(&self.rules), Arc::clone(&self.pool));
        let (parent, batch) = (self.parent.clone(), self.batch);
        let timer = metrics::build_timer();
        let work = move || build_block(&rules.config, &parent, &pool, limits, batch, now_ms);
        let Some(built) = tokio::task::spawn_blocking(work).await?? else {
            return Ok(true);
        };
        timer.done();
        self.follow(&built);
        place.send(Handover::Block(Box::new(built)));
        Ok(true)
    }

    fn follow(&mut self, built: &BuiltBlock) {
        let block = &built.block;
        self.parent = Parent {
            header: block.header,
            state: built.state_after.clone(),
        };
        self.fill.add(
            block,
            &built.outcome,
            &built.work,
            &built.state_after,
            self.pace.costs.table,
        );
        self.show_open_batch();
    }

    async fn close_on_request(&mut self, answer: oneshot::Sender<u64>) {
        if !self.fill.tally().is_empty() {
            self.close_batch().await;
        }
        // Whoever asked may have gone away.
        let _ = answer.send(self.batch.saturating_sub(1));
    }

    async fn close_batch(&mut self) -> bool {
        let closed = self.batch;
        self.batch = self.batch.saturating_add(1);
        self.fill = BatchFill::default();
        self.show_open_batch();
        self.handover
            .send(Handover::CloseBatch(closed))
            .await
            .is_ok()
    }
}
