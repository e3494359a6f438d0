//! Where execution reads state from.

use alloc::{boxed::Box, collections::BTreeMap};
use alloy_primitives::{Address, B256, U256};
use cloister_types::{AccountValue, StateKey};
use revm::{database_interface::DBErrorMarker, state::Bytecode};

use crate::{block::BlockTrace, genesis::Genesis};

/// Why state could not be read.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The witness of the batch does not hold an entry that execution needs.
    #[error("the witness lacks {0:?}")]
    NotInWitness(StateKey),
    /// The witness of the batch does not hold code that execution needs.
    #[error("the witness lacks the code with hash {0}")]
    CodeNotInWitness(B256),
    /// The place that holds the state failed.
    #[error("the state could not be read")]
    Source(#[source] Box<dyn core::error::Error + Send + Sync>),
}

impl DBErrorMarker for StateError {}

impl StateError {
    /// Wraps the failure of a database.
    #[must_use]
    pub fn source(error: impl Into<Box<dyn core::error::Error + Send + Sync>>) -> Self {
        Self::Source(error.into())
    }
}

/// State as it was at the end of some block.
///
/// An absent account reads as [`AccountValue::EMPTY`], an absent slot as zero. Reads take `&self`
/// so that many executions can share one state.
pub trait StateReader {
    /// Nonce, balance and code hash of an account.
    ///
    /// # Errors
    /// [`StateError`] when the state cannot be read.
    fn account(&self, address: &Address) -> Result<AccountValue, StateError>;

    /// A storage slot of a contract.
    ///
    /// # Errors
    /// [`StateError`] when the state cannot be read.
    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, StateError>;

    /// Code by its hash, which is never that of no code. Analysed code is cheap to clone, so keep
    /// it for the next call.
    ///
    /// # Errors
    /// [`StateError`] when the code cannot be read.
    fn code(&self, hash: &B256) -> Result<Bytecode, StateError>;
}

impl<R: StateReader + ?Sized> StateReader for &R {
    fn account(&self, address: &Address) -> Result<AccountValue, StateError> {
        (**self).account(address)
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, StateError> {
        (**self).storage(address, slot)
    }

    fn code(&self, hash: &B256) -> Result<Bytecode, StateError> {
        (**self).code(hash)
    }
}

/// Code for execution from its bytes, which start an EIP-7702 delegation only in its one form.
#[must_use]
pub fn analysed_code(bytes: alloy_primitives::Bytes) -> Bytecode {
    Bytecode::new_raw_checked(bytes.clone()).unwrap_or_else(|_| Bytecode::new_legacy(bytes))
}

/// A whole state in memory, for tests and small tools.
#[derive(Clone, Debug, Default)]
pub struct MemoryState {
    /// Accounts that are not empty.
    pub accounts: BTreeMap<Address, AccountValue>,
    /// Slots that are not zero.
    pub storage: BTreeMap<(Address, U256), U256>,
    /// Code by its hash.
    pub codes: BTreeMap<B256, Bytecode>,
}

impl MemoryState {
    /// The state at genesis.
    #[must_use]
    pub fn from_genesis(genesis: &Genesis) -> Self {
        let mut state = Self::default();
        state.apply(&genesis.trace);
        state
    }

    /// Makes the changes of a block.
    pub fn apply(&mut self, trace: &BlockTrace) {
        for change in &trace.accounts {
            if change.after.is_empty() {
                self.accounts.remove(&change.address);
            } else {
                self.accounts.insert(change.address, change.after);
            }
        }
        for change in &trace.storage {
            if change.after.is_zero() {
                self.storage.remove(&(change.address, change.slot));
            } else {
                self.storage
                    .insert((change.address, change.slot), change.after);
            }
        }
        for (hash, code) in &trace.created_codes {
            self.codes.insert(*hash, code.clone());
        }
    }
}

impl StateReader for MemoryState {
    fn account(&self, address: &Address) -> Result<AccountValue, StateError> {
        Ok(self.accounts.get(address).copied().unwrap_or_default())
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, StateError> {
        Ok(self
            .storage
            .get(&(*address, *slot))
            .copied()
            .unwrap_or_default())
    }

    fn code(&self, hash: &B256) -> Result<Bytecode, StateError> {
        self.codes
            .get(hash)
            .cloned()
            .ok_or(StateError::CodeNotInWitness(*hash))
    }
}
