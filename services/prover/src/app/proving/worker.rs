//! A worker: takes one job after the other, and gives none up but by its end, its failure, or the
//! loss of its lease.
//!
//! ```text
//!  lease ─► perform ───────────────► complete ─► what waited is ready
//!             │    heartbeat every third of the lease; a lost lease or the end of the process
//!             │    kills the engine
//!             └► fail: again after a pause, or dead
//! ```
//!
//! A worker runs one process at a time: its engine, kept from job to job, or for one wrap the
//! wrapper, since the two together would take more memory than a worker has.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cloister_prove::client::Killer;
use cloister_service_kit::{Result, Shutdown};
use tokio::time::{Instant, MissedTickBehavior, sleep};

use super::engine::{Engines, Running, Turn as WrapTurn, Wrapping};
use super::model::{ErrorKind, Failed, Finished, Identity, Job, Lease, Made, Stage};
use super::perform::perform;
use super::scratch::Scratch;
use crate::app::health::Health;
use crate::artefacts::Artefacts;
use crate::store::{Completed, Fate, Patience, Store, StoreError, Takes};

/// The longest pause of a worker in trouble.
const MAX_PAUSE: Duration = Duration::from_mins(1);
/// An engine that had nothing to do for so long is ended, and its memory is free.
const ENGINE_IDLE: Duration = Duration::from_mins(2);

/// What all workers of a process share.
#[derive(Debug)]
pub(crate) struct Shop {
    /// The queue.
    pub store: Store,
    /// What jobs hand to each other.
    pub artefacts: Artefacts,
    /// Starts engines.
    pub engines: Engines,
    /// Starts wrappers, where one is configured.
    pub wrapping: Option<Wrapping>,
    /// Tells operators of trouble, and other parts that a job is done.
    pub health: Arc<Health>,
    /// Where workers keep their files.
    pub scratch: PathBuf,
    /// How long a job is kept without a heartbeat.
    pub lease: Duration,
    /// How often the queue is asked when it was empty.
    pub poll: Duration,
    /// How long one call of the engine may take.
    pub timeout: Duration,
    /// How long a job that was begun may go on when the process is told to end.
    pub stop_grace: Duration,
    /// Limits of trying again.
    pub patience: Patience,
}

/// One worker.
#[derive(Debug)]
pub(crate) struct Worker {
    shop: Arc<Shop>,
    name: String,
    takes: Takes,
    scratch: Scratch,
    /// The engine, or the wrapper during a wrap.
    engine: Option<Running>,
    /// What the engine proves.
    identity: Option<Identity>,
    /// Whose proofs the wrapper wraps; `None` as long as it is not known, and in a worker that does
    /// not wrap.
    wraps: Option<Identity>,
    idle_since: Instant,
}

/// How a job ended for its worker.
#[derive(Debug)]
enum End {
    Finished(Finished),
    Failed(Failed),
    /// Another worker has it.
    LeaseLost,
    /// The process is told to end.
    Interrupted,
}

/// How a turn ended.
enum Turn {
    Worked,
    Idle,
    /// Nothing could be done for a reason that is not a job's.
    Trouble(String),
}

impl Worker {
    /// A worker with a name that no other has.
    ///
    /// # Errors
    /// When its folder cannot be made.
    pub(crate) fn new(shop: Arc<Shop>, name: String, takes: Takes) -> std::io::Result<Self> {
        Ok(Self {
            scratch: Scratch::open(&shop.scratch, &name.replace('/', "-"))?,
            shop,
            name,
            takes,
            engine: None,
            identity: None,
            wraps: None,
            idle_since: Instant::now(),
        })
    }

