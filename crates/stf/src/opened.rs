//! The opened witness: state that a batch executes over, and what it turns that state into.
//!
//! Each entry keeps its place in the tree, so what the batch writes comes out in the tree's order
//! and nothing is hashed or sorted twice. The guest pays for every step here.

use alloc::vec::Vec;
use alloy_primitives::{Address, B256, U256, keccak256};
use cloister_crypto::{
    BatchSalter,
    state::{leaf_commit, leaf_key},
};
use cloister_state_tree::{LeafCommit, LeafKey, PartialTree};
use cloister_types::{AccountValue, ActivityHead, BatchHeader, StateKey, StateKind};
use core::cell::Cell;
use revm::{primitives::HashMap, state::Bytecode};

use crate::{
    block::BlockTrace,
    execute::BatchError,
    input::{Opening, Witness},
    seal::{LeafValue, LeafWrite, leaf_write},
    state::{StateError, StateReader, analysed_code},
    table::{Seed, Table},
};

/// The state of a witness, with the changes of the blocks executed so far.
#[derive(Debug)]
pub(crate) struct OpenedState<'a> {
    witness: &'a Witness,
    /// What each opening holds now, in the witness' order.
    entries: Vec<Entry>,
    accounts: Table<Address, usize>,
    slots: Table<(U256, Address), usize>,
    activity: Table<Address, usize>,
    codes: HashMap<B256, Code>,
    /// Hashes of the witness' codes, in its order.
    code_hashes: Vec<B256>,
    /// Entries that were touched.
    touched: Cell<usize>,
}

#[derive(Debug)]
struct Entry {
    now: LeafValue,
    /// Whether the batch depends on it.
    touched: Cell<bool>,
}

#[derive(Debug)]
struct Code {
    analysed: Bytecode,
    /// Whether the witness holds it; else the batch created it.
    is_from_witness: bool,
    touched: Cell<bool>,
}

/// What the tree says by having no leaf.
const fn nothing(kind: StateKind) -> LeafValue {
    match kind {
        StateKind::Account => LeafValue::Account(AccountValue::EMPTY),
        StateKind::Storage => LeafValue::Storage(U256::ZERO),
        StateKind::Activity => LeafValue::Activity(ActivityHead {
            count: 0,
            head: B256::ZERO,
        }),
    }
}

impl<'a> OpenedState<'a> {
    /// Checks the witness against the previous state root and makes it readable.
    ///
    /// # Errors
    /// [`BatchError`] when the witness does not open that root.
    pub(crate) fn open(
        witness: &'a Witness,
        previous: &BatchHeader,
        seed: Seed,
    ) -> Result<(PartialTree, Self), BatchError> {
        let openings = &witness.openings;
        let places: Vec<LeafKey> = openings
            .iter()
            .map(|(key, _)| LeafKey(leaf_key(key)))
            .collect();
        let tree = PartialTree::with_keys(&witness.multiproof, places)?;
        let (expected, got) = (previous.state_root, B256::new(tree.root()));
        if got != expected {
            return Err(BatchError::StateRoot { expected, got });
        }
        // Most entries are of an account, with its activity, or of its slots.
        let room = openings.len() / 2;
        let mut state = Self {
            witness,
            entries: Vec::with_capacity(openings.len()),
            accounts: Table::new(seed, room),
            slots: Table::new(seed, room),
            activity: Table::new(seed, room),
            codes: HashMap::default(),
            code_hashes: Vec::with_capacity(witness.codes.len()),
            touched: Cell::new(0),
        };
        for (index, ((key, opening), in_tree)) in openings.iter().zip(tree.commits()).enumerate() {
            let commit = opening.as_ref().map(|Opening { salt, value }| {
                value.with_encoding(|bytes| LeafCommit(leaf_commit(key.kind(), salt, bytes)))
            });
            let value = opening.as_ref().map(|opening| opening.value);
            if in_tree != commit.as_ref() || !state.insert(index, key, value) {
                return Err(BatchError::Opening(*key));
            }
        }
        state.insert_codes()?;
        Ok((tree, state))
    }

    /// Takes an opened entry; answers whether its value is of the key's kind.
    fn insert(&mut self, index: usize, key: &StateKey, value: Option<LeafValue>) -> bool {
        let now = value.unwrap_or(nothing(key.kind()));
        let fits = match (key, &now) {
            (StateKey::Account(address), LeafValue::Account(_)) => {
                self.accounts.insert(*address, index);
                true
            }
            (StateKey::Storage(address, slot), LeafValue::Storage(_)) => {
                self.slots.insert(((*slot).into(), *address), index);
                true
            }
            (StateKey::Activity(address), LeafValue::Activity(_)) => {
                self.activity.insert(*address, index);
                true
            }
            (
                StateKey::Account(_) | StateKey::Storage(..) | StateKey::Activity(_),
                LeafValue::Account(_) | LeafValue::Storage(_) | LeafValue::Activity(_),
            ) => false,
        };
        self.entries.push(Entry {
            now,
            touched: Cell::new(false),
        });
        fits
    }

