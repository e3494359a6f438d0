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
    block::{AccountChange, BlockState, BlockTrace, StorageChange},
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
            .get_or_make(&address, || reader.account(&address).map(Entry::new))?
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
            .get_or_make((&slot, &address), || {
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

    /// What the block read and changed, in a fixed order.
    pub(crate) fn into_trace(self) -> BlockTrace {
        let mut trace = BlockTrace::default();
        for (address, entry) in self.accounts.iter() {
            if entry.accessed {
                trace.accessed.insert(StateKey::Account(*address));
            }
            if entry.before != entry.now {
                trace.accounts.push(AccountChange {
                    address: *address,
                    before: entry.before,
                    after: entry.now,
                });
            }
        }
        for ((slot, address), entry) in self.slots.iter() {
            if entry.accessed {
                let key = StateKey::Storage(*address, (*slot).into());
                trace.accessed.insert(key);
            }
            if entry.before != entry.now {
                trace.storage.push(StorageChange {
                    address: *address,
                    slot: *slot,
                    before: entry.before,
                    after: entry.now,
                });
            }
        }
        self.codes.into_iter().for_each(|(hash, code)| match code {
            Code::Read { accessed: true, .. } => {
                trace.read_codes.insert(hash);
            }
            Code::Read { .. } => {}
            Code::Created(code) => trace.created_codes.push((hash, code)),
        });
        trace.accounts.sort_unstable_by_key(|change| change.address);
        trace
            .storage
            .sort_unstable_by_key(|change| (change.address, change.slot));
        trace.created_codes.sort_unstable_by_key(|(hash, _)| *hash);
        trace
    }
}

impl<R: StateReader + ?Sized> BlockState for Overlay<'_, R> {
    fn commit(&mut self, state: &EvmState) -> Result<Vec<Address>, StateError> {
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

    fn forget_touches(&mut self) {
        for touch in self.touched.drain(..) {
            match touch {
                Touch::Account(address) => {
                    if let Some(entry) = self.accounts.get_mut(&address) {
                        entry.accessed = false;
                    }
                }
                Touch::Slot(address, slot) => {
                    if let Some(entry) = self.slots.get_mut((&slot, &address)) {
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
}

/// The value that a leaf commits to. An account that is empty in the sense of EIP-161 is absent,
/// whatever its code hash says.
pub(crate) fn value_of(info: &AccountInfo) -> AccountValue {
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

/// An account as revm takes it. Absent and empty are the same, here as in the tree, so that no
/// witness can tell them apart (SSTF-4).
#[inline]
pub(crate) fn info_of(value: &AccountValue) -> Option<AccountInfo> {
    if value.is_empty() {
        return None;
    }
    Some(AccountInfo {
        nonce: value.nonce,
        balance: value.balance,
        code_hash: value.code_hash,
        account_id: None,
        code: None,
    })
}

/// Where a block's hash is: in EIP-2935's contract, so that the state witness covers it.
pub(crate) fn history_slot(number: u64) -> (Address, U256) {
    let slot = number.checked_rem(HISTORY_SERVE_WINDOW).unwrap_or_default();
    (HISTORY_ADDRESS, U256::from(slot))
}

impl<R: StateReader + ?Sized> Database for Overlay<'_, R> {
    type Error = StateError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        let value = self.account(address)?.now;
        Ok(info_of(&value))
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

    fn block_hash(&mut self, number: u64) -> Result<B256, StateError> {
        let (address, slot) = history_slot(number);
        Ok(B256::from(self.slot(address, slot)?.now))
    }
}
