//! Mutual TLS between services: who is let in, who is kept out, and how calls end.

use std::sync::Arc;

use cloister_proto::PeerName;
use cloister_proto::code::{code_of, with_code};
use cloister_proto::prover::v1::prover_client::ProverClient;
use cloister_proto::prover::v1::prover_server::{Prover, ProverServer};
use cloister_proto::prover::v1::{
    self as wire, GetBatchStatusRequest, GetBatchStatusResponse, GetStatusRequest,
    GetStatusResponse,
};
use cloister_service_kit::grpc::TracedChannel;
use cloister_service_kit::{Shutdown, grpc};
use cloister_settings::{GrpcClientSection, GrpcServerSection, TlsIdentity};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tonic::service::Routes;
use tonic::{Code, Request, Response, Status};

use crate::pki::Pki;

/// Answers with its caller's name; `GetBatchStatus` waits until it may answer.
#[derive(Clone, Default)]
struct Echo {
    entered: Arc<Notify>,
    go_on: Arc<Notify>,
}

#[tonic::async_trait]
impl Prover for Echo {
    async fn get_status(
        &self,
        request: Request<GetStatusRequest>,
    ) -> Result<Response<GetStatusResponse>, Status> {
        let stalled_reason = PeerName::of(&request)?.to_string();
        Ok(Response::new(GetStatusResponse {
            stalled_reason,
            ..GetStatusResponse::default()
        }))
    }

    async fn get_batch_status(
        &self,
        request: Request<GetBatchStatusRequest>,
    ) -> Result<Response<GetBatchStatusResponse>, Status> {
        self.entered.notify_one();
        self.go_on.notified().await;
        if request.get_ref().number == 0 {
            return Err(with_code(
                Status::not_found("no such batch"),
                "batch_unknown",
            ));
        }
        Ok(Response::new(GetBatchStatusResponse::default()))
    }

    async fn list_jobs(
        &self,
        _: Request<wire::ListJobsRequest>,
    ) -> Result<Response<wire::ListJobsResponse>, Status> {
        Err(Status::unimplemented("not in this stand-in"))
    }

    async fn get_job(
        &self,
        _: Request<wire::GetJobRequest>,
    ) -> Result<Response<wire::GetJobResponse>, Status> {
        Err(Status::unimplemented("not in this stand-in"))
    }

    async fn retry_job(
        &self,
        _: Request<wire::RetryJobRequest>,
    ) -> Result<Response<wire::RetryJobResponse>, Status> {
        Err(Status::unimplemented("not in this stand-in"))
    }

    async fn discard_job(
        &self,
        _: Request<wire::DiscardJobRequest>,
    ) -> Result<Response<wire::DiscardJobResponse>, Status> {
        Err(Status::unimplemented("not in this stand-in"))
    }

    type GetProofStream =
        tokio_stream::Iter<std::vec::IntoIter<Result<wire::GetProofResponse, Status>>>;

    async fn get_proof(
        &self,
        _: Request<wire::GetProofRequest>,
    ) -> Result<Response<Self::GetProofStream>, Status> {
        Err(Status::unimplemented("not in this stand-in"))
    }
}

struct Server {
    pki: Pki,
    echo: Echo,
    shutdown: Shutdown,
    port: u16,
    task: JoinHandle<()>,
}

