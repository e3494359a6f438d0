//! The service with everything around it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cloister_disclosure_service::{Config, DisclosureService, Server};
use cloister_proto::prover::v1::prover_server::ProverServer;
use cloister_proto::sequencer::v1::sequencer_server::SequencerServer;
use cloister_service_kit::{Context, Readiness, Service as _, Shutdown, Tasks, grpc};
use cloister_settings::{GrpcServerSection, SecretFile};
use cloister_store_pg::{Database, schema};
use cloister_telemetry::Metrics;
use cloister_test_kit::oidc::{self, Person, Provider};
use cloister_test_kit::pki::{self, Pki};
use cloister_test_kit::postgres::{self, Cluster};
use cloister_test_kit::tools;
use cloister_types::{Clock as _, ManualClock, SystemClock};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tonic::service::Routes;

use crate::chain::{self, Chain};
use crate::world::{ALICE, ROLLUP, TOKEN};

/// Lifetime of access tokens, in seconds: longer than any test moves the clock.
const TOKEN_SECONDS: u64 = 7_200;

pub(crate) struct People {
    pub(crate) carol: Person,
    pub(crate) dave: Person,
    pub(crate) erin: Person,
    pub(crate) alice: Person,
    pub(crate) nobody: Person,
}

pub(crate) struct Installation {
    pub(crate) chain: Arc<Chain>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) cluster: Cluster,
    pub(crate) database: postgres::Database,
    pub(crate) people: People,
    /// Stops sequencer and prover.
    pub(crate) upstream: Shutdown,
    shutdown: Shutdown,
    provider: Provider,
    http: reqwest::Client,
    url: String,
    /// Configuration, keys and certificates; goes with the installation.
    _folder: tempfile::TempDir,
}

impl Drop for Installation {
    fn drop(&mut self) {
        self.shutdown.leave();
        self.upstream.leave();
    }
}

/// An answer: status and JSON.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

impl Installation {
    pub(crate) async fn start() -> Self {
        pki::install_crypto();
        let folder = tempfile::tempdir().expect("a folder");
        let pki = Pki::new(&folder.path().join("pki")).expect("certificates");
        for name in ["sequencer", "prover", "disclosure"] {
            pki.issue(name).expect("a certificate");
        }
        let people = People {
            carol: Person::new("carol", "Carol", &["compliance"]),
            dave: Person::new("dave", "Dave", &["auditor"]),
            erin: Person::new("erin", "Erin", &["auditor"]),
            alice: Person::new("alice", "Alice", &["trader", "desk-rates"]),
            nobody: Person::new("norman", "Norman", &[]),
        };
        let options = oidc::Options {
            people: [
                &people.carol,
                &people.dave,
                &people.erin,
                &people.alice,
                &people.nobody,
            ]
            .map(Clone::clone)
            .to_vec(),
            redirect_uri: "https://localhost/callback".to_owned(),
            access_token_seconds: TOKEN_SECONDS,
        };
        let provider_folder = folder.path().join("oidc");
        let provider = Provider::start(&provider_folder, &pki, &options).await;
        let provider = provider.expect("a provider");
        let cluster = Cluster::start(postgres::Options::default())
            .await
            .expect("a cluster");
        let database = cluster
            .create_database("disclosure")
            .await
            .expect("a database");
        let chain = Chain::new();
        let upstream = Shutdown::new();
        let sequencer = serve_upstream(&chain, "sequencer", folder.path(), &upstream).await;
        let prover = serve_upstream(&chain, "prover", folder.path(), &upstream).await;
        let config = config(folder.path(), &database, &provider, sequencer, prover);
        let clock = Arc::new(ManualClock::new(SystemClock.now()));
        let shutdown = Shutdown::new();
        let url = serve(config, Arc::clone(&clock), &shutdown).await;
        let ca = std::fs::read(pki.ca_file()).expect("a file");
        let ca = reqwest::Certificate::from_pem(&ca).expect("a certificate");
        let http = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([ca])
            .build();
        let http = http.expect("a client");
        Self {
            chain,
            clock,
            cluster,
            database,
            people,
            upstream,
            shutdown,
            provider,
            http,
            url,
            _folder: folder,
        }
    }

    pub(crate) async fn token(&self, person: &Person) -> String {
        self.provider.token(person).await.expect("a token")
    }

    pub(crate) async fn send(
        &self,
        method: reqwest::Method,
        path: &str,
        token: Option<&str>,
        body: Option<String>,
    ) -> Answer {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("a body");
        Answer {
            status,
            body: serde_json::from_str(&text).unwrap_or_default(),
            text,
        }
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: &Value) -> Answer {
        self.send(
            reqwest::Method::POST,
            path,
            Some(token),
            Some(body.to_string()),
        )
        .await
    }

    pub(crate) fn now(&self) -> u64 {
        self.clock.now().seconds()
    }

    /// Terms by which dave may see alice's data.
    pub(crate) fn terms(&self) -> Value {
        json!({
            "case_reference": "BaFin 2026/114",
            "legal_basis": "KWG § 44",
            "auditor": {"subject": "dave"},
            "scope": {
                "accounts": [ALICE],
                "tokens": [{"contract": TOKEN}],
            },
            "kinds": ["account_state", "token_balance", "transaction"],
            "expires_at": self.now() + 3_600,
        })
    }

