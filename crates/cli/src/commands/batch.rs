//! `cloister batch show`: a batch and how far it is on its way to Ethereum.

use std::fmt::Write as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use crate::error::CliError;
use crate::http::Api;
use crate::terminal;

/// How often the gateway is asked while watching.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Shows one batch; with `watch`, first how its proof comes along until it ends.
///
/// # Errors
/// When the gateway refuses or knows no such batch.
pub(crate) async fn show(api: &Api, number: u64, watch: bool) -> Result<(), CliError> {
    let number_hex = format!("{number:#x}");
    if watch {
        follow(api, number, &number_hex).await?;
    }
    let batch = api.rpc("cloister_getBatch", json!([number_hex])).await?;
    if batch.is_null() {
        return Err(unknown(number));
    }
    let finality = api.rpc("cloister_getFinality", json!([number_hex])).await?;
    let both = json!({"batch": batch, "finality": finality});
    terminal::line(&serde_json::to_string_pretty(&both).unwrap_or_default());
    Ok(())
}

fn unknown(number: u64) -> CliError {
    CliError::Argument(format!("there is no sealed batch {number}"))
}

/// Shows a progress bar until the proof is made, and wrapped where that is planned, or cannot be made,
/// or a person ends it.
async fn follow(api: &Api, number: u64, number_hex: &str) -> Result<(), CliError> {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let template = "{prefix} [{bar:40}] {pos}/{len} {msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(format!("batch {number}"));
    let mut said = String::new();
    loop {
        let finality = api.rpc("cloister_getFinality", json!([number_hex])).await?;
        if finality.is_null() {
            return Err(unknown(number));
        }
        let Some(progress) = Progress::of(&finality["proof"]) else {
            bar.finish_and_clear();
            terminal::note("how its proof comes along is shown to operators and compliance only");
            return Ok(());
        };
        bar.set_length(progress.total);
        bar.set_position(progress.done);
        bar.set_message(progress.words.clone());
        if bar.is_hidden() && said != progress.words {
            terminal::note(&format!(
                "batch {number}: {}/{} {}",
                progress.done, progress.total, progress.words
            ));
            said.clone_from(&progress.words);
        }
        if progress.ended {
            bar.abandon();
            return Ok(());
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = terminal::ended() => {
                bar.abandon();
                return Ok(());
            }
        }
    }
}

/// How far a proof is, ready to be shown.
#[derive(Debug, PartialEq, Eq)]
struct Progress {
    /// Jobs that are done.
    done: u64,
    /// All jobs; at least 1.
    total: u64,
    /// What goes on.
    words: String,
    /// Whether it comes no further.
    ended: bool,
}

impl Progress {
    /// From the field `proof` of `cloister_getFinality`; `None` when it is not shown.
    fn of(proof: &Value) -> Option<Self> {
        let now = proof["state"].as_str()?;
        let count = |name: &str| proof[name].as_u64().unwrap_or_default();
        let (segments, nodes) = (count("segmentsTotal"), count("nodesTotal"));
        let verified = now == "verified";
        let wrap = proof["wrap"].as_str();
        let done = count("segmentsDone")
            .saturating_add(count("nodesDone"))
            .saturating_add(u64::from(proof["checked"] == true))
            .saturating_add(u64::from(verified))
            .saturating_add(u64::from(wrap == Some("done")));
        // The execution before them, the final proof and perhaps its wrap after them.
        let total = segments
            .saturating_add(nodes)
            .saturating_add(2)
            .saturating_add(u64::from(wrap.is_some()));
        let ended = match now {
            "verified" => wrap != Some("waiting"),
            "stuck" | "rejected" | "discarded" => true,
            _ => false,
        };
        let mut words = match wrap {
            Some(wrap) => format!("{now}, wrap {wrap}"),
            None if ended => now.to_owned(),
            None => {
                let stage = proof["stage"].as_str().unwrap_or_default();
                format!("{now}, {stage}")
            }
        };
        if let Some(seconds) = proof["remainingS"].as_u64() {
            let _ = write!(words, ", about {} min left", seconds.div_ceil(60));
        }
        let failures = count("failures");
        if failures > 0 {
            let kind = proof["lastErrorKind"].as_str().unwrap_or("unknown");
            let _ = write!(words, ", {failures} failures, the last: {kind}");
        }
        Some(Self {
            done: done.min(total),
            total,
            words: terminal::clean(&words),
            ended,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_jobs_and_says_what_goes_on() {
        assert_eq!(Progress::of(&Value::Null), None);
        let mut proof = json!({
            "state": "proving", "stage": "segment", "checked": true, "segmentsDone": 2,
            "segmentsTotal": 5, "nodesDone": 1, "nodesTotal": 4, "remainingS": 61,
            "failures": 1, "lastErrorKind": "engine_died\u{1b}[2K",
        });
        let progress = Progress::of(&proof).expect("shown");
        assert_eq!(
            (progress.done, progress.total, progress.ended),
            (4, 11, false)
        );
        assert_eq!(
            progress.words,
            "proving, segment, about 2 min left, 1 failures, the last: engine_died\u{fffd}[2K"
        );
        proof = json!({
            "state": "verified", "stage": "finish", "checked": true, "segmentsDone": 5,
            "segmentsTotal": 5, "nodesDone": 4, "nodesTotal": 4, "failures": 0,
        });
        assert_eq!(
            Progress::of(&proof).expect("shown"),
            Progress {
                done: 11,
                total: 11,
                words: "verified".to_owned(),
                ended: true
            }
        );
    }

    #[test]
    fn goes_on_until_the_proof_is_wrapped() {
        let mut proof = json!({
            "state": "verified", "stage": "wrap", "checked": true, "segmentsDone": 1,
            "segmentsTotal": 1, "nodesDone": 3, "nodesTotal": 3, "failures": 0,
            "wrap": "waiting", "remainingS": 30,
        });
        let progress = Progress::of(&proof).expect("shown");
        assert_eq!((progress.done, progress.total), (6, 7));
        assert_eq!(progress.words, "verified, wrap waiting, about 1 min left");
        assert!(!progress.ended);
        proof["remainingS"] = Value::Null;
        for (state, done) in [("done", 7), ("stuck", 6), ("discarded", 6)] {
            proof["wrap"] = state.into();
            let progress = Progress::of(&proof).expect("shown");
            assert_eq!((progress.done, progress.total), (done, 7));
            assert_eq!(progress.words, format!("verified, wrap {state}"));
            assert!(progress.ended, "{state}");
        }
    }
}
