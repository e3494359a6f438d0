//! Traces as a collector receives them. One test, because logs and traces are set up once per
//! process.

#![expect(clippy::unwrap_used, reason = "helpers of tests stop the test")]

use std::convert::Infallible;
use std::time::Duration;

use cloister_settings::TelemetrySection;
use cloister_telemetry::propagation::{ExtractLayer, Inject};
use http::{Request, Response};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::TcpListenerStream;
use tower::{Layer as _, ServiceExt as _};
use tracing::Instrument as _;

/// Long enough for a busy machine.
const TEST_LIMIT: Duration = Duration::from_secs(30);

struct Collector(mpsc::Sender<Span>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        for resource in request.into_inner().resource_spans {
            for scope in resource.scope_spans {
                for span in scope.spans {
                    self.0.send(span).await.unwrap();
                }
            }
        }
        Ok(tonic::Response::new(ExportTraceServiceResponse::default()))
    }
}

/// A collector on a free port, and the spans that it receives.
async fn collector() -> (String, mpsc::Receiver<Span>) {
    let (sender, spans) = mpsc::channel(64);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tonic::transport::Server::builder()
        .add_service(TraceServiceServer::new(Collector(sender)))
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(server);
    (url, spans)
}

/// Sends one request through a client that carries the trace on to a server behind `layer`.
async fn call(layer: ExtractLayer, path: &'static str) {
    let server = layer.layer(tower::service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(Response::new(()))
    }));
    let request = Request::builder().uri(path).body(()).unwrap();
    Inject::new(server).oneshot(request).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_goes_on_across_our_services_and_not_from_strangers() {
    let (url, mut received) = collector().await;
    let section = TelemetrySection {
        otlp_endpoint: Some(url.parse().unwrap()),
        ..TelemetrySection::default()
    };
    let telemetry = cloister_telemetry::init(&section, "test").unwrap();
    assert!(
        cloister_telemetry::init(&section, "test").is_err(),
        "only once per process"
    );

    let outer = tracing::info_span!("outer");
    async {
        call(
            ExtractLayer::grpc(),
            "/cloister.sequencer.v1.Sequencer/GetInfo",
        )
        .await;
        call(ExtractLayer::https(), "/accounts/0xdeadbeef").await;
    }
    .instrument(outer)
    .await;
    tokio::task::spawn_blocking(|| telemetry.finish())
        .await
        .unwrap();

    let mut spans = Vec::new();
    while spans.len() < 3 {
        let next = tokio::time::timeout(TEST_LIMIT, received.recv())
            .await
            .unwrap();
        spans.push(next.unwrap());
    }
    let outer = spans.iter().find(|span| span.name == "outer").unwrap();
    let told = |span: &Span, text: &str| format!("{span:?}").contains(text);
    let inner = spans.iter().find(|span| told(span, "GetInfo")).unwrap();
    assert_eq!(inner.trace_id, outer.trace_id);
    assert_eq!(inner.parent_span_id, outer.span_id);
    assert!(
        !spans.iter().any(|span| told(span, "deadbeef")),
        "paths from outside are not told"
    );
}
