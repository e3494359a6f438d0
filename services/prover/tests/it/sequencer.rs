//! Stands for the sequencer: seals well-formed batches when told and streams them.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use cloister_proto::sequencer::v1 as api;
use cloister_proto::sequencer::v1::sequencer_server::{Sequencer, SequencerServer};
use cloister_service_kit::{Shutdown, grpc, listen};
use cloister_settings::GrpcServerSection;
use cloister_types::{B256, BatchHeader, BatchNumber};
use tokio::sync::watch;
use tokio_stream::{Stream, StreamExt as _};
use tonic::service::Routes;
use tonic::{Request, Response, Status};

/// Id of the private chain.
pub(crate) const CHAIN_ID: u64 = 424_242;

/// The batches, shared between the test and the server.
#[derive(Clone)]
pub(crate) struct Batches {
    sealed: Arc<Mutex<Vec<api::Batch>>>,
    inputs: Arc<Mutex<BTreeMap<u64, Vec<u8>>>>,
    load: Arc<Mutex<Option<api::ReportProvingLoadRequest>>>,
    count: watch::Sender<usize>,
}

fn message(header: &BatchHeader) -> api::Batch {
    api::Batch {
        number: header.number.0,
        hash: header.hash().to_vec().into(),
        header: header.encode().into(),
        transaction_count: 1,
        sealed_at: 1_800_000_000,
    }
}

impl Batches {
    /// Only genesis.
    pub(crate) fn new() -> Self {
        let genesis = BatchHeader {
            chain_id: CHAIN_ID,
            state_root: B256::repeat_byte(0x11),
            ..BatchHeader::default()
        };
        Self {
            sealed: Arc::new(Mutex::new(vec![message(&genesis)])),
            inputs: Arc::default(),
            load: Arc::default(),
            count: watch::Sender::new(1),
        }
    }

    fn at(&self, number: usize) -> Option<api::Batch> {
        self.sealed.lock().unwrap().get(number).cloned()
    }

    fn last(&self) -> api::Batch {
        self.sealed.lock().unwrap().last().cloned().unwrap()
    }

    /// Hash of a batch.
    pub(crate) fn hash(&self, number: u64) -> B256 {
        let batch = self.at(usize::try_from(number).unwrap()).unwrap();
        B256::from_slice(&batch.hash)
    }

    /// Number of the newest batch.
    pub(crate) fn newest(&self) -> u64 {
        self.last().number
    }

    /// State root of genesis.
    pub(crate) fn genesis_state_root() -> B256 {
        B256::repeat_byte(0x11)
    }

    /// Seals batches on top; they are streamed at once.
    pub(crate) fn seal(&self, count: u64) {
        for _ in 0..count {
            let last = self.last();
            let number = last.number + 1;
            let mut header = BatchHeader {
                chain_id: CHAIN_ID,
                number: BatchNumber(number),
                previous_hash: B256::from_slice(&last.hash),
                state_root: B256::left_padding_from(&(number + 1).to_be_bytes()),
                ..BatchHeader::default()
            };
            header.private.timestamp = 1_800_000_000 + number;
            self.push(message(&header));
        }
    }

    /// Gives a batch an input that the stand-in for the engine reads.
    pub(crate) fn set_input(&self, number: u64, input: &serde_json::Value) {
        self.set_input_bytes(number, input.to_string().into_bytes());
    }

    /// As [`Batches::set_input`], any bytes.
    pub(crate) fn set_input_bytes(&self, number: u64, input: Vec<u8>) {
        self.inputs.lock().unwrap().insert(number, input);
    }

    /// What the prover last said of its load.
    pub(crate) fn load(&self) -> Option<api::ReportProvingLoadRequest> {
        self.load.lock().unwrap().clone()
    }

    /// Streams whatever it is given.
    pub(crate) fn push(&self, batch: api::Batch) {
        let mut sealed = self.sealed.lock().unwrap();
        sealed.push(batch);
        self.count.send_replace(sealed.len());
    }

    /// A malformed batch: right number, wrong parent.
    pub(crate) fn seal_on_another_parent(&self) {
        let number = self.last().number + 1;
        let header = BatchHeader {
            chain_id: CHAIN_ID,
            number: BatchNumber(number),
            previous_hash: B256::repeat_byte(0xee),
            state_root: B256::repeat_byte(0x22),
            ..BatchHeader::default()
        };
        self.push(message(&header));
    }

    /// A well-formed batch that is not the one [`Batches::seal`] makes.
    pub(crate) fn seal_differently(&self) {
        let last = self.last();
        let header = BatchHeader {
            chain_id: CHAIN_ID,
            number: BatchNumber(last.number + 1),
            previous_hash: B256::from_slice(&last.hash),
            state_root: B256::repeat_byte(0x33),
            ..BatchHeader::default()
        };
        self.push(message(&header));
    }

    /// Forgets all batches above a number, as a sequencer restored from a backup would.
    pub(crate) fn forget_above(&self, number: usize) {
        let mut sealed = self.sealed.lock().unwrap();
        sealed.truncate(number + 1);
        self.count.send_replace(sealed.len());
    }
}

/// Serves until dropped; then every connection breaks, as when the process dies.
pub(crate) struct Stub {
    runtime: Option<tokio::runtime::Runtime>,
}

impl Stub {
    /// Starts on a given section.
    pub(crate) async fn start(
        batches: Batches,
        section: GrpcServerSection,
    ) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let (sender, listening) = tokio::sync::oneshot::channel();
        runtime.spawn(async move {
            let listener = listen("grpc", section.listen).await;
            let Ok(listener) = listener else { return };
            let _gone = sender.send(());
            let routes = Routes::new(SequencerServer::new(Server(batches)));
            let shutdown = Shutdown::new();
            let _ended = Box::pin(grpc::serve(listener, routes, &section, &shutdown)).await;
        });
        listening.await?;
        Ok(Self {
            runtime: Some(runtime),
        })
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Elsewhere, because a runtime may not be waited for inside another.
            let ended = std::thread::spawn(|| drop(runtime)).join();
            assert!(ended.is_ok(), "the stand-in ended badly");
        }
    }
}

