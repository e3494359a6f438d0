//! JSON-RPC 2.0 framing: from bytes to requests, from answers to bytes.
//!
//! Pure functions: nothing here knows a transport, a principal or a method. Every length is a
//! claim: the body, the nesting, the number of requests and the size of an id have limits.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub mod error;
pub mod params;

pub use error::{Code, RpcError};

/// Longest id that is echoed, in bytes of JSON text.
const MAX_ID_BYTES: usize = 128;
/// Longest method name that is looked up, in bytes.
const MAX_METHOD_BYTES: usize = 64;

/// Limits of one HTTP body.
#[derive(Debug, Clone, Copy)]
pub struct FrameLimits {
    /// Deepest nesting of arrays and objects.
    pub max_depth: usize,
    /// Most requests in one batch.
    pub max_batch: usize,
}

/// The id of a request, echoed as it came.
#[derive(Debug, Clone)]
pub struct Id(Box<RawValue>);

impl Id {
    fn parse(raw: &RawValue) -> Option<Self> {
        let text = raw.get();
        let scalar = text.starts_with(|c: char| c == '"' || c == '-' || c.is_ascii_digit());
        let plausible = text.len() <= MAX_ID_BYTES && (scalar || text == "null");
        plausible.then(|| Self(raw.to_owned()))
    }
}

/// One well-formed request.
#[derive(Debug)]
pub struct Request {
    /// Absent: a notification, which gets no answer.
    pub id: Option<Id>,
    /// The method as named by the caller.
    pub method: String,
    /// The parameters as they came: an array, an object, or nothing.
    pub params: Option<Box<RawValue>>,
}

/// A request, or the answer to something that is not one.
pub type Item = Result<Request, Box<Response>>;

/// What a body holds.
#[derive(Debug)]
pub enum Frame {
    /// One request.
    Single(Item),
    /// A batch with at least one entry.
    Batch(Vec<Item>),
}

impl Frame {
    /// How many entries it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Single(_) => 1,
            Self::Batch(items) => items.len(),
        }
    }

    /// How many entries are no requests.
    #[must_use]
    pub fn malformed(&self) -> usize {
        match self {
            Self::Single(item) => usize::from(item.is_err()),
            Self::Batch(items) => items.iter().filter(|item| item.is_err()).count(),
        }
    }

    /// Never: an empty batch is refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One answer.
#[derive(Debug, Serialize)]
pub struct Response {
    jsonrpc: &'static str,
    id: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorObject>,
}

#[derive(Debug, Serialize)]
struct ErrorObject {
    code: i64,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<serde_json::Value>,
}

impl Response {
    /// The answer to a request: its result or its error.
    #[must_use]
    pub fn new(id: Option<Id>, outcome: Result<Box<RawValue>, RpcError>) -> Self {
        let (result, error) = match outcome {
            Ok(result) => (Some(result), None),
            Err(error) => (None, Some(error.into())),
        };
        Self {
            jsonrpc: "2.0",
            id: id.map(|id| id.0),
            result,
            error,
        }
    }

    /// An error that belongs to no request.
    #[must_use]
    pub fn error(error: RpcError) -> Self {
        Self::new(None, Err(error))
    }
}

impl From<RpcError> for ErrorObject {
    fn from(error: RpcError) -> Self {
        Self {
            code: error.number(),
            message: error.message().to_owned(),
            data: error.data(),
        }
    }
}

/// One entry as it is on the wire; a field named twice is refused by serde.
#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, default)]
    jsonrpc: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<std::borrow::Cow<'a, str>>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
}

/// Keeps `"id": null` apart from no id at all.
fn present<'de, D>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Reads a body.
///
/// # Errors
/// The error to answer when the body as a whole is not acceptable: not JSON, nested too deeply, an
/// empty batch, or more requests than [`FrameLimits::max_batch`].
pub fn parse(body: &[u8], limits: FrameLimits) -> Result<Frame, RpcError> {
    if !depth_within(body, limits.max_depth) {
        return Err(RpcError::new(
            Code::LimitExceeded,
            format!("the request nests deeper than {} levels", limits.max_depth),
        ));
    }
    let text = std::str::from_utf8(body)
        .map_err(|_| RpcError::new(Code::Parse, "the request is not UTF-8"))?;
    let whole: &RawValue = serde_json::from_str(text).map_err(|error| not_json(&error))?;
    if !whole.get().starts_with('[') {
        return Ok(Frame::Single(item(whole)));
    }
    let entries: Vec<&RawValue> =
        serde_json::from_str(whole.get()).map_err(|error| not_json(&error))?;
    if entries.is_empty() {
        return Err(RpcError::new(
            Code::InvalidRequest,
            "the batch holds no request",
        ));
    }
    if entries.len() > limits.max_batch {
        return Err(RpcError::new(
            Code::LimitExceeded,
            format!(
                "the batch holds {} requests, at most {} are served: split it",
                entries.len(),
                limits.max_batch
            ),
        ));
    }
    Ok(Frame::Batch(entries.into_iter().map(item).collect()))
}

fn not_json(error: &serde_json::Error) -> RpcError {
    RpcError::new(
        Code::Parse,
        format!(
            "the request is not JSON (line {}, column {})",
            error.line(),
            error.column()
        ),
    )
}

