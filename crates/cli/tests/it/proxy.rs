//! `cloister rpc-proxy` in front of a local HTTPS server.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use axum::Router;
use axum::http::{HeaderMap, header};
use axum::routing::post;
use cloister_service_kit::{Shutdown, https};
use cloister_settings::{SecretFile, TlsIdentity};
use cloister_test_kit::pki::{self, Pki};
use reqwest::StatusCode;

use crate::tool::{cloister, run};

/// Ends the proxy with the test.
struct Proxy {
    child: Child,
    url: String,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Answers with the token and body that it was sent.
async fn echo(headers: HeaderMap, body: String) -> String {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    format!("{} {body}", token.unwrap_or("none"))
}

/// A gateway of which only the token matters, and a home with a session for it.
async fn home(folder: &Path, shutdown: &Shutdown) {
    pki::install_crypto();
    let pki = Pki::new(folder).expect("certificates");
    let identity = pki.issue("gateway").expect("a certificate");
    let identity = TlsIdentity {
        certificate_file: identity.certificate_file,
        private_key_file: SecretFile(identity.private_key_file),
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let router = Router::new().route("/", post(echo));
    let shutdown = shutdown.clone();
    tokio::spawn(async move {
        let limits = https::Limits::default();
        https::serve(listener, router, &identity, limits, &shutdown)
            .await
            .expect("serves");
    });
    let config = format!(
        "gateway = \"https://localhost:{port}\"\nca_file = \"ca.pem\"\n[oidc]\n\
         issuer = \"https://localhost:1\"\nclient_id = \"cloister-cli\"\naudience = \"a\"\n"
    );
    std::fs::write(folder.join("config.toml"), config).expect("written");
    let session = r#"{"access_token":"t0ken","refresh_token":null,"expires_at":9999999999}"#;
    pki::write_secret(&folder.join("session.json"), session).expect("written");
}

fn start(folder: &Path) -> Proxy {
    let config = folder.join("config.toml");
    let mut child = cloister(folder)
        .arg("--config")
        .arg(config)
        .args(["rpc-proxy", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the tool starts");
    let mut url = String::new();
    let out = child.stdout.take().expect("piped");
    BufReader::new(out).read_line(&mut url).expect("a line");
    Proxy {
        child,
        url: url.trim().to_owned(),
    }
}

#[tokio::test]
async fn adds_the_token_for_its_owner_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let shutdown = Shutdown::new();
    home(folder.path(), &shutdown).await;
    let proxy = start(folder.path());
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    let send = async |url: &str, name: header::HeaderName, value: &str| {
        client
            .post(url)
            .header(name, value)
            .body("{}")
            .send()
            .await
            .expect("an answer")
    };
    let answer = send(&proxy.url, header::CONTENT_TYPE, "application/json").await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.text().await.expect("text"), "Bearer t0ken {}");

    let page = send(&proxy.url, header::ORIGIN, "https://evil.example").await;
    assert_eq!(page.status(), StatusCode::FORBIDDEN);
    let rebound = send(&proxy.url, header::HOST, "evil.example").await;
    assert_eq!(rebound.status(), StatusCode::FORBIDDEN);
    let (base, secret) = proxy.url.rsplit_once('/').expect("a path");
    assert_eq!(secret.len(), 40);
    let guessed = send(&format!("{base}/{}", "0".repeat(40)), header::ACCEPT, "*/*").await;
    assert_eq!(guessed.status(), StatusCode::FORBIDDEN);
    let without = send(base, header::ACCEPT, "*/*").await;
    assert_ne!(without.status(), StatusCode::OK);
    shutdown.leave();
}

#[tokio::test]
async fn a_gateway_that_is_away_is_a_json_rpc_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let shutdown = Shutdown::new();
    home(folder.path(), &shutdown).await;
    let proxy = start(folder.path());
    shutdown.leave();
    let config = std::fs::read_to_string(folder.path().join("config.toml")).expect("a file");
    assert!(config.contains("gateway"));
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client");
    for _ in 0..100 {
        let answer = client
            .post(&proxy.url)
            .body("{}")
            .send()
            .await
            .expect("an answer");
        if answer.status() == StatusCode::BAD_GATEWAY {
            let body: serde_json::Value = answer.json().await.expect("JSON");
            assert_eq!(body["error"]["code"], serde_json::json!(-32003));
            return;
        }
    }
    panic!("the gateway did not go away");
}

#[test]
fn listens_on_this_machine_only_and_needs_a_login() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = "gateway = \"https://localhost:1\"\n[oidc]\nissuer = \"https://localhost:1\"\n\
                  client_id = \"c\"\naudience = \"a\"\n";
    std::fs::write(folder.path().join("config.toml"), config).expect("written");
    let config = folder.path().join("config.toml").display().to_string();
    let out = run(folder.path(), &["--config", &config, "rpc-proxy"]);
    assert_eq!(out.code, Some(2), "{out:?}");
    assert!(out.err.contains("run `cloister login`"), "{out:?}");
    let session = r#"{"access_token":"t","refresh_token":null,"expires_at":9999999999}"#;
    pki::write_secret(&folder.path().join("session.json"), session).expect("written");
    for listen in ["0.0.0.0:0", "192.0.2.1:80"] {
        let out = run(
            folder.path(),
            &["--config", &config, "rpc-proxy", "--listen", listen],
        );
        assert_eq!(out.code, Some(2), "{out:?}");
        assert!(out.err.contains("is not a loopback address"), "{out:?}");
    }
}
