//! The gRPC interface: thin. Every call is over mutual TLS and goes through the table of peers.

mod discard_job;
mod get_batch_status;
mod get_job;
mod get_proof;
mod get_status;
mod jobs;
mod list_jobs;
mod peers;
mod retry_job;

use std::sync::Arc;

use async_trait::async_trait;
use cloister_l1::Address;
use cloister_proto::code::with_code;
use cloister_proto::prover::v1 as wire;
use cloister_proto::prover::v1::prover_server::{Prover, ProverServer};
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use self::peers::Method;
use crate::app::health::Health;
use crate::artefacts::Artefacts;
use crate::store::{Store, StoreError};

/// What the endpoints read from.
#[derive(Debug, Clone)]
pub(crate) struct ProverApi {
    store: Store,
    artefacts: Arc<Artefacts>,
    health: Arc<Health>,
    l1_chain_id: u64,
    rollup_contract: Address,
}

impl ProverApi {
    /// Over the prover's tables.
    pub(crate) const fn new(
        store: Store,
        artefacts: Arc<Artefacts>,
        health: Arc<Health>,
        l1_chain_id: u64,
        rollup_contract: Address,
    ) -> Self {
        Self {
            store,
            artefacts,
            health,
            l1_chain_id,
            rollup_contract,
        }
    }

    /// The routes to serve.
    pub(crate) fn routes(self) -> Routes {
        Routes::new(ProverServer::new(self))
    }
}

#[async_trait]
impl Prover for ProverApi {
    async fn get_status(
        &self,
        request: Request<wire::GetStatusRequest>,
    ) -> Result<Response<wire::GetStatusResponse>, Status> {
        peers::authorize(&request, Method::GetStatus)?;
        get_status::handle(self).await.map(Response::new)
    }

    async fn get_batch_status(
        &self,
        request: Request<wire::GetBatchStatusRequest>,
    ) -> Result<Response<wire::GetBatchStatusResponse>, Status> {
        peers::authorize(&request, Method::GetBatchStatus)?;
        get_batch_status::handle(self, &request.into_inner())
            .await
            .map(Response::new)
    }

    async fn list_jobs(
        &self,
        request: Request<wire::ListJobsRequest>,
    ) -> Result<Response<wire::ListJobsResponse>, Status> {
        peers::authorize(&request, Method::ListJobs)?;
        list_jobs::handle(self, &request.into_inner())
            .await
            .map(Response::new)
    }

    async fn get_job(
        &self,
        request: Request<wire::GetJobRequest>,
    ) -> Result<Response<wire::GetJobResponse>, Status> {
        peers::authorize(&request, Method::GetJob)?;
        get_job::handle(self, &request.into_inner())
            .await
            .map(Response::new)
    }

    async fn retry_job(
        &self,
        request: Request<wire::RetryJobRequest>,
    ) -> Result<Response<wire::RetryJobResponse>, Status> {
        peers::authorize(&request, Method::RetryJob)?;
        retry_job::handle(self, &request.into_inner())
            .await
            .map(Response::new)
    }

    async fn discard_job(
        &self,
        request: Request<wire::DiscardJobRequest>,
    ) -> Result<Response<wire::DiscardJobResponse>, Status> {
        peers::authorize(&request, Method::DiscardJob)?;
        discard_job::handle(self, &request.into_inner())
            .await
            .map(Response::new)
    }

    type GetProofStream = get_proof::Answers;

    async fn get_proof(
        &self,
        request: Request<wire::GetProofRequest>,
    ) -> Result<Response<Self::GetProofStream>, Status> {
        peers::authorize(&request, Method::GetProof)?;
        get_proof::handle(self, &request.into_inner())
            .await
            .map(Response::new)
    }
}

/// The cause goes to the log, the caller learns that trying again may help.
fn unavailable(error: &StoreError) -> Status {
    tracing::error!(%error, "cannot answer");
    with_code(
        Status::unavailable("the prover's database does not answer; try again"),
        "database_unavailable",
    )
}
