//! HTTPS within limits: slow and greedy clients are cut off, polite ones are served to the end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::{get, post};
use cloister_service_kit::https::{self, Limits};
use cloister_service_kit::{ServeError, Shutdown};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::pki::Pki;

/// Long enough for a busy machine, short enough for a test.
const TEST_LIMIT: Duration = Duration::from_secs(30);

struct Server {
    pki: Pki,
    shutdown: Shutdown,
    address: SocketAddr,
    task: JoinHandle<()>,
    entered: Arc<Notify>,
    go_on: Arc<Notify>,
}

fn quick() -> Limits {
    Limits {
        handshake_timeout: Duration::from_millis(200),
        header_timeout: Duration::from_millis(200),
        body_timeout: Duration::from_millis(200),
        max_header_bytes: 16 * 1024,
        max_body_bytes: 1000,
        ..Limits::default()
    }
}

impl Server {
    async fn start(limits: Limits) -> Self {
        let pki = Pki::new();
        let identity = pki.issue("gateway", &["localhost"]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = Shutdown::new();
        let (entered, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (entered_there, go_on_there) = (Arc::clone(&entered), Arc::clone(&go_on));
        let slow = move || async move {
            entered_there.notify_one();
            go_on_there.notified().await;
            "done"
        };
        let router =
            Router::new()
                .route(
                    "/peer",
                    get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move {
                        peer.ip().to_string()
                    }),
                )
                .route("/echo", post(|body: String| async move { body }))
                .route("/slow", get(slow));
        let serving = shutdown.clone();
        let task = tokio::spawn(async move {
            https::serve(listener, router, &identity, limits, &serving)
                .await
                .unwrap();
        });
        Self {
            pki,
            shutdown,
            address,
            task,
            entered,
            go_on,
        }
    }

    async fn connect(&self, protocol: &[u8]) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        for certificate in cloister_proto::tls::certificates(&self.pki.ca_file()).unwrap() {
            roots.add(certificate).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .unwrap()
    }

    /// Sends `text` over HTTP/1.1 and returns all that comes until the server closes.
    async fn talk(&self, text: &str) -> String {
        let mut stream = self.connect(b"http/1.1").await;
        // The server may close before it has read everything.
        let _ = stream.write_all(text.as_bytes()).await;
        read_to_end(&mut stream).await
    }
}

/// All that comes until the other side closes; fails the test when it does not.
async fn read_to_end(stream: &mut TlsStream<TcpStream>) -> String {
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    let _ = tokio::time::timeout(TEST_LIMIT, read)
        .await
        .expect("the server must close");
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn answers_a_request_and_tells_the_peers_address() {
    let server = Server::start(quick()).await;
    let answer = server
        .talk("GET /peer HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.ends_with("127.0.0.1"), "{answer}");
}

#[tokio::test]
async fn cuts_off_headers_that_come_too_slowly() {
    // Defends SPF-6.
    let server = Server::start(quick()).await;
    let answer = server.talk("GET /peer HTTP/1.1\r\nhost: x\r\nx-a: ").await;
    assert!(!answer.contains("200 OK"), "{answer}");
}

#[tokio::test]
async fn cuts_off_a_client_that_says_nothing() {
    // Defends SPF-6.
    let server = Server::start(quick()).await;
    for protocol in [&b"http/1.1"[..], b"h2"] {
        let mut stream = server.connect(protocol).await;
        read_to_end(&mut stream).await;
    }
}

#[tokio::test]
async fn cuts_off_an_http2_preface_that_stops_half_way() {
    // Defends SPF-6.
    let server = Server::start(quick()).await;
    let mut stream = server.connect(b"h2").await;
    stream.write_all(b"PRI * HTTP/2.0").await.unwrap();
    read_to_end(&mut stream).await;
}

#[tokio::test]
async fn cuts_off_a_handshake_that_does_not_begin() {
    // Defends SPF-6.
    let server = Server::start(quick()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    let _ = tokio::time::timeout(TEST_LIMIT, read)
        .await
        .expect("the server must close");
    assert_eq!(bytes, b"");
}

#[tokio::test]
async fn a_silent_client_delays_nobody_else() {
    // Defends SPF-6.
    let limits = Limits {
        handshake_timeout: TEST_LIMIT * 10,
        ..quick()
    };
    let server = Server::start(limits).await;
    let _silent = TcpStream::connect(server.address).await.unwrap();
    let answer = server
        .talk("GET /peer HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

#[tokio::test]
async fn refuses_headers_that_are_too_long() {
    // Defends SPF-6.
    let server = Server::start(quick()).await;
    let long = "a".repeat(64 * 1024);
    let answer = server
        .talk(&format!(
            "GET /peer HTTP/1.1\r\nhost: x\r\nx-a: {long}\r\n\r\n"
        ))
        .await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
        "{answer}"
    );
}

#[tokio::test]
async fn refuses_a_body_that_is_too_long_announced_or_not() {
    // Defends SPF-6.
    let server = Server::start(quick()).await;
    let announced = server
        .talk("POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 1001\r\n\r\n")
        .await;
    assert!(announced.starts_with("HTTP/1.1 413"), "{announced}");
    let chunk = format!("3e9\r\n{}\r\n0\r\n\r\n", "a".repeat(1001));
    let chunked = server
        .talk(&format!(
            "POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             transfer-encoding: chunked\r\n\r\n{chunk}"
        ))
        .await;
    assert!(chunked.starts_with("HTTP/1.1 413"), "{chunked}");
}

#[tokio::test]
async fn cuts_off_a_body_that_stops_half_way() {
    // Defends SPF-6.
    let server = Server::start(quick()).await;
    let answer = server
        .talk(
            "POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 10\r\n\r\nabc",
        )
        .await;
    assert!(!answer.contains("200 OK"), "{answer}");
}

#[tokio::test]
async fn waits_for_a_free_slot_when_all_connections_are_taken() {
    let limits = Limits {
        max_connections: 1,
        ..quick()
    };
    let server = Server::start(limits).await;
    let first = server.talk("GET /peer HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let second = server.talk("GET /peer HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let (first, second) = tokio::join!(first, second);
    assert!(
        first.contains("200 OK") && second.contains("200 OK"),
        "{first}\n{second}"
    );
}

#[tokio::test]
async fn a_request_in_progress_finishes_after_step_one() {
    let server = Server::start(quick()).await;
    let request = server.talk("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n");
    let stop = async {
        server.entered.notified().await;
        server.shutdown.stop();
        // Nobody is let in any more; the request in progress goes on.
        while TcpStream::connect(server.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        server.go_on.notify_one();
    };
    let (answer, ()) = tokio::join!(request, stop);
    assert!(answer.ends_with("done"), "{answer}");
    server.task.await.unwrap();
}

#[tokio::test]
async fn a_request_in_progress_is_dropped_at_step_two() {
    let server = Server::start(quick()).await;
    let request = server.talk("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n");
    let stop = async {
        server.entered.notified().await;
        server.shutdown.leave();
    };
    let (answer, ()) = tokio::join!(request, stop);
    assert_eq!(answer, "");
    server.task.await.unwrap();
}

#[tokio::test]
async fn refuses_a_private_key_that_others_may_read() {
    // Defends SPF-1.
    use std::os::unix::fs::PermissionsExt as _;
    let pki = Pki::new();
    let identity = pki.issue("gateway", &["localhost"]);
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(identity.private_key_file.path(), open).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refused = https::serve(
        listener,
        Router::new(),
        &identity,
        Limits::default(),
        &Shutdown::new(),
    )
    .await;
    match refused {
        Err(ServeError::Tls(error)) => assert!(error.to_string().contains("mode 644"), "{error}"),
        other => panic!("{other:?}"),
    }
}
