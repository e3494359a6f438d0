//! What is measured, and how it is shown.

use serde::Serialize;
use std::io::Write as _;

/// One measured figure and its peer's.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    /// Stable name, e.g. `state_tree_us_per_key`.
    pub(crate) name: &'static str,
    /// Our value.
    pub(crate) value: f64,
    /// Unit of both values, e.g. `us`.
    pub(crate) unit: &'static str,
    /// What it is compared with; absent where nothing comparable exists.
    pub(crate) peer: Option<&'static str>,
    /// The peer's value in the same run.
    pub(crate) peer_value: Option<f64>,
    /// Our value divided by the peer's.
    pub(crate) ratio: Option<f64>,
}

impl Figure {
    /// A figure without a peer.
    pub(crate) fn alone(name: &'static str, value: f64, unit: &'static str) -> Self {
        Self {
            name,
            value,
            unit,
            peer: None,
            peer_value: None,
            ratio: None,
        }
    }

    /// A figure beside its peer's.
    pub(crate) fn beside(
        name: &'static str,
        value: f64,
        unit: &'static str,
        peer: &'static str,
        peer_value: f64,
    ) -> Self {
        let ratio = (peer_value > 0.0).then(|| value / peer_value);
        Self {
            name,
            value,
            unit,
            peer: Some(peer),
            peer_value: Some(peer_value),
            ratio,
        }
    }
}

/// Which figures are wanted.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    beginnings: Vec<String>,
}

impl Filter {
    /// Wants names that begin with one of these, or all when there are none.
    pub(crate) fn new(beginnings: &[String]) -> Self {
        Self {
            beginnings: beginnings.to_vec(),
        }
    }

    /// Whether no choice was made.
    pub(crate) fn is_all(&self) -> bool {
        self.beginnings.is_empty()
    }

    /// Whether a name is wanted.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.is_all()
            || self
                .beginnings
                .iter()
                .any(|beginning| name.starts_with(beginning))
    }
}

/// Shows figures as they come: a table row or a JSON line each.
#[derive(Debug)]
pub(crate) struct Report {
    json: bool,
    rows: usize,
}

impl Report {
    /// A report on standard output.
    pub(crate) fn new(json: bool) -> Self {
        Self { json, rows: 0 }
    }

    /// Shows a figure.
    pub(crate) fn figure(&mut self, figure: &Figure) {
        if self.json {
            match serde_json::to_string(figure) {
                Ok(line) => Self::line(&line),
                Err(error) => Self::note(&format!(
                    "figure `{}` has no JSON form: {error}",
                    figure.name
                )),
            }
        } else {
            if self.rows == 0 {
                Self::line(&row(["figure", "value", "unit", "peer", "peer's", "ratio"]));
            }
            let number = |value: Option<f64>| value.map_or_else(String::new, |v| format!("{v:.3}"));
            Self::line(&row([
                figure.name,
                &number(Some(figure.value)),
                figure.unit,
                figure.peer.unwrap_or(""),
                &number(figure.peer_value),
                &number(figure.ratio),
            ]));
        }
        self.rows += 1;
    }

    /// Shows a line on standard output. A closed output ends nothing: figures are also the exit.
    pub(crate) fn line(text: &str) {
        writeln!(std::io::stdout(), "{text}").ok();
    }

    /// Tells people what is going on, on standard error.
    pub(crate) fn note(text: &str) {
        writeln!(std::io::stderr(), "{text}").ok();
    }

    /// Ends the report.
    pub(crate) fn finish(&self) {
        Self::note(&format!("{} figures", self.rows));
    }
}

fn row(cells: [&str; 6]) -> String {
    let [name, value, unit, peer, peer_value, ratio] = cells;
    format!("{name:<38} {value:>12} {unit:<10} {peer:<18} {peer_value:>12} {ratio:>8}")
}

/// The median of some measurements; 0 of none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
