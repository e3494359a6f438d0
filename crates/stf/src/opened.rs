//! The opened witness: state that a batch executes over, and what it turns that state into.
//!
//! Each entry is read from the input once, into the place where execution finds and changes it; the
//! order of the tree is kept beside it. The guest pays for every step here. Nothing is ever undone:
//! where a transaction is refused, the batch is.

use alloc::vec::Vec;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use cloister_crypto::{
    BatchSalter,
    activity::extend,
    big_endian, equal,
    state::{encoded_leaf_key, leaf_commit, opened_leaf_commit},
};
use cloister_state_tree::{LeafCommit, LeafKey, Multiproof, PartialTree};
use cloister_types::{
    AccountValue, ActivityHead, BatchHeader, DecodeError, StateKey, StateKind, codec::Reader,
};
use revm::{
    Database,
    state::{Account, AccountInfo, Bytecode, EvmState},
};

use crate::{
    block::BlockState,
    execute::BatchError,
    input::PRESENCE,
    overlay::{history_slot, info_of, value_of},
    state::{StateError, analysed_code},
    table::{Seed, Table},
};

/// Bytes of a salt and the value behind it.
const SALT: usize = 16;
const ACCOUNT: usize = SALT + AccountValue::ENCODED_BYTES;
const STORAGE: usize = SALT + 32;
const ACTIVITY: usize = SALT + ActivityHead::ENCODED_BYTES;

/// Lies at a word's boundary, from where the guest takes words instead of bytes.
#[repr(C, align(4))]
struct Aligned<const BYTES: usize>([u8; BYTES]);

impl<const BYTES: usize> Aligned<BYTES> {
    /// A copy, made in one piece: inlined, each byte would be moved where it is used.
    #[inline(never)]
    const fn copy(bytes: &[u8; BYTES]) -> Self {
        Self(*bytes)
    }
}

/// What an entry of the state holds.
trait Value: Copy {
    /// Whether both are the same, in few steps.
    fn is(&self, other: &Self) -> bool;
}

impl Value for AccountValue {
    #[inline]
    fn is(&self, other: &Self) -> bool {
        self.nonce == other.nonce
            && equal::numbers(&self.balance, &other.balance)
            && equal::bytes(&self.code_hash, &other.code_hash)
    }
}

impl Value for U256 {
    #[inline]
    fn is(&self, other: &Self) -> bool {
        equal::numbers(self, other)
    }
}

impl Value for ActivityHead {
    #[inline]
    fn is(&self, other: &Self) -> bool {
        self.count == other.count && equal::bytes(&self.head, &other.head)
    }
}

/// Whether an account's value is what revm holds of it.
#[inline]
fn is_value_of(value: &AccountValue, info: &AccountInfo) -> bool {
    value.nonce == info.nonce
        && equal::numbers(&value.balance, &info.balance)
        && equal::bytes(&value.code_hash, &info.code_hash)
}

/// An entry of the witness: before the batch and now.
#[derive(Debug)]
struct Entry<T> {
    before: T,
    now: T,
    /// Whether the batch depends on it.
    is_touched: bool,
}

impl<T: Value> Entry<T> {
    #[inline]
    const fn new(value: T) -> Self {
        Self {
            before: value,
            now: value,
            is_touched: false,
        }
    }

    /// The value, on which the batch depends from now on.
    #[inline]
    const fn touch(&mut self) -> &mut T {
        self.is_touched = true;
        &mut self.now
    }
}

/// The entries of a witness.
#[derive(Debug)]
struct Entries {
    /// Of each entry, in the tree's order. Each table holds the entries of its kind in that order.
    kinds: Vec<StateKind>,
    accounts: Table<Address, Entry<AccountValue>>,
    slots: Table<(U256, Address), Entry<U256>>,
    activity: Table<Address, Entry<ActivityHead>>,
}

impl Entries {
    /// The key of an entry, to name it in an error. Where there is none, which no witness in order
    /// can bring about, it is an error all the same.
    #[cold]
    fn key(&self, position: usize) -> StateKey {
        let unknown = StateKey::Account(Address::ZERO);
        self.find_key(position).unwrap_or(unknown)
    }

    fn find_key(&self, position: usize) -> Option<StateKey> {
        let kind = *self.kinds.get(position)?;
        let before = self.kinds.iter().take(position);
        let number = before.filter(|one| **one == kind).count();
        match kind {
            StateKind::Account => {
                let (address, _) = self.accounts.iter().nth(number)?;
                Some(StateKey::Account(*address))
            }
            StateKind::Storage => {
                let ((slot, address), _) = self.slots.iter().nth(number)?;
                Some(StateKey::Storage(*address, (*slot).into()))
            }
            StateKind::Activity => {
                let (address, _) = self.activity.iter().nth(number)?;
                Some(StateKey::Activity(*address))
            }
        }
    }
}

