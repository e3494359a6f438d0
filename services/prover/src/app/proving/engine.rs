//! The engine and the wrapper as workers see them: processes that are started, asked, and killed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cloister_prove::client::{ClientError, Engine, Killer, Options};
use cloister_prove::protocol::{Answer, Usage, Work};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::model::{ErrorKind, Failed, Identity};
use crate::config::ProverSection;

/// How long an engine may take to say what it proves; it may have to make its keys first.
const DESCRIBE_TIMEOUT: Duration = Duration::from_mins(30);

/// Starts engines, or wrappers.
#[derive(Debug)]
pub(crate) struct Engines {
    options: Options,
}

/// What wraps final proofs.
#[derive(Debug)]
pub(crate) struct Wrapping {
    /// Starts wrappers.
    pub engines: Engines,
    turn: Arc<Semaphore>,
}

/// The right to wrap.
pub(crate) type Turn = OwnedSemaphorePermit;

impl Wrapping {
    /// As configured; `None` where nothing is wrapped.
    pub(crate) fn new(section: &ProverSection) -> Option<Self> {
        let options = Options {
            program: section.wrapper.clone()?,
            key_cache: None,
            threads: section.threads_per_engine,
            memory_limit_bytes: section.wrapper_memory_limit_bytes,
            elf: None,
        };
        Some(Self {
            engines: Engines { options },
            turn: Arc::new(Semaphore::new(1)),
        })
    }

    /// One wrap at a time in this process, since each takes more memory than an engine has; `None`
    /// while another worker has its turn.
    pub(crate) fn turn(&self) -> Option<Turn> {
        Arc::clone(&self.turn).try_acquire_owned().ok()
    }
}

impl Engines {
    /// Of proving engines, as configured.
    pub(crate) fn new(section: &ProverSection) -> Self {
        Self {
            options: Options {
                program: section.engine.clone(),
                key_cache: Some(section.key_cache.clone()),
                threads: section.threads_per_engine,
                memory_limit_bytes: section.engine_memory_limit_bytes,
                elf: None,
            },
        }
    }

    /// Starts one and learns what it proves.
    ///
    /// # Errors
    /// [`ErrorKind::EngineAway`] when it does not start or does not describe itself.
    pub(crate) async fn start(&self) -> Result<(Running, Identity), Failed> {
        let away = |reason: String| Failed::new(ErrorKind::EngineAway, reason);
        let options = self.options.clone();
        let started = tokio::task::spawn_blocking(move || {
            Engine::start(
                &options,
                Box::new(|line| tracing::info!(line, "the engine says")),
            )
        });
        let process = started
            .await
            .map_err(|panic| away(panic.to_string()))?
            .map_err(|error| away(error.to_string()))?;
        let killer = process.killer();
        let process = Arc::new(Mutex::new(process));
        // It is killed should this be dropped while it makes its keys.
        let guard = Guard(killer.clone());
        match call(&process, Work::Describe {}, DESCRIBE_TIMEOUT).await {
            Ok((
                Answer::Description {
                    image,
                    program,
                    machine,
                },
                _,
            )) => {
                let identity = Identity {
                    image,
                    program,
                    machine,
                };
                let running = Running {
                    process,
                    guard,
                    identity,
                };
                Ok((running, identity))
            }
            Ok(_) => Err(away(
                "the proof engine does not say what it proves".to_owned(),
            )),
            Err(failed) => Err(away(failed.reason)),
        }
    }
}

/// An engine that runs; it ends when this value is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    process: Arc<Mutex<Engine>>,
    guard: Guard,
    identity: Identity,
}

impl Running {
    /// What it proves.
    pub(crate) const fn identity(&self) -> Identity {
        self.identity
    }

    /// Ends it from elsewhere.
    pub(crate) fn killer(&self) -> Killer {
        self.guard.0.clone()
    }

    /// Asks it, and waits for the answer.
    ///
    /// # Errors
    /// Its own [`Failed`], or that it died, or that it took too long (and was killed).
    pub(crate) async fn call(
        &self,
        work: Work,
        timeout: Duration,
    ) -> Result<(Answer, Usage), Failed> {
        call(&self.process, work, timeout).await
    }
}

async fn call(
    process: &Arc<Mutex<Engine>>,
    work: Work,
    timeout: Duration,
) -> Result<(Answer, Usage), Failed> {
    let process = Arc::clone(process);
    let called = tokio::task::spawn_blocking(move || {
        let mut process = process.lock().unwrap_or_else(PoisonError::into_inner);
        process.call(work, timeout).map_err(failed)
    });
    called
        .await
        .unwrap_or_else(|panic| Err(Failed::new(ErrorKind::Internal, panic)))
}

fn failed(error: ClientError) -> Failed {
    let kind = match &error {
        ClientError::Start { .. } => ErrorKind::EngineAway,
        ClientError::Died(_) => ErrorKind::EngineDied,
        ClientError::Timeout(_) => ErrorKind::Timeout,
        ClientError::Failed(failure) => {
            return Failed::new(failure.kind.into(), &failure.message);
        }
        // Such as an answer that cannot be understood.
        _ => ErrorKind::Internal,
    };
    Failed::new(kind, error)
}

/// Kills a process when it is dropped.
#[derive(Debug)]
struct Guard(Killer);

impl Drop for Guard {
    fn drop(&mut self) {
        // How it ended is of no interest: it was told to.
        let _ = self.0.kill();
    }
}
