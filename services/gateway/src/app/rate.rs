//! Token buckets: how much one caller may ask for, without telling of anybody else's load.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use cloister_types::UnixMillis;

/// Most buckets that are kept; full ones are dropped first, because a new bucket is full.
const MAX_BUCKETS: usize = 100_000;

/// Who is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Counted {
    /// An authenticated principal, by issuer and subject.
    Principal(String),
    /// Somebody without a valid token.
    Address(IpAddr),
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Thousandths of a request.
    left: u64,
    at: UnixMillis,
}

/// A rate: so many a second on average, so many at once after a pause.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// Requests a second.
    pub per_second: u32,
    /// Requests at once.
    pub burst: u32,
}

/// One bucket for each caller.
#[derive(Debug, Default)]
pub struct RateLimiter {
    buckets: Mutex<HashMap<Counted, Bucket>>,
}

impl RateLimiter {
    /// Takes `count` requests from the caller's bucket; `false`: there are not so many left.
    pub fn take(&self, who: Counted, rate: Rate, count: usize, now: UnixMillis) -> bool {
        let full = u64::from(rate.burst) * 1_000;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MAX_BUCKETS && !buckets.contains_key(&who) {
            buckets.retain(|_, bucket| refill(*bucket, rate, now) < full);
        }
        let bucket = buckets.entry(who).or_insert(Bucket {
            left: full,
            at: now,
        });
        let left = refill(*bucket, rate, now);
        let wanted = u64::try_from(count)
            .unwrap_or(u64::MAX)
            .saturating_mul(1_000);
        let taken = left.checked_sub(wanted);
        *bucket = Bucket {
            left: taken.unwrap_or(left),
            at: now,
        };
        taken.is_some()
    }
}

/// A request a second is a thousandth of a request a millisecond.
fn refill(bucket: Bucket, rate: Rate, now: UnixMillis) -> u64 {
    let gained = now
        .0
        .saturating_sub(bucket.at.0)
        .saturating_mul(u64::from(rate.per_second));
    bucket
        .left
        .saturating_add(gained)
        .min(u64::from(rate.burst) * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        per_second: 2,
        burst: 3,
    };

    fn alice() -> Counted {
        Counted::Principal("alice".to_owned())
    }

    #[test]
    fn a_burst_is_allowed_and_then_the_rate_holds() {
        let limiter = RateLimiter::default();
        let take = |count, now| limiter.take(alice(), RATE, count, UnixMillis(now));
        assert!(take(3, 0));
        assert!(!take(1, 0));
        assert!(!take(1, 499));
        assert!(take(1, 500));
        assert!(
            !take(4, 1_000_000),
            "more than a burst is never allowed at once"
        );
        assert!(take(3, 1_000_000));
    }

    #[test]
    fn callers_do_not_share_a_bucket() {
        let limiter = RateLimiter::default();
        assert!(limiter.take(alice(), RATE, 3, UnixMillis(0)));
        let other = Counted::Address(IpAddr::from([127, 0, 0, 1]));
        assert!(limiter.take(other, RATE, 3, UnixMillis(0)));
    }
}
