//! What a provider's metadata must be, and how it is reached.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use cloister_oidc::{HttpClient, HttpError, Provider, ProviderError, Verifier, VerifierOptions};
use cloister_types::{ManualClock, UnixMillis};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::fake::{Fake, NOW, Script, router};
use crate::tokens::{AUDIENCE, es256};

fn provider(issuer: &str, http: HttpClient) -> Result<Provider, ProviderError> {
    Provider::new(
        issuer,
        http,
        Arc::new(ManualClock::new(UnixMillis(NOW * 1000))),
    )
}

async fn metadata_error(name: &str, value: serde_json::Value) -> ProviderError {
    let fake = Fake::start(Vec::new()).await;
    fake.script
        .lock()
        .unwrap()
        .metadata
        .insert(name.into(), value);
    fake.provider.metadata().await.unwrap_err()
}

#[tokio::test]
async fn refuses_the_metadata_of_another_issuer() {
    let error = metadata_error("issuer", json!("https://evil.example")).await;
    assert!(
        matches!(error, ProviderError::IssuerMismatch { got, .. } if got == "https://evil.example")
    );
    let error = metadata_error("issuer", json!(null)).await;
    assert!(matches!(error, ProviderError::IssuerMismatch { got, .. } if got.is_empty()));
}

#[tokio::test]
async fn refuses_endpoints_that_are_not_https() {
    for value in [
        json!("http://id.example/jwks"),
        json!("file:///etc/passwd"),
        json!(7),
        json!(""),
    ] {
        let error = metadata_error("jwks_uri", value).await;
        assert!(
            matches!(error, ProviderError::Metadata { name: "jwks_uri" }),
            "{error}"
        );
    }
    let error = metadata_error("token_endpoint", json!("ftp://id.example/")).await;
    assert!(matches!(
        error,
        ProviderError::Metadata {
            name: "token_endpoint"
        }
    ));
}

#[tokio::test]
async fn metadata_are_fetched_once_an_hour_and_kept_while_the_provider_is_away() {
    let fake = Fake::start(Vec::new()).await;
    let first = fake.provider.metadata().await.unwrap();
    fake.provider.metadata().await.unwrap();
    assert_eq!(fake.hits("discovery"), 1);
    fake.set_broken(Some(500));
    fake.clock.advance_ms(3600 * 1000);
    assert_eq!(fake.provider.metadata().await.unwrap(), first);
    assert_eq!(fake.provider.metadata().await.unwrap(), first);
    assert_eq!(fake.hits("discovery"), 2);
}

#[test]
fn refuses_issuers_that_are_not_https() {
    let http = HttpClient::new(None).unwrap();
    for issuer in [
        "http://id.example",
        "id.example",
        "https://id.example?a=1",
        "https://id.example#x",
        "",
    ] {
        let error = provider(issuer, http.clone()).unwrap_err();
        assert!(matches!(error, ProviderError::Issuer { .. }), "{issuer}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed_and_other_answers_are_errors() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let redirect = || async { Redirect::temporary("http://127.0.0.1:1/") };
    let app = Router::new()
        .route("/.well-known/openid-configuration", get(redirect))
        .route(
            "/long/.well-known/openid-configuration",
            get(|| async { " ".repeat(300_000) }),
        )
        .route(
            "/text/.well-known/openid-configuration",
            get(|| async { "<html>" }),
        );
    tokio::spawn(async move { axum::serve(listener, app).await });
    let ask = async |path: &str| {
        let http = HttpClient::new(None).unwrap();
        provider(&format!("{issuer}{path}"), http)
            .unwrap()
            .metadata()
            .await
            .unwrap_err()
    };
    assert!(matches!(
        ask("").await,
        ProviderError::Http(HttpError::NotJson { .. })
    ));
    assert!(matches!(
        ask("/long").await,
        ProviderError::Http(HttpError::TooLong { .. })
    ));
    assert!(matches!(
        ask("/text").await,
        ProviderError::Http(HttpError::NotJson { .. })
    ));
    assert!(matches!(
        ask("/none").await,
        ProviderError::Http(HttpError::NotJson { .. })
    ));
}

/// A provider over TLS whose certificate a private authority signed.
async fn tls_provider() -> (String, String, Arc<Mutex<Script>>) {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let private = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private.into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("https://{}", listener.local_addr().unwrap());
    let script = Arc::new(Mutex::new(Script::default()));
    let app = router(issuer.clone(), Arc::clone(&script));
    tokio::spawn(async move { axum::serve(Tls { listener, acceptor }, app).await });
    (issuer, ca_pem, script)
}

struct Tls {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl axum::serve::Listener for Tls {
    type Io = tokio_rustls::server::TlsStream<tokio::net::TcpStream>;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.listener.accept().await.unwrap();
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

#[tokio::test]
async fn a_private_authority_is_trusted_only_when_it_is_configured() {
    let (issuer, ca_pem, script) = tls_provider().await;
    let key = es256("k");
    script.lock().unwrap().keys = vec![key.jwk()];
    let with_ca = HttpClient::new(Some(ca_pem.as_bytes())).unwrap();
    let trusted = Arc::new(provider(&issuer, with_ca).unwrap());
    let verifier = Verifier::new(trusted, VerifierOptions::new(AUDIENCE, "groups"));
    verifier.verify(&key.token(&issuer)).await.unwrap();
    let stranger = provider(&issuer, HttpClient::new(None).unwrap()).unwrap();
    let error = stranger.metadata().await.unwrap_err();
    assert!(
        matches!(error, ProviderError::Http(HttpError::Unreachable { .. })),
        "{error}"
    );
}

#[test]
fn refuses_an_authority_that_is_not_pem() {
    let garbage = "-----BEGIN CERTIFICATE-----\nnothing0\n-----END CERTIFICATE-----\n";
    for pem in [garbage, "", "no certificate here"] {
        let error = HttpClient::new(Some(pem.as_bytes())).unwrap_err();
        assert!(
            matches!(error, HttpError::Certificate { .. }),
            "{pem}: {error}"
        );
    }
}
