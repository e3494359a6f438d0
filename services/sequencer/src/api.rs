//! The gRPC interface: who calls, then one file per method that parses, asks `app` and maps.

mod anchor_audit_head;
mod call;
mod convert;
mod estimate_gas;
mod get_account;
mod get_batch;
mod get_batch_input;
mod get_block;
mod get_info;
mod get_logs;
mod get_state_proof;
mod get_status;
mod get_storage;
mod get_transaction;
mod get_transaction_proof;
mod report_proving_load;
mod seal_batch;
mod stream_batches;
mod stream_blocks;
mod streams;
mod submit_transaction;

use std::{sync::Arc, time::Instant};

use cloister_proto::{
    PeerName,
    code::code_of,
    sequencer::v1::{
        AnchorAuditHeadRequest, AnchorAuditHeadResponse, CallRequest, CallResponse,
        EstimateGasResponse, GetAccountRequest, GetAccountResponse, GetBatchInputRequest,
        GetBatchInputResponse, GetBatchRequest, GetBatchResponse, GetBlockRequest,
        GetBlockResponse, GetInfoRequest, GetInfoResponse, GetLogsRequest, GetLogsResponse,
        GetStateProofRequest, GetStateProofResponse, GetStatusRequest, GetStatusResponse,
        GetStorageRequest, GetStorageResponse, GetTransactionProofRequest,
        GetTransactionProofResponse, GetTransactionRequest, GetTransactionResponse,
        ReportProvingLoadRequest, ReportProvingLoadResponse, SealBatchRequest, SealBatchResponse,
        StreamBatchesRequest, StreamBatchesResponse, StreamBlocksRequest, StreamBlocksResponse,
        SubmitTransactionRequest, SubmitTransactionResponse, sequencer_server::Sequencer,
    },
};
use cloister_service_kit::Shutdown;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};

use self::streams::Answers;
use crate::{
    app::{
        node::Node,
        peers::{Method, Peer},
    },
    error::{Refusal as _, RequestError},
    metrics,
};

/// The interface over a running node.
#[derive(Debug)]
pub(crate) struct Api {
    node: Arc<Node>,
    streams: Arc<Semaphore>,
    shutdown: Shutdown,
}

impl Api {
    /// The interface; at most `max_streams` streams are open at once.
    pub(crate) fn new(node: Arc<Node>, max_streams: usize, shutdown: Shutdown) -> Self {
        Self {
            node,
            streams: Arc::new(Semaphore::new(max_streams)),
            shutdown,
        }
    }

    /// Decides whether the caller may call `method` (SSQ-5) and takes the message out.
    fn admit<T>(method: Method, request: Request<T>) -> Result<(Peer, T), Status> {
        let name = PeerName::of(&request)?;
        let peer = Peer::named(name.as_str()).filter(|peer| method.allows(*peer));
        let Some(peer) = peer else {
            tracing::warn!(
                peer = name.as_str(),
                method = method.name(),
                "a peer was refused"
            );
            let peer = name.as_str().to_owned();
            return Err(RequestError::PeerDenied {
                peer,
                method: method.name(),
            }
            .status());
        };
        Ok((peer, request.into_inner()))
    }

    /// Admits, runs and counts one call.
    async fn run<T, U, F>(
        &self,
        method: Method,
        request: Request<T>,
        work: impl FnOnce(Peer, T) -> F,
    ) -> Result<Response<U>, Status>
    where
        F: Future<Output = Result<U, Status>>,
    {
        let started = Instant::now();
        let outcome = match Self::admit(method, request) {
            Ok((peer, message)) => work(peer, message).await,
            Err(refused) => Err(refused),
        };
        let code = outcome
            .as_ref()
            .err()
            .map_or("ok", |status| known_code(status));
        metrics::request(method.name(), code, started.elapsed());
        outcome.map(Response::new)
    }
}

/// The stable code as a metric label: only our own statuses come here, so the set is closed.
fn known_code(status: &Status) -> &'static str {
    match code_of(status) {
        Some("unavailable") => "unavailable",
        Some("internal") => "internal",
        Some("peer_denied" | "peer_unknown") => "peer_denied",
        Some(_) | None => "refused",
    }
}

macro_rules! unary_now {
    ($self:ident, $request:ident, $method:ident, $module:ident) => {
        $self
            .run(Method::$method, $request, |peer, message| {
                std::future::ready($module::handle(&$self.node, peer, &message))
            })
            .await
    };
}

macro_rules! unary {
    ($self:ident, $request:ident, $method:ident, $module:ident) => {
        $self
            .run(Method::$method, $request, |peer, message| {
                $module::handle(&$self.node, peer, message)
            })
            .await
    };
}

