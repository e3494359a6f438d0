//! HTTPS for an axum router, within limits that hold against slow and greedy clients.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use cloister_proto::tls;
use cloister_settings::TlsIdentity;
use cloister_telemetry::propagation::ExtractLayer;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::server::TlsStream;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::RequestBodyTimeoutLayer;

use crate::preface::Preface;
use crate::{ServeError, Shutdown, accept};

/// What a client sends first in HTTP/2, in bytes (RFC 9113, 3.4). No request of HTTP/1.1 is shorter:
/// it needs a `host` header.
const PREFACE_BYTES: usize = 24;

/// Limits of an HTTPS server (invariant SPF-6).
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most connections at once.
    pub max_connections: usize,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// How long the headers of a request may take to arrive; also how long a connection may idle.
    pub header_timeout: Duration,
    /// Most bytes of a request's headers.
    pub max_header_bytes: u32,
    /// Longest silence while a request's body arrives.
    pub body_timeout: Duration,
    /// Most bytes of a request's body; more is answered with 413.
    pub max_body_bytes: usize,
    /// Most HTTP/2 requests at once on one connection.
    pub max_streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(30),
            max_header_bytes: 32 * 1024,
            body_timeout: Duration::from_secs(15),
            max_body_bytes: 1024 * 1024,
            max_streams: 128,
        }
    }
}

/// Serves `router` over HTTPS (TLS 1.2 and 1.3, HTTP/1.1 and HTTP/2, WebSocket upgrades) until the
/// shutdown: at step one it takes no more connections and lets requests finish. Handlers find the
/// peer's address in `ConnectInfo<SocketAddr>`.
///
/// # Errors
/// [`ServeError::Tls`] when the certificate or key cannot be used.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    identity: &TlsIdentity,
    limits: Limits,
    shutdown: &Shutdown,
) -> Result<(), ServeError> {
    let config = server_config(identity)?;
    let router = router
        .layer(RequestBodyLimitLayer::new(limits.max_body_bytes))
        .layer(RequestBodyTimeoutLayer::new(limits.body_timeout))
        .layer(ExtractLayer::https());
    let builder = builder(limits);
    let accept_limits = accept::Limits {
        connections: limits.max_connections,
        handshake: limits.handshake_timeout,
    };
    let stop = shutdown.clone();
    accept::run(
        listener,
        config,
        accept_limits,
        shutdown,
        move |stream, peer, slot| {
            let router = router.clone().layer(axum::Extension(ConnectInfo(peer)));
            let (builder, stop) = (builder.clone(), stop.clone());
            async move {
                connection(&builder, stream, peer, router, limits.header_timeout, &stop).await;
                drop(slot);
            }
        },
    )
    .await;
    Ok(())
}

/// Serves one connection to its end.
async fn connection(
    builder: &Builder<TokioExecutor>,
    stream: TlsStream<TcpStream>,
    peer: SocketAddr,
    router: Router,
    header_timeout: Duration,
    shutdown: &Shutdown,
) {
    let stream = Preface::new(stream, PREFACE_BYTES, header_timeout);
    let service = TowerToHyperService::new(router);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = shutdown.stopping() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%peer, error, "the connection failed");
    }
}

fn builder(limits: Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(
            usize::try_from(limits.max_header_bytes)
                .unwrap_or(usize::MAX)
                .max(8192),
        );
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(limits.max_header_bytes)
        .max_concurrent_streams(limits.max_streams)
        .keep_alive_interval(limits.header_timeout)
        .keep_alive_timeout(limits.header_timeout);
    builder
}

/// TLS for a public server: no client certificate is asked for.
fn server_config(identity: &TlsIdentity) -> Result<Arc<ServerConfig>, tls::TlsError> {
    let (chain, key) = tls::identity(identity)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
