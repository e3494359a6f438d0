//! Logs, metrics and traces, the same in every service.
//!
//! Logs are for operators, metrics for alarms, and neither is the audit ledger: nothing here may
//! carry a token, a key, a request body or a private chain's address as a metric label.
//!
//! It refuses to know any service, any protocol's messages and where metrics are served.
//!
//! ```text
//!  tracing ──▶ filter ─┬─▶ one line per event on standard output (JSON or text)
//!                      └─▶ OpenTelemetry ──OTLP/gRPC──▶ collector      (only when configured)
//!  metrics ──▶ Prometheus recorder ──▶ Metrics::render
//!
//!  caller: Inject ──`traceparent` header (W3C)──▶ Extract: callee       one trace across services
//! ```
//!
//! ```
//! use cloister_telemetry::propagation::Inject;
//!
//! // Any tower service over `http::Request` can carry the trace on: gRPC channels as well.
//! let client = Inject::new(tower::service_fn(|request: http::Request<()>| async move {
//!     Ok::<_, std::convert::Infallible>(http::Response::new(request.uri().path().len()))
//! }));
//! # let _ = client;
//! ```

pub mod logs;
pub mod metric;
pub mod propagation;

pub use logs::{Telemetry, TelemetryError, init};
pub use metric::Metrics;
