//! The hashes that a claim leads through, in the types of this crate.

use alloy_primitives::B256;
use cloister_crypto::{activity, state};
use cloister_types::{Field, LogRecord, Salt, StateKey};

pub(crate) fn leaf_key(key: &StateKey) -> [u8; 32] {
    state::leaf_key(key)
}

pub(crate) fn leaf_commit(key: &StateKey, salt: [u8; 16], value: &[u8]) -> B256 {
    B256::new(state::leaf_commit(key.kind(), &Salt::from(salt), value))
}

pub(crate) fn field_commitment(field: Field, salt: [u8; 16], bytes: &[u8]) -> B256 {
    activity::field_commitment(field, &Salt::from(salt), bytes)
}

pub(crate) fn log_commitment(salt: [u8; 16], log: &LogRecord) -> B256 {
    activity::log_commitment(&Salt::from(salt), log)
}

/// How many siblings the path of leaf `index` of `count` has: one for each level in which the node
/// is not the last of an odd number.
pub(crate) fn siblings_of(index: u32, count: u32) -> usize {
    let (mut index, mut width, mut siblings) = (index, count, 0);
    while width > 1 {
        siblings += usize::from((index ^ 1) < width);
        index /= 2;
        width = width.div_ceil(2);
    }
    siblings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_siblings_of_every_leaf() {
        for count in 1..40_u8 {
            let leaves: Vec<B256> = (0..count).map(B256::with_last_byte).collect();
            for index in 0..count {
                let path = activity::transaction_path(&leaves, usize::from(index)).expect("a leaf");
                assert_eq!(
                    siblings_of(index.into(), count.into()),
                    path.len(),
                    "{index} of {count}"
                );
            }
        }
    }
}
