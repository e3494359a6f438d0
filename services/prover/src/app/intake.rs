//! Takes sealed batches from the sequencer, checks that they form one chain, and keeps them.

use std::sync::Arc;
use std::time::Duration;

use cloister_l1::{Address, B256};
use cloister_proto::sequencer::v1 as api;
use cloister_proto::sequencer::v1::sequencer_client::SequencerClient;
use cloister_service_kit::grpc::TracedChannel;
use cloister_service_kit::{Check, Result, Shutdown};
use cloister_types::BatchHeader;
use tonic::Status;

use crate::app::health::Health;
use crate::app::model::{SealedBatch, Target};
use crate::store::{Store, StoreError};

/// The first and the longest pause after a failure.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const MAX_PAUSE: Duration = Duration::from_secs(10);
/// Longest header that is read.
const MAX_HEADER_BYTES: usize = BatchHeader::ENCODED_BYTES;

/// Why batches do not come in. Each is tried again.
#[derive(Debug, thiserror::Error)]
enum IntakeError {
    /// The sequencer does not answer.
    #[error("the sequencer does not answer: {}", .0.message())]
    Sequencer(#[from] Status),
    /// The stream of batches ended.
    #[error("the sequencer ended the stream of batches")]
    Ended,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the sequencer says does not fit.
    #[error("the sequencer's batch {number} cannot be taken: {reason}")]
    BadBatch {
        /// The batch.
        number: u64,
        /// Why.
        reason: &'static str,
    },
    /// What the sequencer says of itself is malformed.
    #[error("the sequencer describes itself in a way that cannot be understood: {0}")]
    BadInfo(&'static str),
    /// The sequencer is behind what it gave us before.
    #[error(
        "the sequencer sealed only {sealed} batches and gave us {here} before: was it restored \
         from an old backup?"
    )]
    WentBack {
        /// What it says now.
        sealed: u64,
        /// What is here.
        here: u64,
    },
}

/// Takes batches from the sequencer.
#[derive(Debug)]
pub(crate) struct Intake {
    client: SequencerClient<TracedChannel>,
    store: Store,
    health: Arc<Health>,
    l1_chain_id: u64,
    rollup_contract: Address,
}

/// What the next batch must follow.
#[derive(Debug, Clone, Copy)]
struct Tip {
    chain_id: u64,
    number: u64,
    hash: B256,
}

impl Intake {
    /// Over a channel to the sequencer.
    pub(crate) fn new(
        channel: TracedChannel,
        store: Store,
        health: Arc<Health>,
        l1_chain_id: u64,
        rollup_contract: Address,
    ) -> Self {
        Self {
            client: SequencerClient::new(channel),
            store,
            health,
            l1_chain_id,
            rollup_contract,
        }
    }

    /// Works until the shutdown. Only a database of another installation ends it.
    pub(crate) async fn run(mut self, shutdown: Shutdown, check: Check) -> Result<()> {
        let mut pause = FIRST_PAUSE;
        loop {
            let Some(outcome) = shutdown.unless_stopping(self.follow(&check)).await else {
                return Ok(());
            };
            let Err(error) = outcome;
            if matches!(
                error,
                IntakeError::Store(StoreError::OtherInstallation { .. })
            ) {
                return Err(error.into());
            }
            self.health.source_stalled(Some(&error.to_string()));
            pause = match error {
                IntakeError::Ended => FIRST_PAUSE,
                _ => (pause * 2).min(MAX_PAUSE),
            };
            let wait = tokio::time::sleep(pause.mul_f64(rand::random_range(0.75..1.25)));
            if shutdown.unless_stopping(wait).await.is_none() {
                return Ok(());
            }
        }
    }

    /// Asks the sequencer what it is, then takes batches until something fails.
    async fn follow(&mut self, check: &Check) -> Result<std::convert::Infallible, IntakeError> {
        let info = self.client.get_info(api::GetInfoRequest {}).await?;
        let info = info.into_inner();
        let target = self.target(&info)?;
        self.store.claim(&target).await?;
        let mut tip = self.tip(&target).await?;
        if info.sealed_batch < tip.number {
            return Err(IntakeError::WentBack {
                sealed: info.sealed_batch,
                here: tip.number,
            });
        }
        self.health
            .update(|snapshot| snapshot.sealed_at_source = Some(info.sealed_batch));
        let request = api::StreamBatchesRequest {
            from_batch: tip.number.saturating_add(1),
        };
        let mut stream = self.client.stream_batches(request).await?.into_inner();
        self.health.source_stalled(None);
        check.ready();
        while let Some(message) = stream.message().await? {
            let batch = message
                .batch
                .ok_or(IntakeError::BadInfo("an empty message"))?;
            let batch = checked(&batch, tip)?;
            self.store.insert_batch(&batch).await?;
            tip.number = batch.number;
            tip.hash = batch.hash;
            tracing::info!(batch = batch.number, hash = %batch.hash, "took a sealed batch");
            self.health.update(|snapshot| {
                let before = snapshot.sealed_at_source.unwrap_or_default();
                snapshot.sealed_at_source = Some(before.max(batch.number));
            });
            self.health.ring();
            self.health.want_input();
        }
        Err(IntakeError::Ended)
    }

