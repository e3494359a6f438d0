//! What a request takes of the process.

use std::time::{Duration, Instant};

use cpu_time::ProcessTime;

use crate::protocol::Usage;

/// Measures from its start to its end.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    cpu: ProcessTime,
    wall: Instant,
}

impl Meter {
    /// Starts to measure.
    #[must_use]
    pub fn start() -> Self {
        Self {
            cpu: ProcessTime::now(),
            wall: Instant::now(),
        }
    }

    /// What was taken since the start.
    #[must_use]
    pub fn stop(self) -> Usage {
        Usage {
            cpu_ms: milliseconds(self.cpu.elapsed()),
            wall_ms: milliseconds(self.wall.elapsed()),
            peak_bytes: peak_bytes(),
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Largest resident memory so far; 0 where the kernel does not tell.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.trim().strip_suffix("kB"))
        .and_then(|kilobytes| kilobytes.trim().parse::<u64>().ok())
        .map_or(0, |kilobytes| kilobytes.saturating_mul(1024))
}
