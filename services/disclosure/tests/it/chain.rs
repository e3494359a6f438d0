//! A sequencer and a prover in this process: two batches of the small world, one on Ethereum.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use cloister_proto::PeerName;
use cloister_proto::prover::v1 as prover;
use cloister_proto::sequencer::v1 as sequencer;
use cloister_types::{Address, B256, StateKey};
use tokio::sync::Semaphore;
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use crate::world::{BATCH, World};

/// The batch that is sealed but not on Ethereum.
pub(crate) const SEALED: u64 = BATCH + 1;

/// What both services know; tests look into it and stop it.
pub(crate) struct Chain {
    pub(crate) committed: World,
    pub(crate) sealed: World,
    /// Heads of the audit ledger that were handed over: count and hash.
    pub(crate) anchored: Mutex<Vec<(u64, Vec<u8>)>>,
    /// Whether state proofs wait for `release`.
    pub(crate) hold: AtomicBool,
    pub(crate) held: Semaphore,
    pub(crate) release: Semaphore,
}

impl Chain {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            committed: World::new(),
            sealed: World::at(SEALED),
            anchored: Mutex::new(Vec::new()),
            hold: AtomicBool::new(false),
            held: Semaphore::new(0),
            release: Semaphore::new(0),
        })
    }

    fn world(&self, batch: u64) -> Result<&World, Status> {
        match batch {
            BATCH => Ok(&self.committed),
            SEALED => Ok(&self.sealed),
            _ => Err(Status::not_found("no such batch")),
        }
    }
}

fn batch(world: &World) -> sequencer::Batch {
    sequencer::Batch {
        number: world.header.number.0,
        hash: world.header.hash().to_vec().into(),
        header: world.header.encode().into(),
        transaction_count: world.header.private.transaction_count,
        sealed_at: world.header.private.timestamp,
    }
}

fn state_key(key: &sequencer::StateKey) -> Result<StateKey, Status> {
    let malformed = || Status::invalid_argument("a malformed key");
    let address = |bytes: &[u8]| Address::try_from(bytes).map_err(|_| malformed());
    match key.key.as_ref().ok_or_else(malformed)? {
        sequencer::state_key::Key::Account(bytes) => Ok(StateKey::Account(address(bytes)?)),
        sequencer::state_key::Key::Activity(bytes) => Ok(StateKey::Activity(address(bytes)?)),
        sequencer::state_key::Key::Storage(slot) => Ok(StateKey::Storage(
            address(&slot.address)?,
            B256::try_from(&slot.slot[..]).map_err(|_| malformed())?,
        )),
    }
}

/// The two interfaces over one [`Chain`].
#[derive(Clone)]
pub(crate) struct Server(pub(crate) Arc<Chain>);

type Answer<T> = Result<Response<T>, Status>;
type Never<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The disclosure service must not ask for these.
fn refused<T>() -> Answer<T> {
    Err(Status::permission_denied("not for the disclosure service"))
}

#[tonic::async_trait]
impl sequencer::sequencer_server::Sequencer for Server {
    type StreamBlocksStream = Never<sequencer::StreamBlocksResponse>;
    type StreamBatchesStream = Never<sequencer::StreamBatchesResponse>;
    type GetBatchInputStream = Never<sequencer::GetBatchInputResponse>;

    async fn get_state_proof(
        &self,
        request: Request<sequencer::GetStateProofRequest>,
    ) -> Answer<sequencer::GetStateProofResponse> {
        let name = PeerName::of(&request).map(|name| name.as_str().to_owned());
        assert_eq!(name.as_deref().ok(), Some("disclosure"));
        if self.0.hold.load(Ordering::SeqCst) {
            self.0.held.add_permits(1);
            self.0.release.acquire().await.expect("open").forget();
        }
        let request = request.into_inner();
        let world = self.0.world(request.batch)?;
        let openings = request.keys.iter().map(|key| {
            let leaf = world.leaf(&state_key(key)?);
            let (value, salt) = leaf.value.unzip();
            Ok(sequencer::StateOpening {
                key: Some(key.clone()),
                value: value.map(Into::into),
                salt: salt.map(|salt| salt.to_vec()).unwrap_or_default().into(),
                proof: leaf.path.into(),
            })
        });
        let openings = openings.collect::<Result<_, Status>>()?;
        Ok(Response::new(sequencer::GetStateProofResponse {
            batch: Some(batch(world)),
            openings,
        }))
    }

    async fn get_transaction_proof(
        &self,
        request: Request<sequencer::GetTransactionProofRequest>,
    ) -> Answer<sequencer::GetTransactionProofResponse> {
        let hash = request.into_inner().hash;
        let world = &self.0.committed;
        let found = world
            .hashes()
            .iter()
            .position(|own| own.as_slice() == &hash[..]);
        let proof = found.map(|at| {
            let (opening, siblings) = world.opened(at);
            sequencer::TransactionProof {
                batch: Some(batch(world)),
                opening: opening.encode().into(),
                index: u32::try_from(at).expect("few"),
                siblings: siblings
                    .iter()
                    .map(|sibling| sibling.to_vec().into())
                    .collect(),
                transaction: None,
            }
        });
        Ok(Response::new(sequencer::GetTransactionProofResponse {
            proof,
        }))
    }

