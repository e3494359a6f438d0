//! Sequencer and prover over gRPC.
//!
//! What they answer is checked for its form only: whether it is true is checked by the verifier
//! before a package is signed.

use async_trait::async_trait;
use cloister_disclosure::LifecycleAtIssue;
use cloister_disclosure::build::OpenedLeaf;
use cloister_proto::prover::v1::prover_client::ProverClient;
use cloister_proto::prover::v1::{BatchState, GetBatchStatusRequest, GetStatusRequest};
use cloister_proto::sequencer::v1::sequencer_client::SequencerClient;
use cloister_proto::sequencer::v1::{
    AnchorAuditHeadRequest, Batch, GetStateProofRequest, GetTransactionProofRequest,
    StateKey as ProtoKey, StateOpening, StorageSlot, state_key,
};
use cloister_service_kit::grpc::TracedChannel;
use cloister_types::{B256, BatchHeader, StateKey, TransactionOpening};
use tonic::{Code, Status};

use crate::app::chain::{Chain, ChainError, OpenedTransaction};

/// Largest answer that is read: a transaction with all its logs.
const MAX_ANSWER_BYTES: usize = 64 << 20;
/// Name of this service's ledger.
const LEDGER: &str = "disclosure";

/// The two services.
#[derive(Debug, Clone)]
pub(crate) struct Upstream {
    sequencer: SequencerClient<TracedChannel>,
    prover: ProverClient<TracedChannel>,
}

impl Upstream {
    pub(crate) fn new(sequencer: TracedChannel, prover: TracedChannel) -> Self {
        Self {
            sequencer: SequencerClient::new(sequencer).max_decoding_message_size(MAX_ANSWER_BYTES),
            prover: ProverClient::new(prover),
        }
    }
}

fn failed(status: &Status) -> ChainError {
    let text = format!("{}: {}", status.code(), status.message());
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::ResourceExhausted => {
            ChainError::Unavailable(text)
        }
        _ => ChainError::Broken(text),
    }
}

fn broken(what: &str) -> ChainError {
    ChainError::Broken(format!("the answer has {what}"))
}

fn header(batch: Option<&Batch>) -> Result<BatchHeader, ChainError> {
    let batch = batch.ok_or_else(|| broken("no batch"))?;
    BatchHeader::decode(&batch.header).map_err(|error| ChainError::Broken(error.to_string()))
}

fn key_message(key: StateKey) -> ProtoKey {
    let key = match key {
        StateKey::Account(address) => state_key::Key::Account(address.to_vec().into()),
        StateKey::Storage(address, slot) => state_key::Key::Storage(StorageSlot {
            address: address.to_vec().into(),
            slot: slot.to_vec().into(),
        }),
        StateKey::Activity(address) => state_key::Key::Activity(address.to_vec().into()),
    };
    ProtoKey { key: Some(key) }
}

fn opened_leaf(opening: StateOpening) -> Result<OpenedLeaf, ChainError> {
    let StateOpening {
        key: _,
        value,
        salt,
        proof,
    } = opening;
    let value = match value {
        None => None,
        Some(value) => {
            let salt: [u8; 16] = salt
                .as_ref()
                .try_into()
                .map_err(|_| broken("a salt of the wrong length"))?;
            Some((value.to_vec(), salt))
        }
    };
    Ok(OpenedLeaf {
        value,
        path: proof.to_vec(),
    })
}

#[async_trait]
impl Chain for Upstream {
    async fn committed_batch(&self) -> Result<u64, ChainError> {
        let answer = self.prover.clone().get_status(GetStatusRequest {}).await;
        let status = answer.map_err(|status| failed(&status))?.into_inner();
        Ok(status.committed_batch)
    }

    async fn lifecycle(&self, batch: u64) -> Result<Option<LifecycleAtIssue>, ChainError> {
        let request = GetBatchStatusRequest { number: batch };
        let answer = self.prover.clone().get_batch_status(request).await;
        let answer = answer.map_err(|status| failed(&status))?.into_inner();
        let Some(status) = answer.status else {
            return Ok(None);
        };
        match status.state() {
            BatchState::Unspecified => Err(broken("a batch in no state")),
            BatchState::Sealed => Ok(Some(LifecycleAtIssue::Sealed)),
            BatchState::Committed => Ok(Some(LifecycleAtIssue::Committed)),
            BatchState::Proved => Ok(Some(LifecycleAtIssue::Proved)),
            BatchState::Finalized => Ok(Some(LifecycleAtIssue::Finalized)),
        }
    }

    async fn open_state(
        &self,
        batch: u64,
        key: StateKey,
    ) -> Result<(BatchHeader, OpenedLeaf), ChainError> {
        let request = GetStateProofRequest {
            batch,
            keys: vec![key_message(key)],
        };
        let answer = self.sequencer.clone().get_state_proof(request).await;
        let mut answer = answer.map_err(|status| failed(&status))?.into_inner();
        let header = header(answer.batch.as_ref())?;
        if header.number.0 != batch {
            return Err(broken("another batch than was asked for"));
        }
        match (answer.openings.pop(), answer.openings.is_empty()) {
            (Some(opening), true) => Ok((header, opened_leaf(opening)?)),
            _ => Err(broken("not exactly one opening")),
        }
    }

    async fn open_transaction(&self, hash: B256) -> Result<Option<OpenedTransaction>, ChainError> {
        let request = GetTransactionProofRequest {
            hash: hash.to_vec().into(),
        };
        let answer = self.sequencer.clone().get_transaction_proof(request).await;
        let Some(proof) = answer.map_err(|status| failed(&status))?.into_inner().proof else {
            return Ok(None);
        };
        let siblings = proof.siblings.iter().map(|sibling| {
            B256::try_from(sibling.as_ref()).map_err(|_| broken("a sibling of the wrong length"))
        });
        let opening = TransactionOpening::decode(&proof.opening)
            .map_err(|error| ChainError::Broken(error.to_string()))?;
        Ok(Some(OpenedTransaction {
            header: header(proof.batch.as_ref())?,
            opening,
            index: proof.index,
            siblings: siblings.collect::<Result<_, _>>()?,
        }))
    }

    async fn anchor_audit(&self, count: u64, head: B256) -> Result<(), ChainError> {
        let request = AnchorAuditHeadRequest {
            ledger: LEDGER.to_owned(),
            count,
            head: head.to_vec().into(),
        };
        let answer = self.sequencer.clone().anchor_audit_head(request).await;
        answer.map(|_| ()).map_err(|status| failed(&status))
    }
}