/// The openings of a witness as they were read, of which nothing is proved yet.
#[derive(Debug)]
pub(crate) struct Openings {
    entries: Entries,
    /// Where in the tree each entry belongs.
    places: Vec<LeafKey>,
    /// What the tree must hold there.
    commits: Vec<Option<LeafCommit>>,
    seed: Seed,
}

impl Openings {
    /// Reads so many openings.
    pub(crate) fn read(
        reader: &mut Reader<'_>,
        count: usize,
        seed: Seed,
    ) -> Result<Self, DecodeError> {
        // Most entries are of an account, with its activity, or of its slots.
        let room = count / 2;
        let mut openings = Self {
            entries: Entries {
                kinds: Vec::with_capacity(count),
                accounts: Table::new(seed, room),
                slots: Table::new(seed, room),
                activity: Table::new(seed, room),
            },
            places: Vec::with_capacity(count),
            commits: Vec::with_capacity(count),
            seed,
        };
        for _ in 0..count {
            openings.read_one(reader)?;
        }
        Ok(openings)
    }

    #[inline]
    fn read_one(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        let kind = StateKind::read(reader)?;
        self.entries.kinds.push(kind);
        match kind {
            StateKind::Account => {
                let address = self.read_address(kind, reader)?;
                let value = self.read_value::<ACCOUNT, _>(kind, reader, account_value)?;
                let entry = Entry::new(value.unwrap_or(AccountValue::EMPTY));
                self.entries.accounts.insert(&address, entry);
            }
            StateKind::Storage => {
                let key = Aligned::<52>::copy(reader.chunk()?);
                self.places.push(LeafKey(encoded_leaf_key(kind, &key.0)));
                let mut parts = Reader::new("state key", &key.0);
                let (address, slot) = (parts.address()?, big_endian::number(parts.chunk()?));
                let value = self.read_value::<STORAGE, _>(kind, reader, slot_value)?;
                let entry = Entry::new(value.unwrap_or(U256::ZERO));
                self.entries.slots.insert((&slot, &address), entry);
            }
            StateKind::Activity => {
                let address = self.read_address(kind, reader)?;
                let value = self.read_value::<ACTIVITY, _>(kind, reader, ActivityHead::read)?;
                let entry = Entry::new(value.unwrap_or_default());
                self.entries.activity.insert(&address, entry);
            }
        }
        Ok(())
    }

    /// Reads a key that is an address only.
    #[inline]
    fn read_address(
        &mut self,
        kind: StateKind,
        reader: &mut Reader<'_>,
    ) -> Result<Address, DecodeError> {
        let key = Aligned::<20>::copy(reader.chunk()?);
        self.places.push(LeafKey(encoded_leaf_key(kind, &key.0)));
        Ok(Address::new(key.0))
    }

    /// Reads what an entry holds, in so many bytes with its salt; `None` where the tree has no leaf.
    #[inline]
    fn read_value<const BYTES: usize, T>(
        &mut self,
        kind: StateKind,
        reader: &mut Reader<'_>,
        read: impl FnOnce(&mut Reader<'_>) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        if !reader.flag(PRESENCE)? {
            self.commits.push(None);
            return Ok(None);
        }
        let bytes = Aligned::<BYTES>::copy(reader.chunk()?);
        let commit = LeafCommit(opened_leaf_commit(kind, &bytes.0));
        self.commits.push(Some(commit));
        let mut parts = Reader::new("opening", &bytes.0);
        parts.bytes(SALT)?;
        read(&mut parts).map(Some)
    }

    /// Checks the entries against the previous state root, and makes them a state.
    ///
    /// # Errors
    /// [`BatchError`] when the witness does not open that root.
    pub(crate) fn open(
        self,
        multiproof: &Multiproof,
        codes: Vec<Bytes>,
        previous: &BatchHeader,
    ) -> Result<(PartialTree, OpenedState), BatchError> {
        let Self {
            entries,
            places,
            commits,
            seed,
        } = self;
        let tree = PartialTree::with_keys(multiproof, places)?;
        let (expected, got) = (previous.state_root, B256::new(tree.root()));
        if got != expected {
            return Err(BatchError::StateRoot { expected, got });
        }
        let differs = |(in_tree, opened): (Option<&LeafCommit>, &Option<LeafCommit>)| match opened {
            Some(opened) => !in_tree.is_some_and(|in_tree| equal::bytes(&in_tree.0, &opened.0)),
            None => in_tree.is_some(),
        };
        let different = tree.commits().zip(&commits).position(differs);
        if let Some(position) = different {
            return Err(BatchError::Opening(entries.key(position)));
        }
        let (codes, code_hashes) = open_codes(codes, seed)?;
        let state = OpenedState {
            entries,
            codes,
            code_hashes,
        };
        Ok((tree, state))
    }
}

