//! Stands between the prover and the node and can hold a question or its answer for ever, so that a
//! test can kill the prover at exactly that point.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tokio::sync::watch;

/// Where a question is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Before the node sees it.
    Question,
    /// After the node acted on it.
    Answer,
}

type Question = Box<dyn Fn(&str) -> bool + Send>;

#[derive(Clone)]
struct Shared {
    node: String,
    client: reqwest::Client,
    rule: Arc<Mutex<Option<(String, Hold)>>>,
    /// Calls that seem to take more gas than a transaction may have.
    dear: Arc<Mutex<Option<Question>>>,
    /// Questions that are too long for the node.
    too_long: Arc<Mutex<Option<Question>>>,
    held: watch::Sender<u64>,
}

fn is_one(of: &Mutex<Option<Question>>, question: &[u8]) -> bool {
    let of = of.lock().unwrap();
    let question = String::from_utf8_lossy(question);
    of.as_ref().is_some_and(|is_one| is_one(&question))
}

/// The proxy; it ends when this value is dropped.
pub(crate) struct Proxy {
    shared: Shared,
    port: u16,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// Starts in front of a node.
    pub(crate) async fn start(node: String) -> anyhow::Result<Self> {
        let shared = Shared {
            node,
            client: reqwest::Client::builder().no_proxy().build()?,
            rule: Arc::default(),
            dear: Arc::default(),
            too_long: Arc::default(),
            held: watch::Sender::new(0),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let router = Router::new()
            .route("/", post(forward))
            .with_state(shared.clone());
        let task = tokio::spawn(async move {
            let _ended = axum::serve(listener, router).await;
        });
        Ok(Self { shared, port, task })
    }

    /// Its own address.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// From now on holds every call of a method.
    pub(crate) fn hold(&self, method: &str, hold: Hold) {
        *self.shared.rule.lock().unwrap() = Some((method.to_owned(), hold));
        self.shared.held.send_replace(0);
    }

    /// Holds nothing any more; what is held already stays so.
    pub(crate) fn release(&self) {
        *self.shared.rule.lock().unwrap() = None;
    }

    /// From now on says of such calls, by the text of the question, that they take more gas than a
    /// transaction may have.
    pub(crate) fn dear(&self, calls: impl Fn(&str) -> bool + Send + 'static) {
        *self.shared.dear.lock().unwrap() = Some(Box::new(calls));
    }

    /// From now on refuses such questions as too long.
    pub(crate) fn too_long(&self, questions: impl Fn(&str) -> bool + Send + 'static) {
        *self.shared.too_long.lock().unwrap() = Some(Box::new(questions));
    }

    /// Waits until a call is held.
    pub(crate) async fn holding(&self) -> anyhow::Result<()> {
        let mut held = self.shared.held.subscribe();
        let limit = std::time::Duration::from_mins(1);
        tokio::time::timeout(limit, held.wait_for(|count| *count > 0)).await??;
        Ok(())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(State(shared): State<Shared>, body: Bytes) -> Response {
    let method = serde_json::from_slice::<serde_json::Value>(&body)
        .ok()
        .and_then(|question| Some(question.get("method")?.as_str()?.to_owned()))
        .unwrap_or_default();
    if is_one(&shared.too_long, &body) {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    }
    if method == "eth_estimateGas" && is_one(&shared.dear, &body) {
        return ([("content-type", "application/json")], too_dear(&body)).into_response();
    }
    let rule = shared.rule.lock().unwrap().clone();
    let hold = rule
        .filter(|(held, _)| *held == method)
        .map(|(_, hold)| hold);
    if hold == Some(Hold::Question) {
        return stand_still(&shared).await;
    }
    let answer = shared
        .client
        .post(&shared.node)
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await;
    let Ok(answer) = answer else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let Ok(answer) = answer.bytes().await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    if hold == Some(Hold::Answer) {
        return stand_still(&shared).await;
    }
    ([("content-type", "application/json")], answer).into_response()
}

/// One gas more than a transaction may have.
fn too_dear(question: &[u8]) -> String {
    let question: serde_json::Value = serde_json::from_slice(question).unwrap_or_default();
    serde_json::json!({"jsonrpc": "2.0", "id": question["id"], "result": "0x1000001"}).to_string()
}

async fn stand_still(shared: &Shared) -> Response {
    shared.held.send_modify(|count| *count += 1);
    std::future::pending().await
}
