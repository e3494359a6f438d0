//! gRPC between the services: mutual TLS, limits, traces that go on across calls.

use std::time::Duration;

use cloister_proto::tls::{self, PeerStream, TlsError};
use cloister_settings::{GrpcClientSection, GrpcServerSection};
use cloister_telemetry::propagation::{ExtractLayer, Inject};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::Routes;
use tonic::transport::{Channel, Server};

use crate::{ServeError, Shutdown, accept};

/// Most connections at once: the other services of one installation, each with a few.
const MAX_CONNECTIONS: usize = 1024;
/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Most calls at once on one connection.
const MAX_STREAMS: u32 = 4096;
/// How often an idle connection is probed, and how long the answer may take.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Connections that are established but not yet taken by the server.
const BACKLOG: usize = 64;

/// A channel to another service that carries the current trace on.
pub type TracedChannel = Inject<Channel>;

/// See [`tls::client_channel`]; the current trace goes along with every call.
///
/// # Errors
/// [`TlsError`] when a file or the address cannot be used.
pub fn channel(section: &GrpcClientSection) -> Result<TracedChannel, TlsError> {
    tls::client_channel(section).map(Inject::new)
}

/// Serves `routes` with mutual TLS until the shutdown: at step one it takes no more calls and lets
/// those that were begun finish (streams must watch the shutdown themselves), at step two it drops
/// the rest. Handlers learn their caller by [`PeerName::of`](cloister_proto::PeerName::of).
///
/// # Errors
/// [`ServeError::Tls`] when a certificate or key cannot be used.
pub async fn serve(
    listener: TcpListener,
    routes: Routes,
    section: &GrpcServerSection,
    shutdown: &Shutdown,
) -> Result<(), ServeError> {
    let config = tls::server_config(section)?;
    let (sender, incoming) = mpsc::channel::<Result<PeerStream, std::io::Error>>(BACKLOG);
    let limits = accept::Limits {
        connections: MAX_CONNECTIONS,
        handshake: HANDSHAKE_TIMEOUT,
    };
    let accepting = accept::run(
        listener,
        config,
        limits,
        shutdown,
        move |stream, _, slot| {
            let sender = sender.clone();
            async move {
                // Fails only when the server has ended.
                let _ = sender.send(Ok(PeerStream::new(stream, slot))).await;
            }
        },
    );
    let server = Server::builder()
        .max_concurrent_streams(MAX_STREAMS)
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .http2_keepalive_timeout(Some(KEEP_ALIVE))
        .initial_connection_window_size(tls::CONNECTION_WINDOW)
        .initial_stream_window_size(tls::STREAM_WINDOW)
        .layer(ExtractLayer::grpc())
        .add_routes(routes)
        .serve_with_incoming_shutdown(ReceiverStream::new(incoming), shutdown.stopping());
    let both = async {
        let ((), result) = tokio::join!(accepting, server);
        result
    };
    shutdown
        .unless_leaving(Box::pin(both))
        .await
        .unwrap_or(Ok(()))?;
    Ok(())
}