fn slot_value(reader: &mut Reader<'_>) -> Result<U256, DecodeError> {
    reader.chunk().map(big_endian::number)
}

fn account_value(reader: &mut Reader<'_>) -> Result<AccountValue, DecodeError> {
    Ok(AccountValue {
        nonce: reader.u64()?,
        balance: slot_value(reader)?,
        code_hash: reader.b256()?,
    })
}

fn encode_account(value: &AccountValue) -> [u8; AccountValue::ENCODED_BYTES] {
    let mut out = [0; AccountValue::ENCODED_BYTES];
    let (nonce, rest) = out.split_at_mut(8);
    let (balance, code_hash) = rest.split_at_mut(32);
    nonce.copy_from_slice(&value.nonce.to_be_bytes());
    balance.copy_from_slice(&big_endian::bytes(&value.balance));
    code_hash.copy_from_slice(value.code_hash.as_slice());
    out
}

#[derive(Debug)]
struct Code {
    analysed: Bytecode,
    /// Whether the witness holds it; else the batch created it.
    is_from_witness: bool,
    is_touched: bool,
}

type Codes = Table<B256, Code>;

fn open_codes(codes: Vec<Bytes>, seed: Seed) -> Result<(Codes, Vec<B256>), BatchError> {
    let mut opened = Table::new(seed, codes.len());
    let mut hashes: Vec<B256> = Vec::with_capacity(codes.len());
    for (index, code) in codes.into_iter().enumerate() {
        let hash = keccak256(&code);
        if hashes.last().is_some_and(|last| *last >= hash) {
            return Err(BatchError::CodeOrder(index));
        }
        hashes.push(hash);
        let code = Code {
            analysed: analysed_code(code),
            is_from_witness: true,
            is_touched: false,
        };
        opened.insert(&hash, code);
    }
    Ok((opened, hashes))
}

/// The state of a witness, with the changes of the transactions executed so far.
#[derive(Debug)]
pub(crate) struct OpenedState {
    entries: Entries,
    codes: Codes,
    /// Hashes of the witness' codes, in its order.
    code_hashes: Vec<B256>,
}

impl OpenedState {
    #[inline]
    fn account(&mut self, address: &Address) -> Result<&mut AccountValue, StateError> {
        let Some(entry) = self.entries.accounts.get_mut(address) else {
            return Err(StateError::NotInWitness(StateKey::Account(*address)));
        };
        Ok(entry.touch())
    }

    #[inline]
    fn slot(&mut self, address: &Address, slot: &U256) -> Result<&mut U256, StateError> {
        let Some(entry) = self.entries.slots.get_mut((slot, address)) else {
            let key = StateKey::Storage(*address, (*slot).into());
            return Err(StateError::NotInWitness(key));
        };
        Ok(entry.touch())
    }

    /// Adds an entry to the activity chain of an address.
    pub(crate) fn extend_chain(
        &mut self,
        address: &Address,
        added: &B256,
    ) -> Result<(), StateError> {
        let Some(entry) = self.entries.activity.get_mut(address) else {
            return Err(StateError::NotInWitness(StateKey::Activity(*address)));
        };
        extend(entry.touch(), added);
        Ok(())
    }

    fn commit_account(&mut self, address: &Address, account: &Account) -> Result<bool, StateError> {
        let is_destroyed = account.is_selfdestructed();
        let now = self.account(address)?;
        let is_changed = is_destroyed || !is_value_of(now, &account.info);
        let is_changed = is_changed && self.change_account(address, account)?;
        account.storage.iter().try_for_each(|(key, slot)| {
            if is_destroyed {
                *self.slot(address, key)? = U256::ZERO;
            } else if !slot.present_value.is(&slot.original_value) {
                *self.slot(address, key)? = slot.present_value;
            }
            Ok(())
        })?;
        Ok(is_changed)
    }

