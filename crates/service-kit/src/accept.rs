//! Accepts TLS connections within limits.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::task::TaskTracker;

use crate::Shutdown;

/// A pause after the operating system refused a connection, e.g. for want of file descriptors:
/// without it the loop would spin.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// Limits on connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Most connections at once; more wait in the operating system's queue.
    pub(crate) connections: usize,
    /// How long a TLS handshake may take.
    pub(crate) handshake: Duration,
}

/// Accepts until step one of the shutdown and runs `handle` for each established connection, in a
/// task of its own. Returns when all of them have ended, or at step two.
///
/// A slow handshake delays nobody else (invariant SPF-6).
pub(crate) async fn run<H, F>(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    limits: Limits,
    shutdown: &Shutdown,
    handle: H,
) where
    H: Fn(TlsStream<TcpStream>, SocketAddr, OwnedSemaphorePermit) -> F
        + Clone
        + Send
        + Sync
        + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let acceptor = TlsAcceptor::from(tls);
    let slots = Arc::new(Semaphore::new(limits.connections));
    let tracker = TaskTracker::new();
    while let Some((stream, peer, slot)) = shutdown.unless_stopping(next(&listener, &slots)).await {
        let (acceptor, handle, shutdown) = (acceptor.clone(), handle.clone(), shutdown.clone());
        tracker.spawn(async move {
            let connection = async {
                // Best effort: it only costs latency.
                let _ = stream.set_nodelay(true);
                match tokio::time::timeout(limits.handshake, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => handle(stream, peer, slot).await,
                    Ok(Err(error)) => tracing::debug!(%peer, %error, "the TLS handshake failed"),
                    Err(_) => tracing::debug!(%peer, "the TLS handshake took too long"),
                }
            };
            shutdown.unless_leaving(connection).await;
        });
    }
    drop(listener);
    tracker.close();
    tracker.wait().await;
}

/// The next connection, once there is a free slot for it.
async fn next(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    loop {
        let Ok(slot) = Arc::clone(slots).acquire_owned().await else {
            // The semaphore is never closed.
            std::future::pending().await
        };
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, slot),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(REFUSED_PAUSE).await;
            }
        }
    }
}