    /// Makes a grant as carol; its id.
    pub(crate) async fn grant(&self, terms: &Value) -> String {
        let carol = self.token(&self.people.carol).await;
        let answer = self.post("/v1/grants", &carol, terms).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.body["id"].as_str().expect("an id").to_owned()
    }

    /// The rows of the audit ledger: method, resource, rule, outcome.
    pub(crate) async fn audit(&self) -> Vec<cloister_audit::Entry> {
        let pool = sqlx::PgPool::connect_with(self.database.options())
            .await
            .expect("a pool");
        cloister_store_pg::ledger::read_page(&pool, 1)
            .await
            .expect("rows")
    }
}

async fn serve_upstream(chain: &Arc<Chain>, name: &str, folder: &Path, shutdown: &Shutdown) -> u16 {
    let section = GrpcServerSection {
        listen: "127.0.0.1:0".parse().expect("an address"),
        certificate_file: folder.join(format!("pki/{name}.pem")),
        private_key_file: SecretFile(folder.join(format!("pki/{name}.key"))),
        client_ca_file: folder.join("pki/ca.pem"),
    };
    let listener = TcpListener::bind(section.listen).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let server = chain::Server(Arc::clone(chain));
    let routes = if name == "prover" {
        Routes::new(ProverServer::new(server))
    } else {
        Routes::new(SequencerServer::new(server))
    };
    let shutdown = shutdown.clone();
    tokio::spawn(async move {
        grpc::serve(listener, routes, &section, &shutdown)
            .await
            .expect("serves");
    });
    port
}

fn config(
    folder: &Path,
    database: &postgres::Database,
    provider: &Provider,
    sequencer: u16,
    prover: u16,
) -> Config {
    pki::write_secret(&folder.join("db-password"), &database.password).expect("written");
    // RFC 8410's form around the 32-byte seed that the world's key is made of.
    let seed = base64_of(&[&KEY_PREFIX[..], &[42; 32]].concat());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{seed}\n-----END PRIVATE KEY-----\n");
    pki::write_secret(&folder.join("signing.key"), &pem).expect("written");
    let policies = tools::checkout().join("policies");
    let client = |name: &str, port: u16| {
        format!(
            "[{name}]\nurl = \"https://127.0.0.1:{port}\"\nserver_name = \"{name}\"\n\
             ca_file = \"pki/ca.pem\"\ncertificate_file = \"pki/disclosure.pem\"\n\
             private_key_file = \"pki/disclosure.key\"\n"
        )
    };
    let roles: String = ["compliance", "auditor", "trader"]
        .map(|role| format!("[[oidc.role]]\nclaim = \"{role}\"\nrole = \"{role}\"\n"))
        .concat();
    let text = format!(
        "signing_key_file = \"signing.key\"\npolicies_dir = \"{}\"\n\
         [admin]\nlisten = \"127.0.0.1:0\"\n\
         [database]\nhost = \"127.0.0.1\"\nport = {}\nname = \"{}\"\nuser = \"{}\"\n\
         password_file = \"db-password\"\n\
         [https]\nlisten = \"127.0.0.1:0\"\ncertificate_file = \"pki/disclosure.pem\"\n\
         private_key_file = \"pki/disclosure.key\"\n\
         [l1]\nchain_id = 31337\nrollup_contract = \"{ROLLUP}\"\n\
         [limits]\nmax_body_bytes = 65536\nanchor_interval_ms = 20\nmax_scope_entries = 20\n\
         [oidc]\nissuer = \"{}\"\naudience = \"{}\"\nca_file = \"pki/ca.pem\"\n{roles}{}{}",
        policies.display(),
        database.port,
        database.name,
        database.user,
        provider.issuer(),
        oidc::AUDIENCE,
        client("sequencer", sequencer),
        client("prover", prover),
    );
    cloister_settings::parse(&text, folder).expect("a valid configuration")
}

const KEY_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

fn base64_of(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |group: u32, shift: u32| char::from(DIGITS[(group >> shift & 63) as usize]);
    // 48 bytes: no padding.
    let groups = bytes.chunks_exact(3).map(|three| {
        let group = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
        [18, 12, 6, 0].map(|shift| digit(group, shift))
    });
    groups.flatten().collect()
}

async fn serve(config: Config, clock: Arc<ManualClock>, shutdown: &Shutdown) -> String {
    let database = Database::connect(&config.database)
        .await
        .expect("a database");
    schema::migrate(database.pool(), DisclosureService::migrator())
        .await
        .expect("migrates");
    let context = Context {
        shutdown: shutdown.clone(),
        readiness: Readiness::default(),
        database,
        metrics: Metrics::detached(),
        tasks: Tasks::new(shutdown.clone()),
    };
    let server = Server::start(config, &context, clock)
        .await
        .expect("starts");
    let url = format!(
        "https://localhost:{}",
        server.address().expect("an address").port()
    );
    let shutdown = shutdown.clone();
    tokio::spawn(async move { server.serve(&shutdown).await.expect("serves") });
    url
}

/// Waits until `done`, at most ten seconds.
pub(crate) async fn eventually(what: &str, mut done: impl AsyncFnMut() -> bool) {
    for _ in 0..500 {
        if done().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{what} did not happen within ten seconds");
}
