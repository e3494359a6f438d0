//! The changes of one block over the state before it, and the record of what was read.

use alloc::vec::Vec;
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use cloister_types::{AccountValue, StateKey};
use revm::{
    Database,
    primitives::HashMap,
    state::{Account, AccountInfo, Bytecode, EvmState, EvmStorageSlot},
};

use crate::{
    block::{AccountChange, BlockTrace, StorageChange},
    cost::{Touched, words},
    rules::{HISTORY_ADDRESS, HISTORY_SERVE_WINDOW},
    state::{StateError, StateReader},
    table::{Seed, Table},
};

/// A value as it was before the block and as it is now. `accessed` says whether the block depends
/// on it; a value that only a refused transaction looked at is kept, but the block does not depend
/// on it (SSTF-3).
#[derive(Debug)]
struct Entry<T> {
    before: T,
    now: T,
    accessed: bool,
}

impl<T: Copy> Entry<T> {
    const fn new(before: T) -> Self {
        Self {
            before,
            now: before,
            accessed: false,
        }
    }
}

#[derive(Debug)]
enum Code {
    /// From the state before the block.
    Read { code: Bytecode, accessed: bool },
    /// Created by the block.
    Created(Bytecode),
}

#[derive(Clone, Copy, Debug)]
enum Touch {
    Account(Address),
    Slot(Address, U256),
    Code(B256),
}

/// What revm executes over.
pub(crate) struct Overlay<'a, R: ?Sized> {
    reader: &'a R,
    accounts: Table<Address, Entry<AccountValue>>,
    slots: Table<(U256, Address), Entry<U256>>,
    codes: HashMap<B256, Code>,
    /// First touches by the transaction that is running.
    touched: Vec<Touch>,
}

impl<R: ?Sized> core::fmt::Debug for Overlay<'_, R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Overlay")
            .field("accounts", &self.accounts.len())
            .field("slots", &self.slots.len())
            .finish_non_exhaustive()
    }
}

impl<'a, R: StateReader + ?Sized> Overlay<'a, R> {
    pub(crate) fn new(reader: &'a R, seed: Seed) -> Self {
        Self {
            reader,
            accounts: Table::new(seed, 64),
            slots: Table::new(seed, 64),
            codes: HashMap::default(),
            touched: Vec::new(),
        }
    }

    fn account(&mut self, address: Address) -> Result<&mut Entry<AccountValue>, StateError> {
        let reader = self.reader;
        let entry = self
            .accounts
            .get_or_make(address, || reader.account(&address).map(Entry::new))?
            .ok_or(StateError::NotInWitness(StateKey::Account(address)))?;
        if !entry.accessed {
            entry.accessed = true;
            self.touched.push(Touch::Account(address));
        }
        Ok(entry)
    }

    fn slot(&mut self, address: Address, slot: U256) -> Result<&mut Entry<U256>, StateError> {
        let reader = self.reader;
        let entry = self
            .slots
            .get_or_make((slot, address), || {
                reader.storage(&address, &slot).map(Entry::new)
            })?
            .ok_or_else(|| StateError::NotInWitness(StateKey::Storage(address, slot.into())))?;
        if !entry.accessed {
            entry.accessed = true;
            self.touched.push(Touch::Slot(address, slot));
        }
        Ok(entry)
    }

    /// What the transaction that is running touched first in the block, so far.
    pub(crate) fn touched(&self) -> Touched {
        let mut touched = Touched::default();
        for touch in &self.touched {
            match touch {
                Touch::Account(_) | Touch::Slot(..) => {
                    touched.leaves = touched.leaves.saturating_add(1);
                }
                Touch::Code(hash) => {
                    if let Some(Code::Read { code, .. }) = self.codes.get(hash) {
                        let more = words(code.len());
                        touched.code_words = touched.code_words.saturating_add(more);
                    }
                }
            }
        }
        touched
    }

    /// Makes the changes of the transaction that ran, and answers the accounts whose nonce, balance
    /// or code it changed, in ascending order.
    pub(crate) fn commit(&mut self, state: &EvmState) -> Result<Vec<Address>, StateError> {
        let mut accounts: Vec<(&Address, &Account)> = state
            .iter()
            .filter(|(_, account)| account.is_touched())
            .collect();
        accounts.sort_unstable_by_key(|(address, _)| *address);
        let mut changed = Vec::with_capacity(accounts.len());
        for (address, account) in accounts {
            if self.commit_account(*address, account)? {
                changed.push(*address);
            }
        }
        self.touched.clear();
        Ok(changed)
    }

    fn commit_account(&mut self, address: Address, account: &Account) -> Result<bool, StateError> {
        let destroyed = account.is_selfdestructed();
        let value = if destroyed {
            AccountValue::EMPTY
        } else {
            value_of(&account.info)
        };
        let entry = self.account(address)?;
        let is_changed = entry.now != value;
        if is_changed {
            let is_other_code = value.code_hash != entry.now.code_hash;
            entry.now = value;
            if is_other_code
                && value.code_hash != KECCAK256_EMPTY
                && let Some(code) = &account.info.code
            {
                self.create_code(value.code_hash, code.clone());
            }
        }
        let mut slots: Vec<(&U256, &EvmStorageSlot)> = account
            .storage
            .iter()
            .filter(|(_, slot)| destroyed || slot.is_changed())
            .collect();
        // The order of first touches decides nothing, but it should not depend on a hash map.
        slots.sort_unstable_by_key(|(key, _)| *key);
        for (key, slot) in slots {
            let now = if destroyed {
                U256::ZERO
            } else {
                slot.present_value
            };
            self.slot(address, *key)?.now = now;
        }
        Ok(is_changed)
    }