    /// Works until the shutdown. No failure ends it.
    pub(crate) async fn run(mut self, shutdown: Shutdown) -> Result<()> {
        let mut pause = self.shop.poll;
        while !shutdown.is_stopping() {
            let wait = match self.turn(&shutdown).await {
                Turn::Worked => {
                    self.shop.health.worker_trouble(&self.name, None);
                    pause = self.shop.poll;
                    continue;
                }
                Turn::Idle => {
                    self.shop.health.worker_trouble(&self.name, None);
                    self.rest();
                    pause = self.shop.poll;
                    pause
                }
                Turn::Trouble(reason) => {
                    self.shop.health.worker_trouble(&self.name, Some(&reason));
                    let now = pause;
                    pause = pause.saturating_mul(2).min(MAX_PAUSE.max(self.shop.poll));
                    now.mul_f64(rand::random_range(0.75..1.25))
                }
            };
            let waiting = async {
                tokio::select! {
                    () = sleep(wait) => {}
                    () = self.shop.health.job_released() => {}
                }
            };
            shutdown.unless_stopping(waiting).await;
        }
        Ok(())
    }

    /// At most one job.
    async fn turn(&mut self, shutdown: &Shutdown) -> Turn {
        let identity = match self.identity {
            Some(identity) => identity,
            None => match shutdown.unless_stopping(self.learn()).await {
                Some(Ok(identity)) => identity,
                Some(Err(failed)) => return Turn::Trouble(failed.reason),
                None => return Turn::Idle,
            },
        };
        match self.take(&identity).await {
            Ok(Some((job, turn))) => {
                let turned = self.work(&job, shutdown).await;
                // The next wrapper may start: this one has ended.
                drop(turn);
                turned
            }
            Ok(None) => Turn::Idle,
            Err(error) => Turn::Trouble(error.to_string()),
        }
    }

    /// A job, and with a wrap the turn to wrap.
    async fn take(
        &self,
        identity: &Identity,
    ) -> Result<Option<(Job, Option<WrapTurn>)>, StoreError> {
        let shop = &self.shop;
        let lost = shop.store.expire(shop.patience).await?;
        crate::metrics::leases_lost(lost);
        let mut turn = None;
        if self.wraps.is_some() {
            shop.store.plant_wraps().await?;
            turn = shop.wrapping.as_ref().and_then(Wrapping::turn);
        }
        let wraps = self.wraps.as_ref().filter(|_| turn.is_some());
        let job = shop
            .store
            .lease(&self.name, self.takes, identity, wraps, shop.lease)
            .await?;
        Ok(job.map(|job| {
            let turn = turn.filter(|_| job.stage == Stage::Wrap);
            (job, turn)
        }))
    }

    /// Learns what the programs are for. A wrapper that does not run is found here, rather than
    /// when the first batch is proved after hours.
    async fn learn(&mut self) -> Result<Identity, Failed> {
        if self.takes == Takes::All && self.shop.wrapping.is_some() {
            self.start(Stage::Wrap).await?;
            self.engine = None;
        }
        self.start(Stage::Execute).await
    }

    /// Starts what a stage is done with, and learns which program it is for.
    async fn start(&mut self, stage: Stage) -> Result<Identity, Failed> {
        let (engines, known) = match (&self.shop.wrapping, stage) {
            (Some(wrapping), Stage::Wrap) => (&wrapping.engines, &mut self.wraps),
            _ => (&self.shop.engines, &mut self.identity),
        };
        let (engine, identity) = engines.start().await?;
        self.engine = Some(engine);
        *known = Some(identity);
        Ok(identity)
    }

    /// Ends an engine that has long had nothing to do.
    fn rest(&mut self) {
        if self.idle_since.elapsed() < ENGINE_IDLE {
            return;
        }
        self.engine = None;
    }

    async fn work(&mut self, job: &Job, shutdown: &Shutdown) -> Turn {
        let begun = Instant::now();
        let end = self.attempt(job, shutdown).await;
        if job.stage == Stage::Wrap {
            // The wrapper's memory goes back before another worker's turn.
            self.engine = None;
        }
        self.idle_since = Instant::now();
        tracing::debug!(worker = self.name, job = job.lease.job, ?end, "a job ended");
        match end {
            End::Finished(finished) => {
                self.finished(job, &finished, begun.elapsed(), shutdown)
                    .await
            }
            End::Failed(failed) => self.failed(job, &failed, shutdown).await,
            End::LeaseLost => {
                self.engine = None;
                tracing::warn!(
                    worker = self.name,
                    batch = job.batch,
                    job = job.lease.job,
                    "another worker took the job over"
                );
                Turn::Worked
            }
            End::Interrupted => {
                self.engine = None;
                if let Err(error) = self.shop.store.give_back(job.lease).await {
                    tracing::warn!(%error, job = job.lease.job, "cannot give a job back; its lease runs out");
                }
                Turn::Worked
            }
        }
    }

