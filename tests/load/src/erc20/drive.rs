//! Sends transactions: as fast as they are taken, or at a steady pace.

use super::target::Target;
use super::workload::Raw;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use std::time::{Duration, Instant};

/// Sends everything, all senders at once and `window` transactions of each; answers transactions in
/// a second until the last one is in a block.
pub(crate) async fn flood<T: Target>(
    target: &T,
    senders: &[Vec<Raw>],
    window: usize,
) -> anyhow::Result<f64> {
    let start = Instant::now();
    let all = senders.iter().map(|transactions| async move {
        stream::iter(transactions)
            .map(|raw| target.send(raw))
            .buffered(window)
            .try_for_each(|()| async { Ok(()) })
            .await
    });
    futures::future::try_join_all(all).await?;
    target.settle().await?;
    let count: usize = senders.iter().map(Vec::len).sum();
    let count = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    Ok(count / start.elapsed().as_secs_f64())
}

/// Sends everything at a steady pace, whatever the answers take; answers the sorted times until
/// each transaction was acknowledged.
pub(crate) async fn pace<T: Target>(
    target: &T,
    senders: &[Vec<Raw>],
    per_second: u32,
) -> anyhow::Result<Vec<Duration>> {
    let longest = senders.iter().map(Vec::len).max().unwrap_or_default();
    let in_turn = (0..longest).flat_map(|at| senders.iter().filter_map(move |all| all.get(at)));
    let begin = tokio::time::Instant::now();
    let all = (0u32..).zip(in_turn).map(|(number, raw)| async move {
        let due = begin + Duration::from_secs(1) * number / per_second;
        tokio::time::sleep_until(due).await;
        target.send(raw).await?;
        anyhow::Ok(due.elapsed())
    });
    let mut times = futures::future::try_join_all(all).await?;
    times.sort();
    Ok(times)
}

/// The time, in milliseconds, within which a share of all lie; 0 of none.
pub(crate) fn percentile_ms(sorted: &[Duration], share: f64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a count far below 2^52"
    )]
    let at = (sorted.len() as f64 * share) as usize;
    let time = sorted.get(at.min(sorted.len().saturating_sub(1)));
    time.map_or(0.0, |time| time.as_secs_f64() * 1e3)
}

/// Does something many times, some at once.
pub(crate) async fn repeat<T, F: Future<Output = anyhow::Result<T>>>(
    times: usize,
    at_once: usize,
    action: impl Fn() -> F,
) -> anyhow::Result<()> {
    stream::iter(0..times)
        .map(|_| action())
        .buffer_unordered(at_once)
        .try_for_each(|_| async { Ok(()) })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_taken_from_sorted_times() {
        let times: Vec<Duration> = (1..=100).map(Duration::from_millis).collect();
        assert!((percentile_ms(&times, 0.5) - 51.0).abs() < 1e-9);
        assert!((percentile_ms(&times, 0.99) - 100.0).abs() < 1e-9);
        assert!((percentile_ms(&times, 1.0) - 100.0).abs() < 1e-9);
        assert!(percentile_ms(&[], 0.5).abs() < 1e-9);
    }
}
