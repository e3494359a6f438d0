//! Values of leaves with the salts that hide them, at any sealed batch.

use std::collections::BTreeMap;

use alloy_primitives::U256;
use cloister_crypto::{BatchSalter, Salter, state::leaf_key};
use cloister_state_tree::LeafKey;
use cloister_stf::{LeafValue, Opening};
use cloister_types::{
    AccountValue, ActivityHead, BatchNumber, DecodeError, StateKey, StateKind,
    state::decode_storage_value,
};

use crate::store::{OpeningRow, Store, StoreError};

/// Openings by place in the tree.
#[derive(Debug, Default)]
pub(crate) struct Openings(BTreeMap<LeafKey, Opening>);

impl Openings {
    /// The opening of a leaf, if there is one.
    pub(crate) fn get(&self, key: &LeafKey) -> Option<Opening> {
        self.0.get(key).copied()
    }
}

/// Reads the openings of `keys` as batch `version` left them.
pub(crate) async fn read(
    store: &Store,
    salter: &Salter,
    version: u64,
    keys: &[StateKey],
) -> Result<Openings, StoreError> {
    let places: Vec<LeafKey> = keys.iter().map(|key| LeafKey(leaf_key(key))).collect();
    let rows = store.openings(version, &places).await?;
    let mut salters: BTreeMap<u64, BatchSalter> = BTreeMap::new();
    let mut openings = BTreeMap::new();
    for ((key, place), row) in keys.iter().zip(places).zip(rows) {
        let Some(row) = row else { continue };
        let salter = salters
            .entry(row.version)
            .or_insert_with(|| salter.batch(BatchNumber(row.version)));
        let salt = salter.leaf_salt(&place.0);
        openings.insert(
            place,
            Opening {
                salt,
                value: value_of(key.kind(), &row)?,
            },
        );
    }
    Ok(Openings(openings))
}

fn value_of(kind: StateKind, row: &OpeningRow) -> Result<LeafValue, DecodeError> {
    Ok(match kind {
        StateKind::Account => LeafValue::Account(AccountValue::decode(&row.value)?),
        StateKind::Storage => {
            let value: U256 = decode_storage_value(&row.value)?;
            LeafValue::Storage(value)
        }
        StateKind::Activity => LeafValue::Activity(ActivityHead::decode(&row.value)?),
    })
}
