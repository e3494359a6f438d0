//! Metrics for Prometheus.

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Upper bounds of the buckets of every histogram whose name ends in `_seconds`.
const SECONDS: [f64; 13] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// What has been counted in this process so far.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Makes the `metrics` macros of this process count. Once per process.
    ///
    /// # Errors
    /// When a recorder is already installed.
    pub fn install() -> Result<Self, BuildError> {
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
            .install_recorder()?;
        Ok(Self { handle })
    }

    /// A recorder of its own, which counts nothing by itself; for tests.
    #[must_use]
    pub fn detached() -> Self {
        Self {
            handle: PrometheusBuilder::new().build_recorder().handle(),
        }
    }

    /// All metrics in Prometheus' text format.
    #[must_use]
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Folds new histogram samples together, so that they do not pile up between two scrapes. To be
    /// called every few seconds.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_what_was_counted() {
        let metrics = Metrics::install().unwrap();
        metrics::counter!("cloister_things_total", "kind" => "test").increment(2);
        metrics::histogram!("cloister_wait_seconds").record(0.003);
        metrics.upkeep();
        let text = metrics.render();
        assert!(
            text.contains("cloister_things_total{kind=\"test\"} 2"),
            "{text}"
        );
        assert!(
            text.contains("cloister_wait_seconds_bucket{le=\"0.005\"} 1"),
            "{text}"
        );
        assert!(Metrics::install().is_err());
        assert_eq!(Metrics::detached().render(), "");
    }
}
