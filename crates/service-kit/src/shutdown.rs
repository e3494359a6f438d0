//! Two steps to the end: stop taking work, then leave.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{Error, Result};

/// Says when to stop. Step one: take no new work and finish what was begun. Step two, after the
/// grace period: drop what is left. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    stopping: CancellationToken,
    leaving: CancellationToken,
}

impl Shutdown {
    /// A shutdown that nobody has asked for.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns at step one.
    pub async fn stopping(&self) {
        self.stopping.cancelled().await;
    }

    /// Whether step one has begun.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// Returns at step two.
    pub async fn leaving(&self) {
        self.leaving.cancelled().await;
    }

    /// Begins step one.
    pub fn stop(&self) {
        self.stopping.cancel();
    }

    /// Begins step two, and step one if it has not begun.
    pub fn leave(&self) {
        self.stopping.cancel();
        self.leaving.cancel();
    }

    /// Runs `work` until it ends or step one begins; `None` in the latter case. For loops that wait
    /// for work.
    pub async fn unless_stopping<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.stopping.run_until_cancelled(work).await
    }

    /// Runs `work` until it ends or step two begins; `None` in the latter case. For work that was
    /// begun.
    pub async fn unless_leaving<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.leaving.run_until_cancelled(work).await
    }
}

/// Owns the background tasks of a service: the first that fails or panics stops the service. Cheap
/// to clone.
#[derive(Clone, Debug)]
pub struct Tasks {
    shutdown: Shutdown,
    tracker: TaskTracker,
    failure: Arc<Mutex<Option<Error>>>,
}

impl Tasks {
    /// No tasks yet.
    #[must_use]
    pub fn new(shutdown: Shutdown) -> Self {
        Self {
            shutdown,
            tracker: TaskTracker::new(),
            failure: Arc::default(),
        }
    }

    /// Starts a task. It should end on its own soon after step one; at step two it is dropped at
    /// its next `await`. An error or a panic in it stops the service, whose exit code then is 1.
    pub fn spawn(
        &self,
        name: &'static str,
        work: impl Future<Output = Result<()>> + Send + 'static,
    ) {
        let tasks = self.clone();
        self.tracker.spawn(async move {
            let shutdown = tasks.shutdown.clone();
            let task =
                tokio::spawn(async move { shutdown.unless_leaving(work).await.unwrap_or(Ok(())) });
            match task.await {
                Ok(Ok(())) => tracing::debug!(task = name, "task ended"),
                Ok(Err(error)) => tasks.fail(error.context(format!("the task `{name}` failed"))),
                Err(panic) => {
                    tasks.fail(Error::new(panic).context(format!("the task `{name}` panicked")));
                }
            }
        });
    }

    /// Waits until all tasks have ended, at the latest `limit` after step two. The first failure is
    /// returned.
    ///
    /// # Errors
    /// The first failure of a task.
    pub(crate) async fn finish(&self, limit: Duration) -> Result<()> {
        self.tracker.close();
        let late = async {
            self.shutdown.leaving().await;
            tokio::time::sleep(limit).await;
        };
        tokio::select! {
            () = self.tracker.wait() => {}
            () = late => tracing::error!("some tasks did not end in time"),
        }
        let failure = self
            .failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        failure.map_or(Ok(()), Err)
    }

    fn fail(&self, error: Error) {
        tracing::error!(
            error = format!("{error:#}"),
            "a task failed; the service stops"
        );
        self.failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(error);
        self.shutdown.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn step_one_ends_waiting_and_leaves_begun_work_alone() {
        let shutdown = Shutdown::new();
        shutdown.stop();
        assert_eq!(
            shutdown.unless_stopping(std::future::pending::<()>()).await,
            None
        );
        assert_eq!(shutdown.unless_leaving(async { 7 }).await, Some(7));
        assert!(shutdown.is_stopping());
    }

    #[tokio::test]
    async fn step_two_drops_what_is_left() {
        let shutdown = Shutdown::new();
        let tasks = Tasks::new(shutdown.clone());
        tasks.spawn("endless", std::future::pending());
        shutdown.leave();
        assert_eq!(
            shutdown.unless_leaving(std::future::pending::<()>()).await,
            None
        );
        tasks.finish(Duration::from_secs(1)).await.unwrap();
    }

    #[tokio::test]
    async fn the_first_failing_task_stops_the_service() {
        let shutdown = Shutdown::new();
        let tasks = Tasks::new(shutdown.clone());
        tasks.spawn("broken", async { Err(anyhow::anyhow!("no more disk")) });
        shutdown.stopping().await;
        tasks.spawn("later", async { Err(anyhow::anyhow!("second")) });
        let error = tasks.finish(Duration::from_secs(1)).await.unwrap_err();
        assert_eq!(
            format!("{error:#}"),
            "the task `broken` failed: no more disk"
        );
    }

    #[tokio::test]
    async fn a_panicking_task_stops_the_service() {
        let shutdown = Shutdown::new();
        let tasks = Tasks::new(shutdown.clone());
        tasks.spawn("broken", async { panic!("our own mistake") });
        shutdown.stopping().await;
        let error = tasks.finish(Duration::from_secs(1)).await.unwrap_err();
        assert!(
            error.to_string().contains("the task `broken` panicked"),
            "{error:#}"
        );
    }
}
