//! A provider on a loopback port whose every answer a test can choose.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use cloister_oidc::{HttpClient, Provider, Verifier, VerifierOptions};
use cloister_types::{ManualClock, UnixMillis};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::tokens::AUDIENCE;

/// The present, in UNIX seconds.
pub(crate) const NOW: u64 = 1_800_000_000;

/// What the provider answers and what it was asked.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// Members that replace or add to those of discovery.
    pub(crate) metadata: BTreeMap<String, Value>,
    /// The key set.
    pub(crate) keys: Vec<Value>,
    /// Everything fails with this status.
    pub(crate) broken: Option<u16>,
    /// Answers of the token endpoint, first to last.
    pub(crate) token_answers: Vec<(u16, Value)>,
    /// Forms that the token endpoint received, with the authorization header.
    pub(crate) token_forms: Vec<(HashMap<String, String>, Option<String>)>,
    /// Requests by path.
    pub(crate) hits: BTreeMap<&'static str, u32>,
}

pub(crate) type Shared = Arc<Mutex<Script>>;

pub(crate) struct Fake {
    pub(crate) issuer: String,
    pub(crate) script: Shared,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) provider: Arc<Provider>,
}

fn answer(
    script: &Shared,
    path: &'static str,
    body: impl FnOnce(&Script) -> Value,
) -> (StatusCode, Json<Value>) {
    let mut script = script.lock().unwrap();
    *script.hits.entry(path).or_default() += 1;
    match script.broken {
        Some(status) => (StatusCode::from_u16(status).unwrap(), Json(json!({}))),
        None => (StatusCode::OK, Json(body(&script))),
    }
}

pub(crate) fn router(issuer: String, script: Shared) -> Router {
    let discovery = move |State(script): State<Shared>| {
        let issuer = issuer.clone();
        async move {
            answer(&script, "discovery", |script| {
                let mut document = json!({
                    "issuer": issuer,
                    "jwks_uri": format!("{issuer}/jwks"),
                    "authorization_endpoint": format!("{issuer}/authorize"),
                    "token_endpoint": format!("{issuer}/token"),
                    "device_authorization_endpoint": format!("{issuer}/device"),
                    "authorization_response_iss_parameter_supported": true,
                });
                for (name, value) in &script.metadata {
                    document[name] = value.clone();
                }
                document
            })
        }
    };
    let jwks = |State(script): State<Shared>| async move {
        answer(&script, "jwks", |script| json!({ "keys": script.keys }))
    };
    let device = |State(script): State<Shared>| async move {
        answer(&script, "device", |_| {
            json!({
                "device_code": "the-device-code", "user_code": "ABCD-EFGH",
                "verification_uri": "https://id.example/device",
                "expires_in": 600, "interval": 7,
            })
        })
    };
    let token = |State(script): State<Shared>,
                 headers: HeaderMap,
                 Form(form): Form<HashMap<String, String>>| async move {
        let mut script = script.lock().unwrap();
        let authorization = headers
            .get("authorization")
            .map(|v| v.to_str().unwrap().to_owned());
        script.token_forms.push((form, authorization));
        let (status, body) = script.token_answers.remove(0);
        (StatusCode::from_u16(status).unwrap(), Json(body))
    };
    Router::new()
        .route("/.well-known/openid-configuration", get(discovery))
        .route("/jwks", get(jwks))
        .route("/device", post(device))
        .route("/token", post(token))
        .with_state(script)
}

impl Fake {
    pub(crate) async fn start(keys: Vec<Value>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let script = Arc::new(Mutex::new(Script {
            keys,
            ..Script::default()
        }));
        let router = router(issuer.clone(), Arc::clone(&script));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let clock = Arc::new(ManualClock::new(UnixMillis(NOW * 1000)));
        let http = HttpClient::new(None).unwrap();
        let provider = Provider::new(&issuer, http, clock.clone()).unwrap();
        Self {
            issuer,
            script,
            clock,
            provider: Arc::new(provider),
        }
    }

    pub(crate) fn verifier(&self) -> Verifier {
        Verifier::new(
            Arc::clone(&self.provider),
            VerifierOptions::new(AUDIENCE, "groups"),
        )
    }

    pub(crate) fn hits(&self, path: &str) -> u32 {
        self.script
            .lock()
            .unwrap()
            .hits
            .get(path)
            .copied()
            .unwrap_or_default()
    }

    pub(crate) fn set_keys(&self, keys: Vec<Value>) {
        self.script.lock().unwrap().keys = keys;
    }

    pub(crate) fn set_broken(&self, broken: Option<u16>) {
        self.script.lock().unwrap().broken = broken;
    }

    pub(crate) fn answer_tokens(&self, status: u16, body: Value) {
        self.script
            .lock()
            .unwrap()
            .token_answers
            .push((status, body));
    }
}