    fn target(&self, info: &api::GetInfoResponse) -> Result<Target, IntakeError> {
        let genesis_batch_hash = B256::try_from(&info.genesis_batch_hash[..])
            .map_err(|_| IntakeError::BadInfo("the genesis hash is not 32 bytes"))?;
        if info.chain_id == 0 {
            return Err(IntakeError::BadInfo("the chain id is zero"));
        }
        Ok(Target {
            chain_id: info.chain_id,
            genesis_batch_hash,
            l1_chain_id: self.l1_chain_id,
            rollup_contract: self.rollup_contract,
        })
    }

    async fn tip(&self, target: &Target) -> Result<Tip, IntakeError> {
        let last = self.store.last_batch().await?;
        Ok(Tip {
            chain_id: target.chain_id,
            number: last.as_ref().map_or(0, |batch| batch.number),
            hash: last.map_or(target.genesis_batch_hash, |batch| batch.hash),
        })
    }
}

/// A batch that is what it says and follows `tip` (SPR-5).
fn checked(batch: &api::Batch, tip: Tip) -> Result<SealedBatch, IntakeError> {
    let bad = |reason| IntakeError::BadBatch {
        number: batch.number,
        reason,
    };
    if batch.header.len() > MAX_HEADER_BYTES {
        return Err(bad("its header is too long"));
    }
    let header = BatchHeader::decode(&batch.header)
        .map_err(|_| bad("its header is not a version-1 header"))?;
    let hash = header.hash();
    if hash.as_slice() != &batch.hash[..] {
        return Err(bad("its header does not hash to its hash"));
    }
    if header.chain_id != tip.chain_id {
        return Err(bad("it is of another chain"));
    }
    if header.number.0 != batch.number || Some(batch.number) != tip.number.checked_add(1) {
        return Err(bad("it does not have the next number"));
    }
    if header.previous_hash != tip.hash {
        return Err(bad("it does not follow the batch before it"));
    }
    Ok(SealedBatch {
        number: batch.number,
        hash,
        header,
        sealed_at: batch.sealed_at,
    })
}

#[cfg(test)]
mod tests {
    use cloister_types::BatchNumber;

    use super::*;

    const TIP: Tip = Tip {
        chain_id: 7,
        number: 3,
        hash: B256::repeat_byte(9),
    };

    fn header() -> BatchHeader {
        BatchHeader {
            chain_id: 7,
            number: BatchNumber(4),
            previous_hash: TIP.hash,
            state_root: B256::repeat_byte(1),
            ..BatchHeader::default()
        }
    }

    fn message(header: &BatchHeader) -> api::Batch {
        api::Batch {
            number: header.number.0,
            hash: header.hash().to_vec().into(),
            header: header.encode().into(),
            transaction_count: 0,
            sealed_at: 5,
        }
    }

    fn refusal(message: &api::Batch) -> String {
        checked(message, TIP).expect_err("a bad batch").to_string()
    }

    #[test]
    fn takes_the_batch_that_follows() {
        let batch = checked(&message(&header()), TIP).expect("a good batch");
        assert_eq!(batch.hash, header().hash());
        assert_eq!(batch.number, 4);
    }

    #[test]
    fn spr_5_refuses_what_does_not_follow() {
        let other = |change: fn(&mut BatchHeader)| {
            let mut header = header();
            change(&mut header);
            refusal(&message(&header))
        };
        let starts = |number: u64| format!("the sequencer's batch {number} cannot be taken: ");
        assert_eq!(
            other(|header| header.chain_id = 8),
            starts(4) + "it is of another chain"
        );
        assert_eq!(
            other(|header| header.number = BatchNumber(5)),
            starts(5) + "it does not have the next number"
        );
        assert_eq!(
            other(|header| header.previous_hash = B256::ZERO),
            starts(4) + "it does not follow the batch before it"
        );
    }

    #[test]
    fn spr_5_refuses_a_header_that_is_not_its_hash() {
        let mut changed = message(&header());
        changed.hash = vec![0; 32].into();
        assert_eq!(
            refusal(&changed),
            "the sequencer's batch 4 cannot be taken: its header does not hash to its hash"
        );
        let mut short = message(&header());
        short.header.truncate(BatchHeader::ENCODED_BYTES - 1);
        assert_eq!(
            refusal(&short),
            "the sequencer's batch 4 cannot be taken: its header is not a version-1 header"
        );
    }
}
