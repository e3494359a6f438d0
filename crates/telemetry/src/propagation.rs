//! One trace across services: the W3C `traceparent` header, over HTTP and gRPC alike.

use std::task::{Context, Poll};

use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Request, Uri};
use opentelemetry::propagation::{Extractor, Injector};
use tower::{Layer, Service};
use tracing::Instrument as _;
use tracing::instrument::Instrumented;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// Writes the current trace into the headers of every request of a client.
#[derive(Clone, Copy, Debug)]
pub struct Inject<S> {
    inner: S,
}

impl<S> Inject<S> {
    /// Around `inner`.
    pub const fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for Inject<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        inject(request.headers_mut());
        self.inner.call(request)
    }
}

/// Writes the current trace into `headers`; nothing when there is none.
pub fn inject(headers: &mut HeaderMap) {
    let context = tracing::Span::current().context();
    opentelemetry::global::get_text_map_propagator(|propagator| {
        propagator.inject_context(&context, &mut HeaderInjector(headers));
    });
}

/// Wraps a server so that each request runs in a span that belongs to the caller's trace.
#[derive(Clone, Copy, Debug)]
pub struct ExtractLayer {
    names_path: bool,
    trusts_caller: bool,
}

impl ExtractLayer {
    /// For gRPC between our own services: the path is the method's name and is told.
    #[must_use]
    pub const fn grpc() -> Self {
        Self {
            names_path: true,
            trusts_caller: true,
        }
    }

    /// For HTTP from outside: a path may hold an address, so it is not told, and a stranger's trace
    /// is not continued.
    #[must_use]
    pub const fn https() -> Self {
        Self {
            names_path: false,
            trusts_caller: false,
        }
    }
}

impl<S> Layer<S> for ExtractLayer {
    type Service = Extract<S>;

    fn layer(&self, inner: S) -> Extract<S> {
        Extract {
            inner,
            layer: *self,
        }
    }
}

/// See [`ExtractLayer`].
#[derive(Clone, Copy, Debug)]
pub struct Extract<S> {
    inner: S,
    layer: ExtractLayer,
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for Extract<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = Instrumented<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let span = self.layer.span(request.method(), request.uri());
        if self.layer.trusts_caller && !span.is_disabled() {
            let parent = opentelemetry::global::get_text_map_propagator(|propagator| {
                propagator.extract(&HeaderExtractor(request.headers()))
            });
            // Fails only where traces are not collected; then there is nothing to continue.
            let _ = span.set_parent(parent);
        }
        let guard = span.enter();
        let future = self.inner.call(request);
        drop(guard);
        future.instrument(span)
    }
}

impl ExtractLayer {
    fn span(self, method: &http::Method, uri: &Uri) -> tracing::Span {
        if self.names_path {
            tracing::info_span!("request", otel.kind = "server", method = uri.path())
        } else {
            tracing::info_span!("request", otel.kind = "server", %method)
        }
    }
}

struct HeaderInjector<'a>(&'a mut HeaderMap);

impl Injector for HeaderInjector<'_> {
    fn set(&mut self, key: &str, value: String) {
        let name = HeaderName::from_bytes(key.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}

struct HeaderExtractor<'a>(&'a HeaderMap);

impl Extractor for HeaderExtractor<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}
