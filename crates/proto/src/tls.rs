//! Mutual TLS 1.3 between the services of one installation.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use cloister_settings::{GrpcClientSection, GrpcServerSection, SecretError, TlsIdentity};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::peer::{PeerInfo, PeerName};

/// How long a client waits for a connection, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often an idle connection is probed, so that a vanished peer is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// The longest PEM file that is read, in bytes.
const MAX_PEM_BYTES: u64 = 1024 * 1024;

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A certificate file could not be read.
    #[error("cannot read the certificates in `{}`: {problem}", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A private key could not be read.
    #[error("cannot read a private key: {0}")]
    Key(#[from] SecretError),
    /// A private key file holds no key that can be used.
    #[error("`{}` holds no private key in PEM: {problem}", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Certificate and key do not fit, or are of a kind that is not supported.
    #[error("cannot use the certificate: {0}")]
    Config(#[from] rustls::Error),
    /// The certificates that clients' certificates must lead to cannot be used.
    #[error("cannot use the client certificates' authority: {0}")]
    ClientAuthority(#[from] rustls::server::VerifierBuilderError),
    /// The address of the server cannot be used.
    #[error("cannot use the server's address: {0}")]
    Endpoint(#[from] tonic::transport::Error),
}

/// Bytes that may be on their way on one gRPC connection. HTTP/2's own default of 64 KiB is too
/// little for more than throughput: `h2` takes more than half a window of overhead in small frames
/// for an attack and closes the connection, and a block's acknowledgements are such a burst. An
/// adaptive window starts at the default, so it does not help.
pub const CONNECTION_WINDOW: u32 = 16 << 20;

/// Bytes that may be on their way in one call.
pub const STREAM_WINDOW: u32 = 2 << 20;

/// A channel to another service. It connects on first use and by itself again whenever the
/// connection is lost; a call made meanwhile fails with `UNAVAILABLE` after five seconds.
///
/// # Errors
/// [`TlsError`] when a file or the address cannot be used. That the server is away is no error here.
pub fn client_channel(section: &GrpcClientSection) -> Result<Channel, TlsError> {
    let key = section.private_key_file.read()?;
    let tls = ClientTlsConfig::new()
        .domain_name(section.server_name.clone())
        .ca_certificate(Certificate::from_pem(read_pem(&section.ca_file)?))
        .identity(Identity::from_pem(
            read_pem(&section.certificate_file)?,
            key.as_bytes(),
        ));
    let endpoint = Endpoint::from_shared(section.url.as_str().to_owned())?
        .tls_config(tls)?
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .keep_alive_while_idle(true)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .initial_stream_window_size(STREAM_WINDOW);
    Ok(endpoint.connect_lazy())
}

/// TLS 1.3 for a gRPC server: clients must show a certificate that leads to `client_ca_file`.
///
/// # Errors
/// [`TlsError`] when a file cannot be used.
pub fn server_config(section: &GrpcServerSection) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&section.client_ca_file)? {
        roots.add(certificate)?;
    }
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()?;
    let (chain, key) = identity(&TlsIdentity {
        certificate_file: section.certificate_file.clone(),
        private_key_file: section.private_key_file.clone(),
    })?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    // Without tickets each connection proves the client's certificate anew.
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// Certificate chain and key of an identity.
///
/// # Errors
/// [`TlsError`] when a file cannot be used.
pub fn identity(
    identity: &TlsIdentity,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let chain = certificates(&identity.certificate_file)?;
    let text = identity.private_key_file.read()?;
    let key = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|error| TlsError::NoKey {
        path: identity.private_key_file.path().to_owned(),
        problem: error.to_string(),
    })?;
    Ok((chain, key))
}

/// All certificates in a PEM file, at least one.
///
/// # Errors
/// [`TlsError::Certificates`].
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let refused = |problem: String| TlsError::Certificates {
        path: path.to_owned(),
        problem,
    };
    let found = CertificateDer::pem_slice_iter(&read_pem(path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| refused(error.to_string()))?;
    if found.is_empty() {
        return Err(refused("no certificate in it".to_owned()));
    }
    Ok(found)
}

fn read_pem(path: &Path) -> Result<Vec<u8>, TlsError> {
    use std::io::Read as _;
    let refused = |problem: String| TlsError::Certificates {
        path: path.to_owned(),
        problem,
    };
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_PEM_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| refused(error.to_string()))?;
    if bytes.len() as u64 > MAX_PEM_BYTES {
        return Err(refused(format!("longer than {MAX_PEM_BYTES} bytes")));
    }
    Ok(bytes)
}

/// A server's side of an established mutual-TLS connection, which knows its peer.
#[derive(Debug)]
pub struct PeerStream {
    stream: TlsStream<TcpStream>,
    info: PeerInfo,
    _slot: OwnedSemaphorePermit,
}

impl PeerStream {
    /// Reads the peer's name from a connection whose handshake is complete. `slot` is given back when
    /// the connection ends, so that their number can be limited.
    #[must_use]
    pub fn new(stream: TlsStream<TcpStream>, slot: OwnedSemaphorePermit) -> Self {
        let (tcp, session) = stream.get_ref();
        let leaf = session.peer_certificates().and_then(|chain| chain.first());
        let info = PeerInfo {
            name: leaf.and_then(PeerName::from_verified),
            address: tcp.peer_addr().ok(),
        };
        Self {
            stream,
            info,
            _slot: slot,
        }
    }
}

impl Connected for PeerStream {
    type ConnectInfo = PeerInfo;

    fn connect_info(&self) -> PeerInfo {
        self.info.clone()
    }
}

impl AsyncRead for PeerStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for PeerStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