fn item(raw: &RawValue) -> Item {
    let invalid = |id: Option<Id>, why: &str| {
        Err(Box::new(Response::new(
            id,
            Err(RpcError::new(Code::InvalidRequest, why)),
        )))
    };
    let Ok(wire) = serde_json::from_str::<Wire<'_>>(raw.get()) else {
        return invalid(
            None,
            "a request is an object with `jsonrpc`, `id`, `method` and `params`",
        );
    };
    let id = match wire.id.map(Id::parse) {
        Some(None) => return invalid(None, "`id` must be a short string, a number or null"),
        Some(Some(id)) => Some(id),
        None => None,
    };
    if wire.jsonrpc.as_deref() != Some("2.0") {
        return invalid(id, "`jsonrpc` must be \"2.0\"");
    }
    let Some(method) = wire
        .method
        .filter(|method| method.len() <= MAX_METHOD_BYTES)
    else {
        return invalid(id, "`method` must be a name of at most 64 bytes");
    };
    if wire
        .params
        .is_some_and(|params| !params.get().starts_with(['[', '{', 'n']))
    {
        return invalid(id, "`params` must be an array or an object");
    }
    let params = wire
        .params
        .filter(|params| params.get() != "null")
        .map(ToOwned::to_owned);
    Ok(Request {
        id,
        method: method.into_owned(),
        params,
    })
}

/// Whether arrays and objects nest at most `max` levels; strings are skipped, nothing is checked.
fn depth_within(body: &[u8], max: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in body {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (true, b'"') => in_string = false,
            (false, b'"') => in_string = true,
            (false, b'[' | b'{') => {
                depth += 1;
                if depth > max {
                    return false;
                }
            }
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            (true | false, _) => {}
        }
    }
    true
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.get())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const LIMITS: FrameLimits = FrameLimits {
        max_depth: 8,
        max_batch: 3,
    };

    fn refused(body: &str) -> Value {
        let answer = match parse(body.as_bytes(), LIMITS) {
            Err(error) => Response::error(error),
            Ok(Frame::Single(Err(answer))) => *answer,
            Ok(other) => panic!("accepted {other:?}"),
        };
        serde_json::to_value(answer).unwrap()
    }

    fn code(body: &str) -> i64 {
        refused(body)["error"]["code"].as_i64().unwrap()
    }

    #[test]
    fn reads_a_single_request() {
        let body = br#" {"jsonrpc":"2.0","id":"a","method":"eth_chainId","params":[1]} "#;
        let Ok(Frame::Single(Ok(request))) = parse(body, LIMITS) else {
            panic!("refused")
        };
        assert_eq!(request.method, "eth_chainId");
        assert_eq!(request.params.unwrap().get(), "[1]");
        assert_eq!(request.id.unwrap().to_string(), "\"a\"");
    }

    #[test]
    fn keeps_a_null_id_apart_from_a_notification() {
        let with_null = br#"{"jsonrpc":"2.0","id":null,"method":"m"}"#;
        let without = br#"{"jsonrpc":"2.0","method":"m","params":null}"#;
        let Ok(Frame::Single(Ok(first))) = parse(with_null, LIMITS) else {
            panic!("refused")
        };
        let Ok(Frame::Single(Ok(second))) = parse(without, LIMITS) else {
            panic!("refused")
        };
        assert!(first.id.is_some());
        assert!(second.id.is_none());
        assert!(second.params.is_none());
    }

    #[test]
    fn refuses_what_is_not_json() {
        assert_eq!(code(""), -32700);
        assert_eq!(code("{"), -32700);
        assert_eq!(code("{} {}"), -32700);
        assert_eq!(code("[1,"), -32700);
        assert_eq!(parse(&[0xff, 0xfe], LIMITS).unwrap_err().number(), -32700);
    }

    #[test]
    fn refuses_what_is_not_a_request() {
        for body in [
            "1",
            "\"eth_chainId\"",
            "{}",
            r#"{"jsonrpc":"1.0","id":1,"method":"m"}"#,
            r#"{"id":1,"method":"m"}"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"2.0","id":[1],"method":"m"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":5}"#,
            r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"m"}"#,
            "[]",
        ] {
            assert_eq!(code(body), -32600, "{body}");
        }
    }

    #[test]
    fn answers_an_invalid_request_with_its_id() {
        assert_eq!(refused(r#"{"jsonrpc":"2.0","id":7}"#)["id"], json!(7));
    }

    #[test]
    fn refuses_a_batch_over_the_limit() {
        let one = r#"{"jsonrpc":"2.0","id":1,"method":"m"}"#;
        let batch = |count: usize| format!("[{}]", vec![one; count].join(","));
        assert!(parse(batch(3).as_bytes(), LIMITS).is_ok());
        assert_eq!(code(&batch(4)), -32005);
    }

    #[test]
    fn refuses_deep_nesting_before_it_is_parsed() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(code(&nested(9)), -32005);
        assert_eq!(code(&"[".repeat(1_000_000)), -32005);
        let in_a_string = r#"{"jsonrpc":"2.0","id":1,"method":"[[[[[[[[[[\"{{{{{{{{"}"#;
        assert!(parse(in_a_string.as_bytes(), LIMITS).is_ok());
    }

    #[test]
    fn a_batch_keeps_each_entry_apart() {
        let body = br#"[{"jsonrpc":"2.0","id":1,"method":"m"}, 5]"#;
        let Ok(Frame::Batch(items)) = parse(body, LIMITS) else {
            panic!("refused")
        };
        assert!(items[0].is_ok());
        assert!(items[1].is_err());
    }
}
