//! What operators count: requests, denials, latency.

use std::time::Duration;

use crate::method::Method;
use crate::rpc::Code;

/// Counts one JSON-RPC request. Methods that nobody knows share one label, so that callers cannot
/// make labels.
pub fn request(method: Option<Method>, error: Option<Code>, took: Duration) {
    let method = method.map_or("unknown", Method::name);
    let outcome = error.map_or("ok", Code::as_str);
    metrics::counter!("cloister_gateway_requests_total", "method" => method, "outcome" => outcome)
        .increment(1);
    metrics::histogram!("cloister_gateway_request_seconds", "method" => method)
        .record(took.as_secs_f64());
}

/// Counts an HTTP request that never became a JSON-RPC request.
pub fn refused(reason: &'static str) {
    metrics::counter!("cloister_gateway_refused_total", "reason" => reason).increment(1);
}
