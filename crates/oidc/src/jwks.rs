//! The provider's keys, kept up to date without being a way to flood the provider.
//!
//! A key that is not known makes the set be fetched again, at most once in [`RETRY_MS`]; a set older
//! than [`FRESH_MS`] is fetched again, so that a key taken out of the set ends within that time; and
//! when the provider is away a known set is used up to [`STALE_MS`]. Only one fetch runs at a time;
//! all who need it wait for that one.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Mutex;

use crate::keys::{self, Key};
use crate::provider::{Provider, ProviderError};

/// How long a set is used before it is fetched again: 5 minutes.
pub(crate) const FRESH_MS: u64 = 5 * 60 * 1000;
/// How long a set is used while the provider is away: 1 hour.
pub(crate) const STALE_MS: u64 = 60 * 60 * 1000;
/// The least time between two fetches: 5 seconds.
pub(crate) const RETRY_MS: u64 = 5 * 1000;

#[derive(Clone, Debug, Default)]
struct State {
    keys: Option<Arc<Vec<Key>>>,
    fetched_at_ms: u64,
    tried_at_ms: Option<u64>,
    failure: Option<Arc<str>>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct KeyCache {
    state: RwLock<State>,
    fetching: Mutex<()>,
}

/// Keys that a token's header may mean.
fn candidates(keys: &[Key], id: Option<&str>) -> Vec<Key> {
    match id {
        Some(id) => keys
            .iter()
            .filter(|key| key.id.as_deref() == Some(id))
            .cloned()
            .collect(),
        // RFC 7515 lets the id be absent; then there must be no choice.
        None if keys.len() == 1 => keys.to_vec(),
        None => Vec::new(),
    }
}

impl KeyCache {
    fn state(&self) -> State {
        self.state
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set_state(&self, state: State) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// Keys with an id, of whatever type; empty when the provider has none.
    pub(crate) async fn find(
        &self,
        provider: &Provider,
        id: Option<&str>,
    ) -> Result<Vec<Key>, ProviderError> {
        let now_ms = provider.clock.now().0;
        let state = self.state();
        if let Some(found) = fresh(&state, id, now_ms) {
            return Ok(found);
        }
        let _one_at_a_time = self.fetching.lock().await;
        let mut state = self.state();
        if let Some(found) = fresh(&state, id, now_ms) {
            return Ok(found);
        }
        let may_try = state
            .tried_at_ms
            .is_none_or(|at| now_ms >= at.saturating_add(RETRY_MS));
        if may_try {
            state.tried_at_ms = Some(now_ms);
            match self.fetch(provider).await {
                Ok(keys) => {
                    state.keys = Some(Arc::new(keys));
                    state.fetched_at_ms = now_ms;
                    state.failure = None;
                }
                Err(error) => {
                    tracing::warn!(issuer = provider.issuer(), %error, "keys not fetched");
                    state.failure = Some(error.to_string().into());
                }
            }
            self.set_state(state.clone());
        }
        let State {
            keys,
            fetched_at_ms,
            failure,
            ..
        } = state;
        let Some(reason) = failure else {
            return keys
                .map(|keys| candidates(&keys, id))
                .ok_or(ProviderError::KeySet);
        };
        // The provider is away: what is known serves for a while, what is not cannot be judged.
        let within = now_ms.saturating_sub(fetched_at_ms) < STALE_MS;
        let found = keys
            .filter(|_| within)
            .map(|keys| candidates(&keys, id))
            .unwrap_or_default();
        if found.is_empty() {
            Err(ProviderError::Waiting { reason })
        } else {
            Ok(found)
        }
    }

    async fn fetch(&self, provider: &Provider) -> Result<Vec<Key>, ProviderError> {
        let metadata = provider.metadata().await?;
        let document = provider.fetch(&metadata.jwks_uri).await?;
        keys::parse_set(&document).ok_or(ProviderError::KeySet)
    }
}

fn fresh(state: &State, id: Option<&str>, now_ms: u64) -> Option<Vec<Key>> {
    let keys = state.keys.as_ref()?;
    if now_ms.saturating_sub(state.fetched_at_ms) >= FRESH_MS {
        return None;
    }
    let found = candidates(keys, id);
    (!found.is_empty()).then_some(found)
}
