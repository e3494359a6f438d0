//! Verified tokens by their SHA-256, so that a signature is checked once and not on every request.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use ring::digest::{SHA256, digest};

use crate::claims::AccessToken;

type Fingerprint = [u8; 32];

/// A bounded cache; the oldest entry makes room. The token itself is not kept.
#[derive(Debug)]
pub(crate) struct TokenCache {
    most: usize,
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    by_fingerprint: BTreeMap<Fingerprint, (Arc<AccessToken>, u64)>,
    in_order: VecDeque<Fingerprint>,
}

pub(crate) fn fingerprint(token: &str) -> Fingerprint {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    bytes
}

impl TokenCache {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            entries: Mutex::default(),
        }
    }

    pub(crate) fn get(&self, key: &Fingerprint, now_ms: u64) -> Option<Arc<AccessToken>> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let (token, until_ms) = entries.by_fingerprint.get(key)?;
        (now_ms < *until_ms).then(|| Arc::clone(token))
    }

    pub(crate) fn put(&self, key: Fingerprint, token: Arc<AccessToken>, until_ms: u64) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries
            .by_fingerprint
            .insert(key, (token, until_ms))
            .is_none()
        {
            entries.in_order.push_back(key);
        }
        while entries.in_order.len() > self.most {
            if let Some(oldest) = entries.in_order.pop_front() {
                entries.by_fingerprint.remove(&oldest);
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.lock().unwrap().by_fingerprint.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Arc<AccessToken> {
        Arc::new(AccessToken {
            issuer: String::new(),
            subject: String::new(),
            client_id: String::new(),
            groups: [].into(),
            token_id: None,
            session_id: None,
            name: None,
            issued_at: 0,
            expires_at: 0,
        })
    }

    #[test]
    fn an_entry_ends_at_its_time() {
        let cache = TokenCache::new(2);
        cache.put(fingerprint("a"), token(), 100);
        assert!(cache.get(&fingerprint("a"), 99).is_some());
        assert!(cache.get(&fingerprint("a"), 100).is_none());
        assert!(cache.get(&fingerprint("b"), 0).is_none());
    }

    #[test]
    fn the_oldest_entry_makes_room() {
        let cache = TokenCache::new(2);
        for name in ["a", "b", "a", "c"] {
            cache.put(fingerprint(name), token(), 100);
        }
        assert_eq!(cache.len(), 2);
        assert!(cache.get(&fingerprint("a"), 0).is_none());
        assert!(cache.get(&fingerprint("c"), 0).is_some());
    }
}