    async fn anchor_audit_head(
        &self,
        request: Request<sequencer::AnchorAuditHeadRequest>,
    ) -> Answer<sequencer::AnchorAuditHeadResponse> {
        let request = request.into_inner();
        assert_eq!(request.ledger, "disclosure");
        self.0
            .anchored
            .lock()
            .expect("whole")
            .push((request.count, request.head.to_vec()));
        Ok(Response::new(sequencer::AnchorAuditHeadResponse {}))
    }

    async fn get_info(
        &self,
        _: Request<sequencer::GetInfoRequest>,
    ) -> Answer<sequencer::GetInfoResponse> {
        refused()
    }

    async fn submit_transaction(
        &self,
        _: Request<sequencer::SubmitTransactionRequest>,
    ) -> Answer<sequencer::SubmitTransactionResponse> {
        refused()
    }

    async fn call(&self, _: Request<sequencer::CallRequest>) -> Answer<sequencer::CallResponse> {
        refused()
    }

    async fn estimate_gas(
        &self,
        _: Request<sequencer::CallRequest>,
    ) -> Answer<sequencer::EstimateGasResponse> {
        refused()
    }

    async fn get_account(
        &self,
        _: Request<sequencer::GetAccountRequest>,
    ) -> Answer<sequencer::GetAccountResponse> {
        refused()
    }

    async fn get_storage(
        &self,
        _: Request<sequencer::GetStorageRequest>,
    ) -> Answer<sequencer::GetStorageResponse> {
        refused()
    }

    async fn get_transaction(
        &self,
        _: Request<sequencer::GetTransactionRequest>,
    ) -> Answer<sequencer::GetTransactionResponse> {
        refused()
    }

    async fn get_block(
        &self,
        _: Request<sequencer::GetBlockRequest>,
    ) -> Answer<sequencer::GetBlockResponse> {
        refused()
    }

    async fn get_logs(
        &self,
        _: Request<sequencer::GetLogsRequest>,
    ) -> Answer<sequencer::GetLogsResponse> {
        refused()
    }

    async fn get_batch(
        &self,
        _: Request<sequencer::GetBatchRequest>,
    ) -> Answer<sequencer::GetBatchResponse> {
        refused()
    }

    async fn stream_blocks(
        &self,
        _: Request<sequencer::StreamBlocksRequest>,
    ) -> Answer<Self::StreamBlocksStream> {
        refused()
    }

    async fn stream_batches(
        &self,
        _: Request<sequencer::StreamBatchesRequest>,
    ) -> Answer<Self::StreamBatchesStream> {
        refused()
    }

    async fn get_batch_input(
        &self,
        _: Request<sequencer::GetBatchInputRequest>,
    ) -> Answer<Self::GetBatchInputStream> {
        refused()
    }

    async fn seal_batch(
        &self,
        _: Request<sequencer::SealBatchRequest>,
    ) -> Answer<sequencer::SealBatchResponse> {
        refused()
    }

    async fn report_proving_load(
        &self,
        _: Request<sequencer::ReportProvingLoadRequest>,
    ) -> Answer<sequencer::ReportProvingLoadResponse> {
        refused()
    }

    async fn get_status(
        &self,
        _: Request<sequencer::GetStatusRequest>,
    ) -> Answer<sequencer::GetStatusResponse> {
        refused()
    }
}

#[tonic::async_trait]
impl prover::prover_server::Prover for Server {
    async fn get_status(
        &self,
        _: Request<prover::GetStatusRequest>,
    ) -> Answer<prover::GetStatusResponse> {
        Ok(Response::new(prover::GetStatusResponse {
            sealed_batch: SEALED,
            committed_batch: BATCH,
            ..prover::GetStatusResponse::default()
        }))
    }

    async fn get_batch_status(
        &self,
        request: Request<prover::GetBatchStatusRequest>,
    ) -> Answer<prover::GetBatchStatusResponse> {
        let number = request.into_inner().number;
        let state = match number {
            SEALED => Some(prover::BatchState::Sealed),
            BATCH => Some(prover::BatchState::Committed),
            _ => None,
        };
        let status = state.map(|state| prover::BatchStatus {
            number,
            state: state.into(),
            ..prover::BatchStatus::default()
        });
        Ok(Response::new(prover::GetBatchStatusResponse { status }))
    }

    async fn list_jobs(
        &self,
        _: Request<prover::ListJobsRequest>,
    ) -> Answer<prover::ListJobsResponse> {
        refused()
    }

    async fn get_job(&self, _: Request<prover::GetJobRequest>) -> Answer<prover::GetJobResponse> {
        refused()
    }

    async fn retry_job(
        &self,
        _: Request<prover::RetryJobRequest>,
    ) -> Answer<prover::RetryJobResponse> {
        refused()
    }

    async fn discard_job(
        &self,
        _: Request<prover::DiscardJobRequest>,
    ) -> Answer<prover::DiscardJobResponse> {
        refused()
    }

    type GetProofStream =
        tokio_stream::Iter<std::vec::IntoIter<Result<prover::GetProofResponse, Status>>>;

    async fn get_proof(&self, _: Request<prover::GetProofRequest>) -> Answer<Self::GetProofStream> {
        refused()
    }
}