impl Server {
    async fn start() -> Self {
        let pki = Pki::new();
        let identity = pki.issue("prover", &["prover"]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let section = GrpcServerSection {
            listen: address,
            certificate_file: identity.certificate_file,
            private_key_file: identity.private_key_file,
            client_ca_file: pki.ca_file(),
        };
        let (shutdown, echo) = (Shutdown::new(), Echo::default());
        let routes = Routes::new(ProverServer::new(echo.clone()));
        let serving = shutdown.clone();
        let task = tokio::spawn(async move {
            grpc::serve(listener, routes, &section, &serving)
                .await
                .unwrap();
        });
        Self {
            pki,
            echo,
            shutdown,
            port: address.port(),
            task,
        }
    }

    fn client(&self, trusts: &Pki, identity: TlsIdentity) -> ProverClient<TracedChannel> {
        self.client_that_expects("prover", trusts, identity)
    }

    fn client_that_expects(
        &self,
        server_name: &str,
        trusts: &Pki,
        identity: TlsIdentity,
    ) -> ProverClient<TracedChannel> {
        let section = GrpcClientSection {
            url: format!("https://127.0.0.1:{}", self.port).parse().unwrap(),
            server_name: server_name.to_owned(),
            ca_file: trusts.ca_file(),
            certificate_file: identity.certificate_file,
            private_key_file: identity.private_key_file,
        };
        ProverClient::new(grpc::channel(&section).unwrap())
    }
}

#[tokio::test]
async fn the_server_learns_its_callers_name() {
    let server = Server::start().await;
    for name in ["gateway", "disclosure"] {
        let identity = server.pki.issue(name, &[name, "localhost", "127.0.0.1"]);
        let mut client = server.client(&server.pki, identity);
        let answer = client
            .get_status(GetStatusRequest {})
            .await
            .unwrap()
            .into_inner();
        assert_eq!(answer.stalled_reason, name);
    }
}

#[tokio::test]
async fn a_caller_with_two_names_is_nobody() {
    // Defends SPF-5.
    let server = Server::start().await;
    let identity = server.pki.issue("two", &["gateway", "sequencer"]);
    let mut client = server.client(&server.pki, identity);
    let status = client.get_status(GetStatusRequest {}).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(code_of(&status), Some("peer_unknown"));
}

#[tokio::test]
async fn a_client_certificate_of_another_authority_is_refused() {
    // Defends SPF-4.
    let server = Server::start().await;
    let stranger = Pki::new();
    let mut client = server.client(&server.pki, stranger.issue("gateway", &["gateway"]));
    let status = client.get_status(GetStatusRequest {}).await.unwrap_err();
    assert_ne!(
        status.code(),
        Code::Unauthenticated,
        "no call may reach the service: {status:?}"
    );
    assert_ne!(status.code(), Code::Ok);
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    // Defends SPF-4.
    let server = Server::start().await;
    let ca = std::fs::read(server.pki.ca_file()).unwrap();
    let tls = tonic::transport::ClientTlsConfig::new()
        .domain_name("prover")
        .ca_certificate(tonic::transport::Certificate::from_pem(ca));
    let channel =
        tonic::transport::Endpoint::from_shared(format!("https://127.0.0.1:{}", server.port))
            .unwrap()
            .tls_config(tls)
            .unwrap()
            .connect_lazy();
    let status = ProverClient::new(channel)
        .get_status(GetStatusRequest {})
        .await
        .unwrap_err();
    assert_ne!(
        status.code(),
        Code::Unauthenticated,
        "no call may reach the service: {status:?}"
    );
}

#[tokio::test]
async fn a_server_certificate_of_another_authority_or_name_is_refused() {
    // Defends SPF-4.
    let server = Server::start().await;
    let identity = server.pki.issue("gateway", &["gateway"]);
    let stranger = Pki::new();
    let mut wrong_authority = server.client(&stranger, identity.clone());
    let status = wrong_authority
        .get_status(GetStatusRequest {})
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    let mut wrong_name = server.client_that_expects("sequencer", &server.pki, identity);
    let status = wrong_name
        .get_status(GetStatusRequest {})
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
}

#[tokio::test]
async fn a_call_in_progress_finishes_after_step_one_and_new_ones_are_refused() {
    let server = Server::start().await;
    let identity = server.pki.issue("gateway", &["gateway"]);
    let mut client = server.client(&server.pki, identity.clone());
    let call = tokio::spawn(async move {
        client
            .get_batch_status(GetBatchStatusRequest { number: 0 })
            .await
            .unwrap_err()
    });
    server.echo.entered.notified().await;
    server.shutdown.stop();
    let mut late = server.client(&server.pki, identity);
    let refused = late.get_status(GetStatusRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    server.echo.go_on.notify_one();
    assert_eq!(code_of(&call.await.unwrap()), Some("batch_unknown"));
    server.task.await.unwrap();
}

#[tokio::test]
async fn a_call_in_progress_is_dropped_at_step_two() {
    let server = Server::start().await;
    let identity = server.pki.issue("gateway", &["gateway"]);
    let mut client = server.client(&server.pki, identity);
    let call = tokio::spawn(async move {
        client
            .get_batch_status(GetBatchStatusRequest { number: 1 })
            .await
    });
    server.echo.entered.notified().await;
    server.shutdown.stop();
    server.shutdown.leave();
    // The connection itself ends with the process.
    server.task.await.unwrap();
    call.abort();
}

/// A block acknowledges all its transactions at once: on one connection that is a burst of small
/// frames, which HTTP/2 peers take for an attack when their windows are small.
#[tokio::test]
async fn thousands_of_answers_at_once_keep_the_connection() {
    const CALLS: u64 = 3_000;
    let server = Server::start().await;
    let client = server.client(&server.pki, server.pki.issue("gateway", &["gateway"]));
    let mut calls = tokio::task::JoinSet::new();
    for number in 1..=CALLS {
        let mut client = client.clone();
        calls.spawn(async move {
            client
                .get_batch_status(GetBatchStatusRequest { number })
                .await
        });
    }
    while !calls.is_empty() {
        // Those that wait are answered together; those that came later, in the next burst.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        server.echo.go_on.notify_waiters();
        while let Ok(Some(answer)) =
            tokio::time::timeout(std::time::Duration::from_millis(100), calls.join_next()).await
        {
            answer.unwrap().unwrap();
        }
    }
}
