//! What operators watch. Names end in their unit; none carries a hash or anything of a batch's
//! content.

use cloister_l1::U256;

/// Newest sealed and newest committed batch; their difference is the lag.
#[expect(clippy::cast_precision_loss, reason = "a metric")]
pub(crate) fn heads(sealed: u64, committed: u64, proved: u64) {
    metrics::gauge!("cloister_prover_sealed_batch").set(sealed as f64);
    metrics::gauge!("cloister_prover_committed_batch").set(committed as f64);
    metrics::gauge!("cloister_prover_proved_batch").set(proved as f64);
    metrics::gauge!("cloister_prover_commit_lag_batches")
        .set(sealed.saturating_sub(committed) as f64);
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

/// A transaction of ours on Ethereum came to a new state.
pub(crate) fn l1_transaction(event: &'static str) {
    metrics::counter!("cloister_prover_l1_transactions_total", "event" => event).increment(1);
}
