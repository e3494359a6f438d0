//! Building the witness of a batch from what its execution touched.

use alloc::vec::Vec;
use alloy_primitives::{B256, Bytes};
use cloister_crypto::state::leaf_key;
use cloister_state_tree::{LeafKey, Multiproof};
use cloister_types::StateKey;

use crate::{
    batch::BatchBuilder,
    input::{Opening, Witness},
};

/// The state and tree as they were before the batch.
pub trait WitnessSource {
    /// How reading fails.
    type Error;

    /// Value and salt of a leaf before the batch; `None` when the tree has no such leaf.
    ///
    /// # Errors
    /// When the state before the batch cannot be read.
    fn opening(&self, key: &StateKey, leaf_key: &LeafKey) -> Result<Option<Opening>, Self::Error>;

    /// Code by its hash.
    ///
    /// # Errors
    /// When the code cannot be read.
    fn code(&self, hash: &B256) -> Result<Bytes, Self::Error>;

    /// Paths of these keys, sorted, in the tree before the batch.
    ///
    /// # Errors
    /// When the tree before the batch cannot be read.
    fn multiproof(&self, keys: &[LeafKey]) -> Result<Multiproof, Self::Error>;
}

/// Why a witness could not be built.
#[derive(Debug, thiserror::Error)]
#[error("the witness of the batch could not be built")]
pub struct WitnessError<E: core::error::Error + 'static>(#[source] pub E);

/// Collects what [`crate::execute_batch`] needs of the state before the batch: exactly what the
/// batch's execution touched.
///
/// # Errors
/// [`WitnessError`] when the source fails.
pub fn build_witness<S>(batch: &BatchBuilder, source: &S) -> Result<Witness, WitnessError<S::Error>>
where
    S: WitnessSource,
    S::Error: core::error::Error + 'static,
{
    let mut places: Vec<(LeafKey, StateKey)> = batch
        .witness_keys()
        .into_iter()
        .map(|key| (LeafKey(leaf_key(&key)), key))
        .collect();
    places.sort_unstable_by_key(|(place, _)| *place);
    let keys: Vec<LeafKey> = places.iter().map(|(place, _)| *place).collect();
    let openings = places
        .into_iter()
        .map(|(place, key)| Ok((key, source.opening(&key, &place)?)))
        .collect::<Result<_, _>>()
        .map_err(WitnessError)?;
    let codes = batch
        .witness_codes()
        .iter()
        .map(|hash| source.code(hash))
        .collect::<Result<_, _>>()
        .map_err(WitnessError)?;
    let multiproof = source.multiproof(&keys).map_err(WitnessError)?;
    Ok(Witness {
        openings,
        codes,
        multiproof,
    })
}
