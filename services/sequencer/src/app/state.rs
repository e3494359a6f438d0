//! The chain's latest state, in memory, in maps whose copies cost nothing.
//!
//! A copy is a snapshot: it shares all nodes with the original and never changes, so any number of
//! calls read one block's state while the next block is made.

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, map::DefaultHashBuilder};
use cloister_stf::{BlockTrace, Bytecode, StateError, StateReader, state::analysed_code};
use cloister_types::AccountValue;
use imbl::{GenericHashMap, shared_ptr::DefaultSharedPtr};

type Map<K, V> = GenericHashMap<K, V, DefaultHashBuilder, DefaultSharedPtr>;

/// A code is not where its hash says: our own mistake, or a damaged database.
#[derive(Debug, thiserror::Error)]
#[error("the code with hash `{0}` is missing")]
struct MissingCode(B256);

/// A snapshot of the state. Cloning is O(1).
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    accounts: Map<Address, AccountValue>,
    storage: Map<(Address, U256), U256>,
    codes: Map<B256, Bytecode>,
}

impl State {
    /// An account; empty when it was never written.
    pub(crate) fn account(&self, address: &Address) -> AccountValue {
        self.accounts.get(address).copied().unwrap_or_default()
    }

    /// A storage slot; zero when it was never written.
    pub(crate) fn slot(&self, address: &Address, slot: &U256) -> U256 {
        self.storage
            .get(&(*address, *slot))
            .copied()
            .unwrap_or_default()
    }

    /// The bytes of a code; none for an account without code.
    pub(crate) fn code_bytes(&self, hash: &B256) -> Bytes {
        if *hash == KECCAK256_EMPTY {
            return Bytes::new();
        }
        self.codes
            .get(hash)
            .map(Bytecode::original_bytes)
            .unwrap_or_default()
    }

    /// Writes an account.
    pub(crate) fn set_account(&mut self, address: Address, value: AccountValue) {
        self.accounts.insert(address, value);
    }

    /// Writes a storage slot.
    pub(crate) fn set_slot(&mut self, address: Address, slot: U256, value: U256) {
        self.storage.insert((address, slot), value);
    }

    /// Adds code by its hash.
    pub(crate) fn set_code(&mut self, hash: B256, code: Bytes) {
        self.codes.insert(hash, analysed_code(code));
    }

    /// Applies what a block changed.
    pub(crate) fn apply(&mut self, trace: &BlockTrace) {
        for change in &trace.accounts {
            self.set_account(change.address, change.after);
        }
        for change in &trace.storage {
            self.set_slot(change.address, change.slot, change.after);
        }
        for (hash, code) in &trace.created_codes {
            self.codes.insert(*hash, code.clone());
        }
    }

    /// Accounts and slots that were ever written.
    pub(crate) fn sizes(&self) -> (usize, usize) {
        (self.accounts.len(), self.storage.len())
    }
}

impl StateReader for State {
    fn account(&self, address: &Address) -> Result<AccountValue, StateError> {
        Ok(Self::account(self, address))
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, StateError> {
        Ok(self.slot(address, slot))
    }

    fn code(&self, hash: &B256) -> Result<Bytecode, StateError> {
        self.codes
            .get(hash)
            .cloned()
            .ok_or_else(|| StateError::source(MissingCode(*hash)))
    }
}

#[cfg(test)]
mod tests {
    use cloister_stf::{AccountChange, StorageChange};

    use super::*;

    #[test]
    fn a_snapshot_does_not_see_later_writes() {
        let address = Address::with_last_byte(1);
        let mut state = State::default();
        let before = AccountValue {
            nonce: 1,
            ..AccountValue::EMPTY
        };
        state.set_account(address, before);
        let snapshot = state.clone();
        let after = AccountValue {
            nonce: 2,
            ..AccountValue::EMPTY
        };
        let slot = U256::from(3);
        let trace = BlockTrace {
            accounts: vec![AccountChange {
                address,
                before,
                after,
            }],
            storage: vec![StorageChange {
                address,
                slot,
                before: U256::ZERO,
                after: slot,
            }],
            created_codes: vec![(B256::ZERO, analysed_code(Bytes::from_static(&[0])))],
            ..BlockTrace::default()
        };
        state.apply(&trace);
        assert_eq!(
            (
                snapshot.account(&address).nonce,
                state.account(&address).nonce
            ),
            (1, 2)
        );
        assert_eq!(
            (snapshot.slot(&address, &slot), state.slot(&address, &slot)),
            (U256::ZERO, slot)
        );
        assert_eq!(state.code_bytes(&B256::ZERO), Bytes::from_static(&[0]));
        assert!(snapshot.code(&B256::ZERO).is_err());
    }
}