struct Server(Batches);

type Answer<T> = Result<Response<T>, Status>;
type Streamed<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

fn not_here<T>() -> Answer<T> {
    Err(Status::unimplemented("not in this stand-in"))
}

#[tonic::async_trait]
impl Sequencer for Server {
    type StreamBlocksStream = Streamed<api::StreamBlocksResponse>;
    type StreamBatchesStream = Streamed<api::StreamBatchesResponse>;
    type GetBatchInputStream = Streamed<api::GetBatchInputResponse>;

    async fn get_info(&self, _: Request<api::GetInfoRequest>) -> Answer<api::GetInfoResponse> {
        let genesis = self.0.at(0).unwrap();
        Ok(Response::new(api::GetInfoResponse {
            chain_id: CHAIN_ID,
            sealed_batch: self.0.last().number,
            genesis_batch_hash: genesis.hash,
            genesis_state_root: Batches::genesis_state_root().to_vec().into(),
            ..api::GetInfoResponse::default()
        }))
    }

    async fn stream_batches(
        &self,
        request: Request<api::StreamBatchesRequest>,
    ) -> Answer<Self::StreamBatchesStream> {
        let batches = self.0.clone();
        let mut next = usize::try_from(request.into_inner().from_batch).unwrap();
        let (sender, receiver) = tokio::sync::mpsc::channel(4);
        tokio::spawn(async move {
            let mut count = batches.count.subscribe();
            loop {
                while let Some(batch) = batches.at(next) {
                    next += 1;
                    if sender.send(batch).await.is_err() {
                        return;
                    }
                }
                if count.changed().await.is_err() {
                    return;
                }
            }
        });
        let stream = tokio_stream::wrappers::ReceiverStream::new(receiver)
            .map(|batch| Ok(api::StreamBatchesResponse { batch: Some(batch) }));
        Ok(Response::new(Box::pin(stream)))
    }

    async fn submit_transaction(
        &self,
        _: Request<api::SubmitTransactionRequest>,
    ) -> Answer<api::SubmitTransactionResponse> {
        not_here()
    }
    async fn call(&self, _: Request<api::CallRequest>) -> Answer<api::CallResponse> {
        not_here()
    }
    async fn estimate_gas(&self, _: Request<api::CallRequest>) -> Answer<api::EstimateGasResponse> {
        not_here()
    }
    async fn get_account(
        &self,
        _: Request<api::GetAccountRequest>,
    ) -> Answer<api::GetAccountResponse> {
        not_here()
    }
    async fn get_storage(
        &self,
        _: Request<api::GetStorageRequest>,
    ) -> Answer<api::GetStorageResponse> {
        not_here()
    }
    async fn get_transaction(
        &self,
        _: Request<api::GetTransactionRequest>,
    ) -> Answer<api::GetTransactionResponse> {
        not_here()
    }
    async fn get_block(&self, _: Request<api::GetBlockRequest>) -> Answer<api::GetBlockResponse> {
        not_here()
    }
    async fn get_logs(&self, _: Request<api::GetLogsRequest>) -> Answer<api::GetLogsResponse> {
        not_here()
    }
    async fn get_batch(&self, _: Request<api::GetBatchRequest>) -> Answer<api::GetBatchResponse> {
        not_here()
    }
    async fn get_state_proof(
        &self,
        _: Request<api::GetStateProofRequest>,
    ) -> Answer<api::GetStateProofResponse> {
        not_here()
    }
    async fn get_transaction_proof(
        &self,
        _: Request<api::GetTransactionProofRequest>,
    ) -> Answer<api::GetTransactionProofResponse> {
        not_here()
    }
    async fn stream_blocks(
        &self,
        _: Request<api::StreamBlocksRequest>,
    ) -> Answer<Self::StreamBlocksStream> {
        not_here()
    }
    async fn get_batch_input(
        &self,
        request: Request<api::GetBatchInputRequest>,
    ) -> Answer<Self::GetBatchInputStream> {
        let number = request.into_inner().number;
        let Some(input) = self.0.inputs.lock().unwrap().get(&number).cloned() else {
            return Err(Status::not_found("the input of this batch is not kept"));
        };
        let chunks: Vec<_> = input
            .chunks(64)
            .map(|chunk| {
                Ok(api::GetBatchInputResponse {
                    chunk: chunk.to_vec().into(),
                })
            })
            .collect();
        Ok(Response::new(Box::pin(tokio_stream::iter(chunks))))
    }
    async fn anchor_audit_head(
        &self,
        _: Request<api::AnchorAuditHeadRequest>,
    ) -> Answer<api::AnchorAuditHeadResponse> {
        not_here()
    }
    async fn seal_batch(
        &self,
        _: Request<api::SealBatchRequest>,
    ) -> Answer<api::SealBatchResponse> {
        not_here()
    }
    async fn report_proving_load(
        &self,
        request: Request<api::ReportProvingLoadRequest>,
    ) -> Answer<api::ReportProvingLoadResponse> {
        *self.0.load.lock().unwrap() = Some(request.into_inner());
        Ok(Response::new(api::ReportProvingLoadResponse {
            age_stretch_permille: 1_000,
        }))
    }
    async fn get_status(
        &self,
        _: Request<api::GetStatusRequest>,
    ) -> Answer<api::GetStatusResponse> {
        not_here()
    }
}