    /// Does the job, with heartbeats.
    async fn attempt(&mut self, job: &Job, shutdown: &Shutdown) -> End {
        let wraps = job.stage == Stage::Wrap;
        let taken_for = if wraps { self.wraps } else { self.identity };
        if wraps {
            // Both at once would take more memory than a worker has.
            self.engine = None;
        }
        if self.engine.is_none() {
            let Some(started) = shutdown.unless_stopping(self.start(job.stage)).await else {
                return End::Interrupted;
            };
            if let Err(failed) = started {
                return End::Failed(failed);
            }
        }
        let Some(engine) = &self.engine else {
            return End::Interrupted;
        };
        if taken_for != Some(engine.identity()) {
            // The program behind the path was replaced; whether the job is for it is decided anew.
            return End::Interrupted;
        }
        let folder = match self.scratch.fresh() {
            Ok(folder) => folder,
            Err(error) => return End::Failed(Failed::new(ErrorKind::Storage, error)),
        };
        let shop = &self.shop;
        let doing = perform(job, engine, &shop.artefacts, &folder, shop.timeout);
        let guard = KillUnlessDone(Some(engine.killer()));
        let end = self
            .watch(job.lease, doing, engine.killer(), shutdown)
            .await;
        guard.done();
        end
    }

    /// Keeps the lease while the work goes on; kills the engine when it is lost or when the process
    /// has to end.
    async fn watch(
        &self,
        lease: Lease,
        doing: impl Future<Output = std::result::Result<Finished, Failed>>,
        killer: Killer,
        shutdown: &Shutdown,
    ) -> End {
        let mut beat = tokio::time::interval(self.shop.lease / 3);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stop = async {
            shutdown.stopping().await;
            sleep(self.shop.stop_grace).await;
        };
        tokio::pin!(doing, stop);
        let mut cut_short = None;
        loop {
            tokio::select! {
                done = &mut doing => {
                    return cut_short.unwrap_or(match done {
                        Ok(finished) => End::Finished(finished),
                        Err(failed) => End::Failed(failed),
                    });
                }
                _ = beat.tick(), if cut_short.is_none() => {
                    match self.shop.store.heartbeat(lease, self.shop.lease).await {
                        Ok(true) => {}
                        Ok(false) => {
                            cut_short = Some(End::LeaseLost);
                            let _ = killer.kill();
                        }
                        // It may be back before the lease runs out, or nobody else may take it.
                        Err(error) => tracing::warn!(%error, job = lease.job, "cannot keep a lease"),
                    }
                }
                () = &mut stop, if cut_short.is_none() => {
                    cut_short = Some(End::Interrupted);
                    let _ = killer.kill();
                }
            }
        }
    }

    async fn finished(
        &self,
        job: &Job,
        finished: &Finished,
        took: Duration,
        shutdown: &Shutdown,
    ) -> Turn {
        let store = &self.shop.store;
        let wraps = self.wraps.is_some();
        let written = insist(shutdown, self.shop.poll, || {
            store.complete(job, finished, wraps)
        })
        .await;
        match written {
            Ok(Completed::Yes) => {
                crate::metrics::job_done(job.stage, took, finished.usage);
                log_done(job, finished);
                self.shop.health.release_job();
                if matches!(job.stage, Stage::Execute | Stage::Wrap) {
                    // There may be something to send to Ethereum.
                    self.shop.health.ring();
                }
                Turn::Worked
            }
            Ok(Completed::LeaseLost) => {
                tracing::warn!(
                    batch = job.batch,
                    job = job.lease.job,
                    "came too late with a finished job; another worker has it"
                );
                Turn::Worked
            }
            Err(error) => Turn::Trouble(error.to_string()),
        }
    }