    /// Changes the account's own values, if they differ after all.
    fn change_account(&mut self, address: &Address, account: &Account) -> Result<bool, StateError> {
        let value = if account.is_selfdestructed() {
            AccountValue::EMPTY
        } else {
            value_of(&account.info)
        };
        let now = self.account(address)?;
        if now.is(&value) {
            return Ok(false);
        }
        let is_other_code = !equal::bytes(&value.code_hash, &now.code_hash);
        *now = value;
        if is_other_code
            && value.code_hash != KECCAK256_EMPTY
            && let Some(code) = &account.info.code
        {
            self.create_code(&value.code_hash, code);
        }
        Ok(true)
    }

    fn create_code(&mut self, hash: &B256, code: &Bytecode) {
        // What the batch read from the witness it depends on, whatever it creates later.
        let is_read = |code: &Code| code.is_from_witness && code.is_touched;
        if !self.codes.get(hash).is_some_and(is_read) {
            let code = Code {
                analysed: code.clone(),
                is_from_witness: false,
                is_touched: true,
            };
            self.codes.insert(hash, code);
        }
    }

    /// The leaves of every value that is not what it was before the batch (SSTF-6): their positions
    /// in the witness and commitments.
    ///
    /// # Errors
    /// [`BatchError`] when the witness holds more than the batch depends on.
    pub(crate) fn finish(
        &self,
        tree: &PartialTree,
        salter: &BatchSalter,
    ) -> Result<Vec<(usize, LeafCommit)>, BatchError> {
        let Entries {
            kinds,
            accounts,
            slots,
            activity,
        } = &self.entries;
        let (mut accounts, mut slots) = (accounts.values(), slots.values());
        let mut activity = activity.values();
        let mut leaves = Leaves {
            salter,
            written: Vec::with_capacity(kinds.len()),
        };
        for (at, (kind, place)) in kinds.iter().zip(tree.keys()).enumerate() {
            let (kind, place) = (*kind, (at, place));
            let is_touched = match kind {
                StateKind::Account => leaves.write(kind, place, accounts.next(), encode_account),
                StateKind::Storage => leaves.write(kind, place, slots.next(), big_endian::bytes),
                StateKind::Activity => {
                    leaves.write(kind, place, activity.next(), ActivityHead::encode)
                }
            };
            if !is_touched {
                return Err(BatchError::ExtraOpening(self.entries.key(at)));
            }
        }
        for hash in &self.code_hashes {
            let is_needed = |code: &Code| code.is_from_witness && code.is_touched;
            if !self.codes.get(hash).is_some_and(is_needed) {
                return Err(BatchError::ExtraCode(*hash));
            }
        }
        Ok(leaves.written)
    }
}

/// The leaves that a batch writes.
struct Leaves<'a> {
    salter: &'a BatchSalter,
    written: Vec<(usize, LeafCommit)>,
}

impl Leaves<'_> {
    /// Adds the leaf of an entry if it changed; answers whether the batch depends on the entry.
    #[inline]
    fn write<T: Value, const BYTES: usize>(
        &mut self,
        kind: StateKind,
        (at, place): (usize, &LeafKey),
        entry: Option<&Entry<T>>,
        encode: impl FnOnce(&T) -> [u8; BYTES],
    ) -> bool {
        let Some(entry) = entry.filter(|entry| entry.is_touched) else {
            return false;
        };
        if !entry.now.is(&entry.before) {
            let salt = self.salter.leaf_salt(&place.0);
            let bytes = Aligned(encode(&entry.now));
            let commit = LeafCommit(leaf_commit(kind, &salt, &bytes.0));
            self.written.push((at, commit));
        }
        true
    }
}

impl Database for OpenedState {
    type Error = StateError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        Ok(info_of(self.account(&address)?))
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, StateError> {
        if equal::bytes(&hash, &KECCAK256_EMPTY) || equal::bytes(&hash, &B256::ZERO) {
            return Ok(Bytecode::default());
        }
        let code = self.codes.get_mut(&hash);
        let code = code.ok_or(StateError::CodeNotInWitness(hash))?;
        code.is_touched = true;
        Ok(code.analysed.clone())
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, StateError> {
        self.slot(&address, &slot).copied()
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, StateError> {
        let (address, slot) = history_slot(number);
        Ok(B256::from(*self.slot(&address, &slot)?))
    }
}

impl BlockState for OpenedState {
    fn commit(&mut self, state: &EvmState) -> Result<Vec<Address>, StateError> {
        let mut changed = Vec::new();
        // In whatever order: each changes what is its own.
        state.iter().try_for_each(|(address, account)| {
            if account.is_touched() && self.commit_account(address, account)? {
                changed.push(*address);
            }
            Ok(())
        })?;
        Ok(changed)
    }

    fn forget_touches(&mut self) {}
}
