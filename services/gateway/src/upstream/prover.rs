//! The prover's client: how far a batch is on its way to Ethereum.

use std::time::Duration;

use alloy_primitives::{B256, U64};
use cloister_proto::prover::v1 as pb;
use cloister_proto::prover::v1::prover_client::ProverClient;
use serde::Serialize;
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::UpstreamError;

const PART: &str = "prover";

/// How far a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum BatchState {
    /// Closed and durable at the institution; Ethereum does not know it yet.
    Sealed,
    /// Ethereum holds its root and hash, and has not checked a proof.
    Committed,
    /// Ethereum has checked a validity proof.
    Proved,
    /// Proved, and the L1 block is final.
    Finalized,
}

/// One Ethereum transaction of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct L1Transaction {
    /// Its hash.
    pub hash: B256,
    /// Gas that it used.
    pub gas_used: U64,
    /// Ethereum block.
    pub block_number: U64,
}

/// The lifecycle of one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchStatus {
    /// How far it is.
    pub state: BatchState,
    /// Transactions that committed it.
    pub commits: Vec<L1Transaction>,
    /// Transactions that proved it.
    pub proofs: Vec<L1Transaction>,
    /// Whether the commit's L1 block is final.
    pub commit_final: bool,
}

/// The prover. Cheap to clone; reconnects by itself.
#[derive(Debug, Clone)]
pub struct Prover {
    client: ProverClient<Channel>,
    timeout: Duration,
}

impl Prover {
    /// A client over `channel` whose calls end after `timeout`.
    #[must_use]
    pub fn new(channel: Channel, timeout: Duration) -> Self {
        Self {
            client: ProverClient::new(channel),
            timeout,
        }
    }

    /// The lifecycle of one batch; `None`: the prover has not heard of it yet.
    ///
    /// # Errors
    /// [`UpstreamError`].
    pub async fn batch_status(&self, number: u64) -> Result<Option<BatchStatus>, UpstreamError> {
        let mut request = Request::new(pb::GetBatchStatusRequest { number });
        request.set_timeout(self.timeout);
        let mut client = self.client.clone();
        let answer = client
            .get_batch_status(request)
            .await
            .map_err(|status: Status| UpstreamError::new(PART, &status))?;
        answer
            .into_inner()
            .status
            .map(|status| decode(&status))
            .transpose()
    }
}

fn decode(status: &pb::BatchStatus) -> Result<BatchStatus, UpstreamError> {
    let state = match status.state() {
        pb::BatchState::Sealed => BatchState::Sealed,
        pb::BatchState::Committed => BatchState::Committed,
        pb::BatchState::Proved => BatchState::Proved,
        pb::BatchState::Finalized => BatchState::Finalized,
        pb::BatchState::Unspecified => return Err(UpstreamError::malformed(PART, "state")),
    };
    Ok(BatchStatus {
        state,
        commits: transactions(&status.commit_transactions)?,
        proofs: transactions(&status.prove_transactions)?,
        commit_final: status.commit_final,
    })
}

fn transactions(messages: &[pb::L1Transaction]) -> Result<Vec<L1Transaction>, UpstreamError> {
    messages
        .iter()
        .map(|message| {
            let hash = B256::try_from(&message.hash[..])
                .map_err(|_| UpstreamError::malformed(PART, "hash"))?;
            Ok(L1Transaction {
                hash,
                gas_used: U64::from(message.gas_used),
                block_number: U64::from(message.block_number),
            })
        })
        .collect()
}
