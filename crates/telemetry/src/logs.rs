//! The process-wide subscriber for logs and traces.

use std::time::Duration;

use cloister_settings::{LogFormat, TelemetrySection, Url};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};
use tracing_subscriber::{Layer, Registry};

/// How long the collector may take for one export, and how long the last one may take at the end.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why logs or traces could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be parsed.
    #[error("the setting `telemetry.log` cannot be used: `{filter}` is not a log filter: {source}")]
    Filter {
        /// As configured.
        filter: String,
        /// Why.
        source: ParseError,
    },
    /// The collector's URL cannot be used.
    #[error("the setting `telemetry.otlp_endpoint` cannot be used: {0}")]
    Exporter(#[from] ExporterBuildError),
    /// A subscriber is already installed.
    #[error("logs are already set up in this process: {0}")]
    Installed(#[from] TryInitError),
}

/// Ends the export of traces when the service ends.
#[derive(Debug)]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

impl Telemetry {
    /// Sends what is still waiting and stops. Blocks for up to five seconds.
    pub fn finish(self) {
        if let Some(provider) = self.provider
            && let Err(error) = provider.shutdown_with_timeout(EXPORT_TIMEOUT)
        {
            tracing::warn!(%error, "could not send the last traces");
        }
    }
}

/// Sets up logs on standard output, and traces when a collector is configured. Must be called
/// within a Tokio runtime, once per process.
///
/// # Errors
/// [`TelemetryError`].
pub fn init(
    section: &TelemetrySection,
    service: &'static str,
) -> Result<Telemetry, TelemetryError> {
    let filter = EnvFilter::try_new(&section.log).map_err(|source| TelemetryError::Filter {
        filter: section.log.clone(),
        source,
    })?;
    let provider = match &section.otlp_endpoint {
        Some(endpoint) => Some(provider(endpoint, section.traces_per_thousand, service)?),
        None => None,
    };
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    let traces = provider
        .as_ref()
        .map(|provider| tracing_opentelemetry::layer().with_tracer(provider.tracer(service)));
    Registry::default()
        .with(traces)
        .with(lines(section.format))
        .with(filter)
        .try_init()?;
    Ok(Telemetry { provider })
}

/// The layer that writes lines.
fn lines<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let layer = tracing_subscriber::fmt::layer();
    match format {
        LogFormat::Text => layer.with_ansi(false).boxed(),
        LogFormat::Json => layer
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(true)
            .boxed(),
    }
}

fn provider(
    endpoint: &Url,
    per_thousand: u16,
    service: &'static str,
) -> Result<SdkTracerProvider, TelemetryError> {
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint.as_str())
        .with_timeout(EXPORT_TIMEOUT)
        .build()?;
    // A trace that the caller has begun is followed or left as a whole.
    let root = Sampler::TraceIdRatioBased(f64::from(per_thousand.min(1000)) / 1000.0);
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(Sampler::ParentBased(Box::new(root)))
        .with_resource(
            Resource::builder_empty()
                .with_service_name(format!("cloister-{service}"))
                .build(),
        )
        .build())
}
