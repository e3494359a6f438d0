//! Time as an argument.

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(transparent)
)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// Whole seconds, rounded down.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0 / 1000
    }
}

/// Where code that needs the time gets it from, so that tests can move it.
pub trait Clock: Send + Sync + core::fmt::Debug {
    /// The present time.
    fn now(&self) -> UnixMillis;
}

/// The operating system's clock.
#[cfg(feature = "std")]
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[cfg(feature = "std")]
impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the system's clock"
    )]
    fn now(&self) -> UnixMillis {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// A clock that stands still until it is moved.
#[cfg(feature = "std")]
#[derive(Debug, Default)]
pub struct ManualClock(core::sync::atomic::AtomicU64);

#[cfg(feature = "std")]
impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub const fn new(now: UnixMillis) -> Self {
        Self(core::sync::atomic::AtomicU64::new(now.0))
    }

    /// Moves the clock forward by milliseconds.
    pub fn advance_ms(&self, ms: u64) {
        self.0.fetch_add(ms, core::sync::atomic::Ordering::SeqCst);
    }

    /// Puts the clock to `now`, forward or back.
    pub fn set(&self, now: UnixMillis) {
        self.0.store(now.0, core::sync::atomic::Ordering::SeqCst);
    }
}

#[cfg(feature = "std")]
impl Clock for ManualClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0.load(core::sync::atomic::Ordering::SeqCst))
    }
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = ManualClock::new(UnixMillis(1_500));
        assert_eq!(clock.now().seconds(), 1);
        clock.advance_ms(500);
        assert_eq!(clock.now(), UnixMillis(2_000));
    }
}
