//! Fetches the inputs of sealed batches from the sequencer. An input is stored whole before the
//! batch's execution may begin; one that cannot be had holds up no other batch.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cloister_proto::sequencer::v1 as api;
use cloister_proto::sequencer::v1::sequencer_client::SequencerClient;
use cloister_service_kit::grpc::TracedChannel;
use cloister_service_kit::{Result, Shutdown};
use tokio::io::AsyncWriteExt as _;
use tokio::time::sleep;
use tonic::Status;

use super::scratch::Scratch;
use crate::app::health::Health;
use crate::artefacts::{ArtefactError, Artefacts};
use crate::store::{Patience, Store, StoreError, WantedInput};

/// Most inputs that wait for their execution at once; the others stay with the sequencer.
const MAX_WAITING: u32 = 32;

/// Why an input could not be had. Each is tried again.
#[derive(Debug, thiserror::Error)]
enum InputError {
    #[error("the sequencer does not give the input: {}", .0.message())]
    Sequencer(#[from] Status),
    #[error("the input is longer than `prover.max_input_bytes` ({0} bytes)")]
    TooLong(u64),
    #[error("the input is empty")]
    Empty,
    #[error("cannot write the input to the scratch folder: {0}")]
    File(#[from] std::io::Error),
    #[error(transparent)]
    Artefact(#[from] ArtefactError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What fetching works with.
#[derive(Debug)]
pub(crate) struct Fetching {
    /// Which inputs are wanted.
    pub store: Store,
    /// Where they go.
    pub artefacts: Artefacts,
    /// Wakes and is woken.
    pub health: Arc<Health>,
    /// Parent of the folder for a file under way.
    pub scratch: PathBuf,
    /// Name of that folder.
    pub name: String,
    /// Longest input.
    pub max_bytes: u64,
    /// Pauses after failures.
    pub patience: Patience,
    /// How often to look.
    pub poll: Duration,
}

/// Fetches inputs.
#[derive(Debug)]
pub(crate) struct Inputs {
    client: SequencerClient<TracedChannel>,
    with: Fetching,
    scratch: Scratch,
}

impl Inputs {
    /// Over a channel to the sequencer.
    ///
    /// # Errors
    /// When the folder for a file under way cannot be made.
    pub(crate) fn new(channel: TracedChannel, with: Fetching) -> std::io::Result<Self> {
        Ok(Self {
            client: SequencerClient::new(channel),
            scratch: Scratch::open(&with.scratch, &format!("{}-inputs", with.name))?,
            with,
        })
    }

    /// Works until the shutdown.
    pub(crate) async fn run(mut self, shutdown: Shutdown) -> Result<()> {
        while !shutdown.is_stopping() {
            let Some(turn) = shutdown.unless_stopping(self.turn()).await else {
                break;
            };
            match turn {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "cannot look for inputs to fetch"),
            }
            let wait = async {
                tokio::select! {
                    () = sleep(self.with.poll) => {}
                    () = self.with.health.input_wanted() => {}
                }
            };
            shutdown.unless_stopping(wait).await;
        }
        Ok(())
    }

    /// At most one input; false when none is wanted.
    async fn turn(&mut self) -> Result<bool, StoreError> {
        self.with.store.enrol().await?;
        let Some(wanted) = self.with.store.wanted_input(MAX_WAITING).await? else {
            return Ok(false);
        };
        match self.fetch(wanted).await {
            Ok(bytes) => {
                tracing::info!(batch = wanted.batch, bytes, "took the input of a batch");
                self.with.health.release_job();
            }
            Err(error) => {
                let reason = error.to_string();
                tracing::warn!(
                    batch = wanted.batch,
                    reason,
                    "cannot take the input of a batch"
                );
                let pause = self
                    .with
                    .patience
                    .pause_after(wanted.failures.saturating_add(1));
                self.with
                    .store
                    .input_failed(wanted.batch, &reason, pause)
                    .await?;
            }
        }
        Ok(true)
    }

    async fn fetch(&mut self, wanted: WantedInput) -> Result<u64, InputError> {
        let path = self.scratch.fresh()?.join("input");
        let request = api::GetBatchInputRequest {
            number: wanted.batch,
        };
        let mut stream = self.client.get_batch_input(request).await?.into_inner();
        let mut file = tokio::fs::File::create(&path).await?;
        let mut length = 0_u64;
        while let Some(part) = stream.message().await? {
            length = length.saturating_add(part.chunk.len() as u64);
            if length > self.with.max_bytes {
                return Err(InputError::TooLong(self.with.max_bytes));
            }
            file.write_all(&part.chunk).await?;
        }
        file.flush().await?;
        if length == 0 {
            return Err(InputError::Empty);
        }
        let id = self.with.artefacts.put(&path).await?;
        self.with.store.attach_input(wanted.batch, id).await?;
        self.scratch.fresh()?;
        Ok(length)
    }
}
