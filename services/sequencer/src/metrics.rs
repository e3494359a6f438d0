//! What operators watch. Names end in their unit; none carries an address, an amount or a hash.

use std::time::{Duration, Instant};

use crate::app::{model::Block, proving_load::LoadReport};

/// Seconds since a step began, recorded when it is done.
#[derive(Debug)]
#[must_use = "a timer records nothing until it is told that the step is done"]
pub(crate) struct Timer {
    name: &'static str,
    started: Instant,
}

impl Timer {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            started: Instant::now(),
        }
    }

    /// Records the time since the start.
    pub(crate) fn done(self) {
        metrics::histogram!(self.name).record(self.started.elapsed().as_secs_f64());
    }
}

/// Time to make a block durable.
pub(crate) fn commit_timer() -> Timer {
    Timer::new("cloister_sequencer_block_commit_seconds")
}

/// Time to execute a block.
pub(crate) fn build_timer() -> Timer {
    Timer::new("cloister_sequencer_block_build_seconds")
}

/// Time to seal a batch, its second execution included.
pub(crate) fn seal_timer() -> Timer {
    Timer::new("cloister_sequencer_batch_seal_seconds")
}

/// Time to answer a call of the interface.
pub(crate) fn request(method: &'static str, code: &'static str, elapsed: Duration) {
    metrics::histogram!("cloister_sequencer_request_seconds", "method" => method)
        .record(elapsed.as_secs_f64());
    metrics::counter!("cloister_sequencer_requests_total", "method" => method, "code" => code)
        .increment(1);
}

/// A block is durable.
#[expect(clippy::cast_precision_loss, reason = "a metric")]
pub(crate) fn block_durable(block: &Block) {
    metrics::counter!("cloister_sequencer_blocks_total").increment(1);
    metrics::counter!("cloister_sequencer_transactions_total")
        .increment(u64::from(block.transaction_count()));
    metrics::counter!("cloister_sequencer_gas_total").increment(block.header.gas_used);
    metrics::gauge!("cloister_sequencer_head_block").set(block.header.number.0 as f64);
}

/// A batch is sealed; genesis has no estimate of instructions.
#[expect(clippy::cast_precision_loss, reason = "a metric")]
pub(crate) fn batch_sealed(number: u64, waiting: usize, instructions: Option<u64>) {
    if let Some(instructions) = instructions {
        metrics::histogram!("cloister_sequencer_batch_estimated_instructions")
            .record(instructions as f64);
    }
    metrics::counter!("cloister_sequencer_batches_total").increment(1);
    metrics::gauge!("cloister_sequencer_sealed_batch").set(number as f64);
    metrics::gauge!("cloister_sequencer_unsealed_batches").set(waiting as f64);
}

/// Sealing has halted (1) or not (0): an alarm of the highest order.
pub(crate) fn sealing_halted(halted: bool) {
    metrics::gauge!("cloister_sequencer_sealing_halted").set(if halted { 1.0 } else { 0.0 });
}

/// A write had no known outcome.
pub(crate) fn write_retried() {
    metrics::counter!("cloister_sequencer_unknown_writes_total").increment(1);
}

/// How full the mempool is.
#[expect(clippy::cast_precision_loss, reason = "a metric")]
pub(crate) fn mempool(transactions: usize, bytes: usize) {
    metrics::gauge!("cloister_sequencer_mempool_transactions").set(transactions as f64);
    metrics::gauge!("cloister_sequencer_mempool_bytes").set(bytes as f64);
}

/// How old a batch may grow at present.
pub(crate) fn batch_age_limit(max_age_ms: u64) {
    metrics::gauge!("cloister_sequencer_batch_age_limit_seconds").set(seconds(max_age_ms));
}

/// The prover's last report; without one that holds, nothing waits as far as is known.
#[expect(clippy::cast_precision_loss, reason = "a metric")]
pub(crate) fn proving_load(report: Option<&LoadReport>) {
    let (live, waiting, age_ms) = report.map_or((0.0, 0, 0), |report| {
        (1.0, report.waiting_batches, report.oldest_age_ms)
    });
    metrics::gauge!("cloister_sequencer_proving_report_live").set(live);
    metrics::gauge!("cloister_sequencer_proving_waiting_batches").set(waiting as f64);
    metrics::gauge!("cloister_sequencer_proving_oldest_age_seconds").set(seconds(age_ms));
}

/// A batch took so many instructions in the guest; what was estimated, as a ratio to it.
#[expect(clippy::cast_precision_loss, reason = "a metric")]
pub(crate) fn batch_measured(estimated: u64, measured: u64) {
    metrics::histogram!("cloister_sequencer_batch_measured_instructions").record(measured as f64);
    metrics::histogram!("cloister_sequencer_batch_estimate_ratio")
        .record(estimated as f64 / measured.max(1) as f64);
    if measured > estimated {
        metrics::counter!("cloister_sequencer_batches_underestimated_total").increment(1);
    }
}

/// A transaction was refused because proving it would cost too much.
pub(crate) fn too_costly() {
    metrics::counter!("cloister_sequencer_too_costly_transactions_total").increment(1);
}

fn seconds(ms: u64) -> f64 {
    Duration::from_millis(ms).as_secs_f64()
}