    fn insert_codes(&mut self) -> Result<(), BatchError> {
        for (index, code) in self.witness.codes.iter().enumerate() {
            let hash = keccak256(code);
            if self.code_hashes.last().is_some_and(|last| *last >= hash) {
                return Err(BatchError::CodeOrder(index));
            }
            self.code_hashes.push(hash);
            let code = Code {
                analysed: analysed_code(code.clone()),
                is_from_witness: true,
                touched: Cell::new(false),
            };
            self.codes.insert(hash, code);
        }
        Ok(())
    }

    /// Notes that the batch depends on an entry, and answers it.
    fn touch(&self, index: usize) -> Option<&Entry> {
        let entry = self.entries.get(index)?;
        if !entry.touched.replace(true) {
            self.touched.set(self.touched.get().saturating_add(1));
        }
        Some(entry)
    }

    /// Makes the changes of a block, whose entries were all read before.
    pub(crate) fn apply(&mut self, trace: BlockTrace) {
        for change in &trace.accounts {
            if let Some(entry) = self
                .accounts
                .get(&change.address)
                .and_then(|index| self.entries.get_mut(*index))
            {
                entry.now = LeafValue::Account(change.after);
            }
        }
        for change in &trace.storage {
            if let Some(entry) = self
                .slots
                .get(&(change.slot, change.address))
                .and_then(|index| self.entries.get_mut(*index))
            {
                entry.now = LeafValue::Storage(change.after);
            }
        }
        for (hash, code) in trace.created_codes {
            // What the batch read from the witness it depends on, whatever it creates later.
            let is_read = |code: &Code| code.is_from_witness && code.touched.get();
            if !self.codes.get(&hash).is_some_and(is_read) {
                let code = Code {
                    analysed: code,
                    is_from_witness: false,
                    touched: Cell::new(true),
                };
                self.codes.insert(hash, code);
            }
        }
    }

    /// The activity chain of an address, to be extended.
    pub(crate) fn chain(&mut self, address: &Address) -> Result<&mut ActivityHead, StateError> {
        let missing = || StateError::NotInWitness(StateKey::Activity(*address));
        let index = *self.activity.get(address).ok_or_else(missing)?;
        self.touch(index);
        match self.entries.get_mut(index).map(|entry| &mut entry.now) {
            Some(LeafValue::Activity(chain)) => Ok(chain),
            Some(LeafValue::Account(_) | LeafValue::Storage(_)) | None => Err(missing()),
        }
    }

    /// Refuses a witness that holds more than the batch depends on.
    pub(crate) fn refuse_extras(&self) -> Result<(), BatchError> {
        if self.touched.get() != self.entries.len() {
            let untouched = |(_, entry): &(_, &Entry)| !entry.touched.get();
            if let Some(((key, _), _)) = self
                .witness
                .openings
                .iter()
                .zip(&self.entries)
                .find(untouched)
            {
                return Err(BatchError::ExtraOpening(*key));
            }
        }
        for hash in &self.code_hashes {
            let is_needed = |code: &Code| code.is_from_witness && code.touched.get();
            if !self.codes.get(hash).is_some_and(is_needed) {
                return Err(BatchError::ExtraCode(*hash));
            }
        }
        Ok(())
    }

    /// Leaves of every value that is not what it was before the batch, in the tree's order (SSTF-6),
    /// and their positions in the witness.
    pub(crate) fn leaves(
        &self,
        tree: &PartialTree,
        salter: &BatchSalter,
    ) -> (Vec<LeafWrite>, Vec<usize>) {
        let mut leaves = Vec::with_capacity(self.entries.len());
        let mut positions = Vec::with_capacity(self.entries.len());
        let openings = self.witness.openings.iter().zip(tree.keys());
        for (position, (((key, opening), place), entry)) in openings.zip(&self.entries).enumerate()
        {
            let is_changed = match opening {
                Some(opening) => opening.value != entry.now,
                None => nothing(key.kind()) != entry.now,
            };
            if is_changed {
                leaves.push(leaf_write(*key, *place, entry.now, salter));
                positions.push(position);
            }
        }
        (leaves, positions)
    }
}

impl StateReader for OpenedState<'_> {
    fn account(&self, address: &Address) -> Result<AccountValue, StateError> {
        let found = self.accounts.get(address);
        match found.and_then(|index| self.touch(*index)) {
            Some(Entry {
                now: LeafValue::Account(value),
                ..
            }) => Ok(*value),
            Some(_) | None => Err(StateError::NotInWitness(StateKey::Account(*address))),
        }
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, StateError> {
        let found = self.slots.get(&(*slot, *address));
        if let Some(Entry {
            now: LeafValue::Storage(value),
            ..
        }) = found.and_then(|index| self.touch(*index))
        {
            return Ok(*value);
        }
        let key = StateKey::Storage(*address, (*slot).into());
        Err(StateError::NotInWitness(key))
    }

    fn code(&self, hash: &B256) -> Result<Bytecode, StateError> {
        let code = self
            .codes
            .get(hash)
            .ok_or(StateError::CodeNotInWitness(*hash))?;
        code.touched.set(true);
        Ok(code.analysed.clone())
    }
}
