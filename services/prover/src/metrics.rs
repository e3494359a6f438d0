//! What operators watch. Names end in their unit; none carries a hash or anything of a batch's
//! content.

use std::time::Duration;

use cloister_l1::{Heads, U256};
use cloister_prove::protocol::Usage;

use crate::app::model::Kind;
use crate::app::proving::model::{ErrorKind, JobState, Stage};
use crate::store::Backlog;

/// Newest sealed batch, and how far the contract is; the differences are the lags.
#[expect(clippy::cast_precision_loss, reason = "a metric")]
pub(crate) fn heads(sealed: u64, heads: &Heads) {
    let (committed, proved) = (heads.committed.0, heads.proved.0);
    metrics::gauge!("cloister_prover_sealed_batch").set(sealed as f64);
    metrics::gauge!("cloister_prover_committed_batch").set(committed as f64);
    metrics::gauge!("cloister_prover_proved_batch").set(proved as f64);
    metrics::gauge!("cloister_prover_finalized_batch").set(heads.finalized.0 as f64);
    metrics::gauge!("cloister_prover_commit_lag_batches")
        .set(sealed.saturating_sub(committed) as f64);
    metrics::gauge!("cloister_prover_prove_lag_batches")
        .set(committed.saturating_sub(proved) as f64);
}

/// The committer's balance on Ethereum.
pub(crate) fn balance(wei: U256) {
    metrics::gauge!("cloister_prover_committer_balance_wei").set(f64::from(wei));
}

/// Newest Ethereum block seen.
#[expect(clippy::cast_precision_loss, reason = "a metric")]
pub(crate) fn l1_head(block: u64) {
    metrics::gauge!("cloister_prover_l1_head_block").set(block as f64);
}

/// Whether commits are stalled.
pub(crate) fn stalled(stalled: bool) {
    metrics::gauge!("cloister_prover_commit_stalled").set(f64::from(u8::from(stalled)));
}

/// Whether proofs do not go out to Ethereum.
pub(crate) fn prove_stalled(stalled: bool) {
    metrics::gauge!("cloister_prover_prove_stalled").set(f64::from(u8::from(stalled)));
}

/// A transaction of ours on Ethereum came to a new state.
pub(crate) fn l1_transaction(kind: Kind, event: &'static str) {
    let kind = kind.word();
    metrics::counter!("cloister_prover_l1_transactions_total", "event" => event, "kind" => kind)
        .increment(1);
}

/// Gas that a transaction of ours took; counted again when a reorganisation moves it.
pub(crate) fn l1_gas(kind: Kind, gas: u64) {
    metrics::counter!("cloister_prover_l1_gas_total", "kind" => kind.word()).increment(gas);
}

/// Whether an operator must look after proofs.
pub(crate) fn proof_stalled(stalled: bool) {
    metrics::gauge!("cloister_prover_proof_stalled").set(f64::from(u8::from(stalled)));
}

/// What waits to be proved. `now` in UNIX seconds.
#[expect(clippy::cast_precision_loss, reason = "a metric")]
pub(crate) fn backlog(backlog: &Backlog, now: u64) {
    let oldest = backlog.oldest_sealed_at.unwrap_or(now);
    metrics::gauge!("cloister_prover_unproved_batches").set(backlog.waiting as f64);
    metrics::gauge!("cloister_prover_oldest_unproved_batch_seconds")
        .set(now.saturating_sub(oldest) as f64);
    metrics::gauge!("cloister_prover_queue_age_seconds").set(backlog.queue_age_s as f64);
    metrics::gauge!("cloister_prover_rejected_batch")
        .set(backlog.rejected.as_ref().map_or(0, |(batch, _)| *batch) as f64);
    metrics::gauge!("cloister_prover_segments_done").set(backlog.segments.0 as f64);
    metrics::gauge!("cloister_prover_segments_total").set(backlog.segments.1 as f64);
    for state in JobState::ALL {
        let found = backlog.jobs.iter().find(|(found, _)| *found == state);
        metrics::gauge!("cloister_prover_jobs", "state" => state.word())
            .set(found.map_or(0, |(_, count)| *count) as f64);
    }
}

/// A job was done here.
#[expect(clippy::cast_precision_loss, reason = "a metric")]
pub(crate) fn job_done(stage: Stage, took: Duration, usage: Usage) {
    let stage = stage.word();
    metrics::histogram!("cloister_prover_job_seconds", "stage" => stage).record(took.as_secs_f64());
    metrics::counter!("cloister_prover_job_cpu_milliseconds_total", "stage" => stage)
        .increment(usage.cpu_ms);
    metrics::gauge!("cloister_prover_engine_peak_bytes", "stage" => stage)
        .set(usage.peak_bytes as f64);
}

/// A job failed here.
pub(crate) fn job_failed(stage: Stage, kind: ErrorKind) {
    metrics::counter!("cloister_prover_job_failures_total", "stage" => stage.word(), "kind" => kind.word())
        .increment(1);
}

/// Leases ran out.
pub(crate) fn leases_lost(count: u64) {
    metrics::counter!("cloister_prover_leases_lost_total").increment(count);
}

/// By how much the sequencer stretches its batches' age, in thousandths.
pub(crate) fn batch_stretch(permille: u32) {
    metrics::gauge!("cloister_prover_batch_age_stretch_ratio").set(f64::from(permille) / 1_000.0);
}