    /// Code that the block read stays read; whether a refused transaction looked at it before must
    /// make no difference.
    fn create_code(&mut self, hash: B256, code: Bytecode) {
        if !matches!(
            self.codes.get(&hash),
            Some(Code::Read { accessed: true, .. })
        ) {
            self.codes.insert(hash, Code::Created(code));
        }
    }

    /// Forgets that a transaction which was refused looked at anything.
    pub(crate) fn forget_touches(&mut self) {
        for touch in self.touched.drain(..) {
            match touch {
                Touch::Account(address) => {
                    if let Some(entry) = self.accounts.get_mut(&address) {
                        entry.accessed = false;
                    }
                }
                Touch::Slot(address, slot) => {
                    if let Some(entry) = self.slots.get_mut(&(slot, address)) {
                        entry.accessed = false;
                    }
                }
                Touch::Code(hash) => {
                    if let Some(Code::Read { accessed, .. }) = self.codes.get_mut(&hash) {
                        *accessed = false;
                    }
                }
            }
        }
    }

    /// What the block changed, in no order.
    pub(crate) fn into_changes(self) -> BlockTrace {
        let accounts = self.accounts.iter().filter_map(|(address, entry)| {
            (entry.before != entry.now).then_some(AccountChange {
                address: *address,
                before: entry.before,
                after: entry.now,
            })
        });
        let storage = self.slots.iter().filter_map(|((slot, address), entry)| {
            (entry.before != entry.now).then_some(StorageChange {
                address: *address,
                slot: *slot,
                before: entry.before,
                after: entry.now,
            })
        });
        let created_codes = self
            .codes
            .into_iter()
            .filter_map(|(hash, code)| match code {
                Code::Created(code) => Some((hash, code)),
                Code::Read { .. } => None,
            });
        BlockTrace {
            accounts: accounts.collect(),
            storage: storage.collect(),
            created_codes: created_codes.collect(),
            ..BlockTrace::default()
        }
    }

    /// What the block read and changed, in a fixed order.
    pub(crate) fn into_trace(self) -> BlockTrace {
        let accounts = self.accounts.iter().filter(|(_, entry)| entry.accessed);
        let slots = self.slots.iter().filter(|(_, entry)| entry.accessed);
        let accessed = accounts
            .map(|(address, _)| StateKey::Account(*address))
            .chain(slots.map(|((slot, address), _)| StateKey::Storage(*address, (*slot).into())))
            .collect();
        let read_codes = self
            .codes
            .iter()
            .filter(|(_, code)| matches!(code, Code::Read { accessed: true, .. }))
            .map(|(hash, _)| *hash)
            .collect();
        let mut trace = self.into_changes();
        trace.accessed = accessed;
        trace.read_codes = read_codes;
        trace.accounts.sort_unstable_by_key(|change| change.address);
        trace
            .storage
            .sort_unstable_by_key(|change| (change.address, change.slot));
        trace.created_codes.sort_unstable_by_key(|(hash, _)| *hash);
        trace
    }
}

/// The value that a leaf commits to. An account that is empty in the sense of EIP-161 is absent,
/// whatever its code hash says.
fn value_of(info: &AccountInfo) -> AccountValue {
    let code_hash = if info.code_hash.is_zero() {
        KECCAK256_EMPTY
    } else {
        info.code_hash
    };
    AccountValue {
        nonce: info.nonce,
        balance: info.balance,
        code_hash,
    }
}

impl<R: StateReader + ?Sized> Database for Overlay<'_, R> {
    type Error = StateError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        let value = self.account(address)?.now;
        // Absent and empty are the same, here as in the tree, so that no witness can tell them
        // apart (SSTF-4).
        if value.is_empty() {
            return Ok(None);
        }
        let AccountValue {
            nonce,
            balance,
            code_hash,
        } = value;
        Ok(Some(AccountInfo {
            nonce,
            balance,
            code_hash,
            account_id: None,
            code: None,
        }))
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, StateError> {
        use revm::primitives::hash_map::Entry as Place;
        if hash == KECCAK256_EMPTY || hash.is_zero() {
            return Ok(Bytecode::default());
        }
        let code = match self.codes.entry(hash) {
            Place::Occupied(place) => place.into_mut(),
            Place::Vacant(place) => {
                let code = self.reader.code(&hash)?;
                place.insert(Code::Read {
                    code,
                    accessed: false,
                })
            }
        };
        Ok(match code {
            Code::Created(code) => code.clone(),
            Code::Read { code, accessed } => {
                if !*accessed {
                    *accessed = true;
                    self.touched.push(Touch::Code(hash));
                }
                code.clone()
            }
        })
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, StateError> {
        Ok(self.slot(address, slot)?.now)
    }

    /// Served from EIP-2935's contract, so that the state witness covers it.
    fn block_hash(&mut self, number: u64) -> Result<B256, StateError> {
        let slot = number.checked_rem(HISTORY_SERVE_WINDOW).unwrap_or_default();
        Ok(B256::from(
            self.slot(HISTORY_ADDRESS, U256::from(slot))?.now,
        ))
    }
}
