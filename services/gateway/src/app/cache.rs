//! A small cache with a bound and a clock: the newest entries by key, each for a limited time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use cloister_types::UnixMillis;

/// At most `capacity` values, each for `ttl_ms`.
#[derive(Debug)]
pub struct Cache<K, V> {
    entries: Mutex<VecDeque<Entry<K, V>>>,
    capacity: usize,
    ttl_ms: u64,
}

#[derive(Debug)]
struct Entry<K, V> {
    key: K,
    value: Arc<V>,
    since: UnixMillis,
}

impl<K: PartialEq, V> Cache<K, V> {
    /// An empty cache.
    #[must_use]
    pub fn new(capacity: usize, ttl_ms: u64) -> Self {
        Self {
            entries: Mutex::default(),
            capacity,
            ttl_ms,
        }
    }

    /// The value for `key`, unless it is too old.
    pub fn get(&self, key: &K, now: UnixMillis) -> Option<Arc<V>> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.iter().find(|entry| entry.key == *key)?;
        let fresh = now.0.saturating_sub(entry.since.0) < self.ttl_ms;
        fresh.then(|| Arc::clone(&entry.value))
    }

    /// Keeps a value and drops the oldest beyond the capacity.
    pub fn put(&self, key: K, value: Arc<V>, now: UnixMillis) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|entry| entry.key != key);
        entries.push_front(Entry {
            key,
            value,
            since: now,
        });
        entries.truncate(self.capacity);
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_age_and_the_oldest_leave() {
        let cache = Cache::new(2, 100);
        for key in [1, 2, 3] {
            cache.put(key, Arc::new(key * 10), UnixMillis(key));
        }
        assert_eq!(cache.get(&1, UnixMillis(3)), None);
        assert_eq!(cache.get(&3, UnixMillis(3)).as_deref(), Some(&30));
        assert_eq!(cache.get(&3, UnixMillis(102)).as_deref(), Some(&30));
        assert_eq!(cache.get(&3, UnixMillis(103)), None);
        cache.clear();
        assert_eq!(cache.get(&2, UnixMillis(3)), None);
    }
}