#[tonic::async_trait]
impl Sequencer for Api {
    type StreamBlocksStream = Answers<StreamBlocksResponse>;
    type StreamBatchesStream = Answers<StreamBatchesResponse>;
    type GetBatchInputStream = Answers<GetBatchInputResponse>;

    async fn get_info(
        &self,
        request: Request<GetInfoRequest>,
    ) -> Result<Response<GetInfoResponse>, Status> {
        let answer = |_, _| std::future::ready(Ok(get_info::handle(&self.node)));
        self.run(Method::GetInfo, request, answer).await
    }

    async fn submit_transaction(
        &self,
        request: Request<SubmitTransactionRequest>,
    ) -> Result<Response<SubmitTransactionResponse>, Status> {
        unary!(self, request, SubmitTransaction, submit_transaction)
    }

    async fn call(&self, request: Request<CallRequest>) -> Result<Response<CallResponse>, Status> {
        unary!(self, request, Call, call)
    }

    async fn estimate_gas(
        &self,
        request: Request<CallRequest>,
    ) -> Result<Response<EstimateGasResponse>, Status> {
        unary!(self, request, EstimateGas, estimate_gas)
    }

    async fn get_account(
        &self,
        request: Request<GetAccountRequest>,
    ) -> Result<Response<GetAccountResponse>, Status> {
        unary_now!(self, request, GetAccount, get_account)
    }

    async fn get_storage(
        &self,
        request: Request<GetStorageRequest>,
    ) -> Result<Response<GetStorageResponse>, Status> {
        unary_now!(self, request, GetStorage, get_storage)
    }

    async fn get_transaction(
        &self,
        request: Request<GetTransactionRequest>,
    ) -> Result<Response<GetTransactionResponse>, Status> {
        unary!(self, request, GetTransaction, get_transaction)
    }

    async fn get_block(
        &self,
        request: Request<GetBlockRequest>,
    ) -> Result<Response<GetBlockResponse>, Status> {
        unary!(self, request, GetBlock, get_block)
    }

    async fn get_logs(
        &self,
        request: Request<GetLogsRequest>,
    ) -> Result<Response<GetLogsResponse>, Status> {
        unary!(self, request, GetLogs, get_logs)
    }

    async fn get_batch(
        &self,
        request: Request<GetBatchRequest>,
    ) -> Result<Response<GetBatchResponse>, Status> {
        unary!(self, request, GetBatch, get_batch)
    }

    async fn get_state_proof(
        &self,
        request: Request<GetStateProofRequest>,
    ) -> Result<Response<GetStateProofResponse>, Status> {
        unary!(self, request, GetStateProof, get_state_proof)
    }

    async fn get_transaction_proof(
        &self,
        request: Request<GetTransactionProofRequest>,
    ) -> Result<Response<GetTransactionProofResponse>, Status> {
        unary!(self, request, GetTransactionProof, get_transaction_proof)
    }

    async fn stream_blocks(
        &self,
        request: Request<StreamBlocksRequest>,
    ) -> Result<Response<Self::StreamBlocksStream>, Status> {
        self.run(Method::StreamBlocks, request, |_, message| {
            std::future::ready(stream_blocks::handle(self, message))
        })
        .await
    }

    async fn stream_batches(
        &self,
        request: Request<StreamBatchesRequest>,
    ) -> Result<Response<Self::StreamBatchesStream>, Status> {
        self.run(Method::StreamBatches, request, |_, message| {
            std::future::ready(stream_batches::handle(self, message))
        })
        .await
    }

    async fn get_batch_input(
        &self,
        request: Request<GetBatchInputRequest>,
    ) -> Result<Response<Self::GetBatchInputStream>, Status> {
        self.run(Method::GetBatchInput, request, |_, message| {
            get_batch_input::handle(self, message)
        })
        .await
    }

    async fn anchor_audit_head(
        &self,
        request: Request<AnchorAuditHeadRequest>,
    ) -> Result<Response<AnchorAuditHeadResponse>, Status> {
        unary!(self, request, AnchorAuditHead, anchor_audit_head)
    }

    async fn seal_batch(
        &self,
        request: Request<SealBatchRequest>,
    ) -> Result<Response<SealBatchResponse>, Status> {
        unary!(self, request, SealBatch, seal_batch)
    }

    async fn report_proving_load(
        &self,
        request: Request<ReportProvingLoadRequest>,
    ) -> Result<Response<ReportProvingLoadResponse>, Status> {
        unary!(self, request, ReportProvingLoad, report_proving_load)
    }

    async fn get_status(
        &self,
        request: Request<GetStatusRequest>,
    ) -> Result<Response<GetStatusResponse>, Status> {
        unary!(self, request, GetStatus, get_status)
    }
}