    async fn failed(&mut self, job: &Job, failed: &Failed, shutdown: &Shutdown) -> Turn {
        // A new process for the next job: what is left of this one is not trusted.
        self.engine = None;
        crate::metrics::job_failed(job.stage, failed.kind);
        let store = &self.shop.store;
        if failed.kind == ErrorKind::Rejected && job.stage == Stage::Execute {
            let written = insist(shutdown, self.shop.poll, || store.reject(job, failed)).await;
            return match written {
                Ok(_) => {
                    tracing::error!(
                        batch = job.batch,
                        reason = failed.reason,
                        "the program and the sequencer disagree about a batch; commits are halted"
                    );
                    self.shop.health.ring();
                    Turn::Worked
                }
                Err(error) => Turn::Trouble(error.to_string()),
            };
        }
        let patience = self.shop.patience;
        let written = insist(shutdown, self.shop.poll, || {
            store.fail(job, failed, patience)
        })
        .await;
        let fate = match written {
            Ok(fate) => fate,
            Err(error) => return Turn::Trouble(error.to_string()),
        };
        let (id, reason) = (job.lease.job, &failed.reason);
        let (batch, stage, kind) = (job.batch, job.stage.word(), failed.kind.word());
        match fate {
            Fate::Again => tracing::warn!(batch, stage, job = id, kind, reason, "a job failed"),
            Fate::Dead => tracing::error!(batch, stage, job = id, kind, reason, "a job is dead"),
            Fate::LeaseLost => {
                tracing::warn!(
                    batch,
                    stage,
                    job = id,
                    kind,
                    reason,
                    "a job failed; another worker has it"
                );
            }
        }
        self.shop.health.release_job();
        if failed.kind.is_fault() {
            return Turn::Trouble(failed.reason.clone());
        }
        Turn::Worked
    }
}

fn log_done(job: &Job, finished: &Finished) {
    let (batch, stage) = (job.batch, job.stage.word());
    let usage = finished.usage;
    let (cpu_ms, wall_ms, peak_bytes) = (usage.cpu_ms, usage.wall_ms, usage.peak_bytes);
    match &finished.made {
        Made::Plan {
            instructions,
            segments,
            ..
        } => tracing::info!(
            batch,
            instructions,
            segments = segments.len(),
            cpu_ms,
            wall_ms,
            peak_bytes,
            "the program agrees with the sequencer about a batch"
        ),
        Made::Proof { .. } => tracing::info!(
            batch,
            stage,
            layer = job.layer,
            node = job.node,
            cpu_ms,
            wall_ms,
            peak_bytes,
            "a job is done"
        ),
        Made::Final { verify_wall_ms, .. } => {
            tracing::info!(batch, cpu_ms, wall_ms, verify_wall_ms, "a batch is proved");
        }
        Made::Wrap { verify_wall_ms, .. } => tracing::info!(
            batch,
            cpu_ms,
            wall_ms,
            peak_bytes,
            verify_wall_ms,
            "the proof of a batch is wrapped"
        ),
    }
}

/// Writes until the database takes it: losing an hour's work to a database that restarts would be a
/// waste, and the fence keeps a late write from doing harm.
async fn insist<T, F>(
    shutdown: &Shutdown,
    pause: Duration,
    mut write: impl FnMut() -> F,
) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    loop {
        match write().await {
            Err(error) if cloister_store_pg::is_retryable(&error) && !shutdown.is_stopping() => {
                tracing::warn!(%error, "the database does not take a job's end; trying again");
                shutdown.unless_stopping(sleep(pause)).await;
            }
            other => return other,
        }
    }
}

/// Ends the engine when the work is dropped halfway.
struct KillUnlessDone(Option<Killer>);

impl KillUnlessDone {
    fn done(mut self) {
        self.0 = None;
    }
}

impl Drop for KillUnlessDone {
    fn drop(&mut self) {
        if let Some(killer) = &self.0 {
            // How it ended is of no interest: it was told to.
            let _ = killer.kill();
        }
    }
}
