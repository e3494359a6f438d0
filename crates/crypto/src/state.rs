//! Places and commitments of state leaves, version 1.

use cloister_types::{ChainConfig, Salt, StateKey, StateKind};

use crate::{domain, hash::sha256};

/// Place of an entry's leaf in the tree: SHA-256(0x03 ‖ kind u8 ‖ address 20 \[‖ slot 32\]).
#[must_use]
pub fn leaf_key(key: &StateKey) -> [u8; 32] {
    let kind = [key.kind().code()];
    match key {
        StateKey::Account(address) | StateKey::Activity(address) => {
            sha256(domain::STATE_KEY, &[&kind, address.as_slice()])
        }
        StateKey::Storage(address, slot) => sha256(
            domain::STATE_KEY,
            &[&kind, address.as_slice(), slot.as_slice()],
        ),
    }
}

/// As [`leaf_key`], of the key's encoding behind the byte of its kind.
#[must_use]
#[inline]
pub fn encoded_leaf_key(kind: StateKind, rest: &[u8]) -> [u8; 32] {
    sha256(domain::STATE_KEY, &[&[kind.code()], rest])
}

/// Commitment to an entry's value: SHA-256(0x04 ‖ kind u8 ‖ salt 16 ‖ value).
///
/// The value is 72 bytes for an account, 32 for a storage slot and 40 for an activity chain.
#[must_use]
#[inline]
pub fn leaf_commit(kind: StateKind, salt: &Salt, value: &[u8]) -> [u8; 32] {
    sha256(
        domain::STATE_COMMIT,
        &[&[kind.code()], salt.as_bytes(), value],
    )
}

/// As [`leaf_commit`], of salt and value in one piece.
#[must_use]
#[inline]
pub fn opened_leaf_commit(kind: StateKind, salt_and_value: &[u8]) -> [u8; 32] {
    sha256(domain::STATE_COMMIT, &[&[kind.code()], salt_and_value])
}

/// Digest of a chain's configuration: SHA-256(0x0f ‖ encoding).
#[must_use]
pub fn config_digest(config: &ChainConfig) -> [u8; 32] {
    sha256(domain::CHAIN_CONFIG, &[&config.encode()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Address, B256};

    #[test]
    fn kinds_do_not_share_places() {
        let address = Address::repeat_byte(1);
        let keys = [
            StateKey::Account(address),
            StateKey::Activity(address),
            StateKey::Storage(address, B256::ZERO),
        ]
        .map(|key| leaf_key(&key));
        assert_ne!(keys[0], keys[1]);
        assert_ne!(keys[0], keys[2]);
        assert_ne!(keys[1], keys[2]);
    }

    #[test]
    fn encodings_are_hashed_like_what_they_stand_for() {
        let address = Address::repeat_byte(1);
        for key in [
            StateKey::Account(address),
            StateKey::Activity(address),
            StateKey::Storage(address, B256::repeat_byte(2)),
        ] {
            let encoded = key.encode();
            assert_eq!(encoded_leaf_key(key.kind(), &encoded[1..]), leaf_key(&key));
            let whole = [[3; 16].as_slice(), &encoded].concat();
            assert_eq!(
                opened_leaf_commit(key.kind(), &whole),
                leaf_commit(key.kind(), &Salt::from([3; 16]), &encoded)
            );
        }
    }

    #[test]
    fn the_salt_and_the_kind_change_the_commitment() {
        let commit = leaf_commit(StateKind::Storage, &Salt::from([1; 16]), &[7; 32]);
        assert_ne!(
            commit,
            leaf_commit(StateKind::Storage, &Salt::from([2; 16]), &[7; 32])
        );
        assert_ne!(
            commit,
            leaf_commit(StateKind::Account, &Salt::from([1; 16]), &[7; 32])
        );
    }
}
