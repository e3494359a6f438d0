//! Tells the sequencer how far proving is behind, so that it seals batches less often.

use std::sync::Arc;
use std::time::Duration;

use cloister_proto::sequencer::v1 as api;
use cloister_proto::sequencer::v1::sequencer_client::SequencerClient;
use cloister_service_kit::grpc::TracedChannel;
use cloister_service_kit::{Result, Shutdown};
use cloister_types::Clock;
use tokio::time::sleep;

use crate::store::{Store, StoreError};

/// How often a report is sent.
const EVERY: Duration = Duration::from_secs(5);
/// For how long it holds: several missed ones are no flood of batches at once.
const TIME_TO_LIVE: Duration = Duration::from_secs(30);
/// Most executed batches in one report.
const MAX_EXECUTED: u32 = 100;

/// Sends reports.
#[derive(Debug)]
pub(crate) struct Load {
    client: SequencerClient<TracedChannel>,
    store: Store,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the sequencer does not take the report: {}", .0.message())]
    Sequencer(#[from] tonic::Status),
}

impl Load {
    /// Over a channel to the sequencer.
    pub(crate) fn new(channel: TracedChannel, store: Store, clock: Arc<dyn Clock>) -> Self {
        Self {
            client: SequencerClient::new(channel),
            store,
            clock,
        }
    }

    /// Reports until the shutdown. The sequencer forgets by itself what it no longer hears.
    pub(crate) async fn run(mut self, shutdown: Shutdown) -> Result<()> {
        let mut silent = false;
        while !shutdown.is_stopping() {
            match shutdown.unless_stopping(self.report()).await {
                None => break,
                Some(Ok(())) => silent = false,
                // Once: intake says already when the sequencer is away.
                Some(Err(error)) if !silent => {
                    tracing::warn!(%error, "cannot report the proving load");
                    silent = true;
                }
                Some(Err(_)) => {}
            }
            shutdown.unless_stopping(sleep(EVERY)).await;
        }
        Ok(())
    }

    async fn report(&mut self) -> Result<(), LoadError> {
        let backlog = self.store.backlog().await?;
        let executed = self.store.lately_executed(MAX_EXECUTED).await?;
        let now = self.clock.now().seconds();
        let oldest = backlog.oldest_sealed_at.unwrap_or(now);
        let request = api::ReportProvingLoadRequest {
            waiting_batches: backlog.waiting,
            oldest_age_ms: now.saturating_sub(oldest).saturating_mul(1_000),
            executed: executed
                .into_iter()
                .map(|executed| api::ExecutedBatch {
                    number: executed.batch,
                    instructions: executed.instructions,
                    image: executed.image,
                })
                .collect(),
            time_to_live_ms: u64::try_from(TIME_TO_LIVE.as_millis()).unwrap_or(u64::MAX),
        };
        let answer = self.client.report_proving_load(request).await?;
        crate::metrics::batch_stretch(answer.into_inner().age_stretch_permille);
        Ok(())
    }
}
