//! Maps from addresses and slots, made for the guest.
//!
//! Whoever sends transactions chooses the keys, so where a key lies must depend on numbers that the
//! sender does not know, or a batch could be made slow with keys that all meet at one place. Entries
//! are never removed and stay in the order in which they came.
#![expect(
    clippy::inline_always,
    reason = "the guest pays for calls; inlined, the lengths of keys are known"
)]

use alloc::vec::Vec;
use alloy_primitives::{Address, B256, U256, map::DefaultHashBuilder};
use cloister_crypto::{equal, hash::address_words};
use core::hash::BuildHasher as _;

/// Words of the longest key, and one to make them even.
const NUMBERS: usize = 14;

/// Secret numbers that decide where keys lie.
#[derive(Clone, Copy)]
pub(crate) struct Seed {
    pairs: [[u32; 2]; NUMBERS / 2],
    last: [u32; 2],
}

impl Seed {
    /// Numbers of this process.
    pub(crate) fn random() -> Self {
        Self::new(DefaultHashBuilder::default().hash_one(0_u8))
    }

    /// Numbers that follow from one: the generator `SplitMix64`.
    pub(crate) fn new(mut state: u64) -> Self {
        let mut next = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut number = state;
            number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            halves(number ^ (number >> 31))
        };
        Self {
            pairs: core::array::from_fn(|_| next()),
            last: next(),
        }
    }

    /// Numbers that follow from a secret.
    pub(crate) fn of_secret(secret: &[u8; 32]) -> Self {
        let words = secret.as_chunks::<8>().0;
        let fold = |sum: u64, word: &[u8; 8]| sum.rotate_left(23) ^ u64::from_le_bytes(*word);
        Self::new(words.iter().fold(0, fold))
    }

    /// Sum of the products of pairs of words, each word with a number added: a universal hash
    /// (NH of UMAC, RFC 4418), whose halves are then mixed.
    #[inline(always)]
    fn hash<const WORDS: usize>(&self, words: [u32; WORDS]) -> u32 {
        let (pairs, rest) = words.as_chunks::<2>();
        let product = |[one, other]: [u32; 2], [a, b]: [u32; 2]| {
            u64::from(one.wrapping_add(a)).wrapping_mul(u64::from(other.wrapping_add(b)))
        };
        let mut sum = 0_u64;
        for (pair, numbers) in pairs.iter().zip(&self.pairs) {
            sum = sum.wrapping_add(product(*pair, *numbers));
        }
        if let ([last], Some(numbers)) = (rest, self.pairs.get(WORDS / 2)) {
            sum = sum.wrapping_add(product([*last, 0], *numbers));
        }
        let [low, high] = halves(product(halves(sum), self.last));
        low ^ high
    }
}

impl core::fmt::Debug for Seed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// The lower and the upper half.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "the halves are meant"
)]
pub(crate) const fn halves(number: u64) -> [u32; 2] {
    [number as u32, (number >> 32) as u32]
}

/// What a table of keys `K` can be asked for: a key, or its parts wherever they are.
pub(crate) trait Query<K>: Copy {
    fn hash(self, seed: &Seed) -> u32;
    fn is(self, key: &K) -> bool;
    fn key(self) -> K;
}

impl Query<Address> for &Address {
    #[inline(always)]
    fn hash(self, seed: &Seed) -> u32 {
        seed.hash(address_words(self))
    }

    #[inline(always)]
    fn is(self, key: &Address) -> bool {
        same(address_words(self), address_words(key))
    }

    #[inline(always)]
    fn key(self) -> Address {
        *self
    }
}

/// A slot of a contract.
impl Query<(U256, Address)> for (&U256, &Address) {
    #[inline(always)]
    fn hash(self, seed: &Seed) -> u32 {
        let mut words = [0; NUMBERS - 1];
        let (of_address, of_slot) = words.split_at_mut(5);
        of_address.copy_from_slice(&address_words(self.1));
        of_slot.copy_from_slice(self.0.as_limbs().map(halves).as_flattened());
        seed.hash(words)
    }

    #[inline(always)]
    fn is(self, key: &(U256, Address)) -> bool {
        equal::numbers(self.0, &key.0) && self.1.is(&key.1)
    }

    #[inline(always)]
    fn key(self) -> (U256, Address) {
        (*self.0, *self.1)
    }
}

/// A hash, of which whoever sends transactions cannot choose many with a common beginning.
impl Query<B256> for &B256 {
    #[inline(always)]
    fn hash(self, seed: &Seed) -> u32 {
        self.first_chunk()
            .map_or(0, |beginning| seed.hash(address_words(beginning)))
    }

    #[inline(always)]
    fn is(self, key: &B256) -> bool {
        equal::bytes(self, key)
    }

    #[inline(always)]
    fn key(self) -> B256 {
        *self
    }
}

/// Whether words are equal. (The guest calls a function for the comparison of arrays.)
#[inline(always)]
fn same<const WORDS: usize>(one: [u32; WORDS], other: [u32; WORDS]) -> bool {
    let differing = |all, (one, other): (&u32, &u32)| all | (one ^ other);
    one.iter().zip(&other).fold(0, differing) == 0
}

/// Where an entry is: nothing, or its position.
#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u32,
    position: Option<core::num::NonZeroU32>,
}

const FREE: Slot = Slot {
    hash: 0,
    position: None,
};

/// A map of which nothing is ever removed.
#[derive(Clone, Debug)]
pub(crate) struct Table<K, V> {
    seed: Seed,
    /// A power of two, at least twice as many as there are entries.
    slots: Vec<Slot>,
    entries: Vec<Entry<K, V>>,
}

#[derive(Clone, Debug)]
#[repr(C)]
struct Entry<K, V> {
    key: K,
    value: V,
}

impl<K, V> Table<K, V> {
    /// An empty map with room for some entries.
    pub(crate) fn new(seed: Seed, room: usize) -> Self {
        let slots = room.max(8).saturating_mul(2).next_power_of_two();
        Self {
            seed,
            slots: alloc::vec![FREE; slots],
            entries: Vec::with_capacity(room),
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.entries.len()
    }

    /// The position of a key's entry, or else the place where it belongs.
    #[inline]
    fn find(&self, key: impl Query<K>, hash: u32) -> Result<usize, usize> {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = to_usize(hash) & mask;
        // Half of the slots are free at least, so the search ends.
        loop {
            let Some(slot) = self.slots.get(at) else {
                return Err(at);
            };
            let Some(position) = slot.position else {
                return Err(at);
            };
            let position = to_usize(position.get()).wrapping_sub(1);
            if slot.hash == hash
                && let Some(entry) = self.entries.get(position)
                && key.is(&entry.key)
            {
                return Ok(position);
            }
            at = at.wrapping_add(1) & mask;
        }
    }

    #[inline]
    pub(crate) fn get(&self, key: impl Query<K>) -> Option<&V> {
        let position = self.find(key, key.hash(&self.seed)).ok()?;
        self.entries.get(position).map(|entry| &entry.value)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, key: impl Query<K>) -> Option<&mut V> {
        let position = self.find(key, key.hash(&self.seed)).ok()?;
        self.entries.get_mut(position).map(|entry| &mut entry.value)
    }

    /// The value of a key, which is made when it is asked for the first time.
    ///
    /// # Errors
    /// As `make`, after which the map is as before; `full` beyond 2^31 entries.
    #[inline]
    pub(crate) fn get_or_make<E>(
        &mut self,
        key: impl Query<K>,
        make: impl FnOnce() -> Result<V, E>,
    ) -> Result<Option<&mut V>, E> {
        let hash = key.hash(&self.seed);
        let position = match self.find(key, hash) {
            Ok(position) => position,
            Err(at) => {
                let value = make()?;
                self.push(at, hash, key.key(), value)
            }
        };
        Ok(self.entries.get_mut(position).map(|entry| &mut entry.value))
    }

    /// Gives a key a value, in place of an earlier one if there is one.
    #[inline]
    pub(crate) fn insert(&mut self, key: impl Query<K>, value: V) {
        let hash = key.hash(&self.seed);
        match self.find(key, hash) {
            Ok(position) => {
                if let Some(entry) = self.entries.get_mut(position) {
                    entry.value = value;
                }
            }
            Err(at) => {
                self.push(at, hash, key.key(), value);
            }
        }
    }

    /// Adds an entry for a slot that is free, and answers its position.
    #[inline]
    fn push(&mut self, at: usize, hash: u32, key: K, value: V) -> usize {
        let position = self.entries.len();
        self.entries.push(Entry { key, value });
        // Memory ends long before positions do; without a slot the entry would not be found.
        let number = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = Slot {
                hash,
                position: core::num::NonZeroU32::new(number),
            };
        }
        if self.entries.len().saturating_mul(2) > self.slots.len() {
            self.grow();
        }
        position
    }

    #[cold]
    fn grow(&mut self) {
        let size = self.slots.len().saturating_mul(4);
        let mask = size.wrapping_sub(1);
        let before = core::mem::replace(&mut self.slots, alloc::vec![FREE; size]);
        for slot in before.into_iter().filter(|slot| slot.position.is_some()) {
            let mut at = to_usize(slot.hash) & mask;
            while let Some(place) = self.slots.get_mut(at) {
                if place.position.is_none() {
                    *place = slot;
                    break;
                }
                at = at.wrapping_add(1) & mask;
            }
        }
    }

    /// Values in the order in which they came.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.iter().map(|entry| &entry.value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().map(|entry| (&entry.key, &entry.value))
    }
}

#[inline(always)]
fn to_usize(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_inserted_and_nothing_else() {
        let mut table = Table::new(Seed::new(7), 0);
        let address = Address::with_last_byte(3);
        let key = |number: u64| (U256::from(number) << 60, address);
        let get = |table: &Table<_, u64>, number| table.get((&key(number).0, &address)).copied();
        let insert = |table: &mut Table<_, u64>, number, value| {
            table.insert((&key(number).0, &address), value);
        };
        for number in 0..1000_u64 {
            assert!(get(&table, number).is_none());
            insert(&mut table, number, number);
            insert(&mut table, number / 2, number);
        }
        assert_eq!(table.len(), 1000);
        for number in 0..1000_u64 {
            let expected = if number < 500 { 2 * number + 1 } else { number };
            assert_eq!(get(&table, number), Some(expected), "{number}");
        }
        let order: std::vec::Vec<_> = table.iter().map(|(key, _)| *key).collect();
        assert_eq!(order, (0..1000).map(key).collect::<std::vec::Vec<_>>());
    }

    #[test]
    fn a_value_that_cannot_be_made_leaves_no_entry() {
        let mut table: Table<Address, u8> = Table::new(Seed::random(), 4);
        let one = Address::with_last_byte(1);
        assert_eq!(
            table.get_or_make(&one, || Err::<u8, _>("none")),
            Err("none")
        );
        assert_eq!(table.len(), 0);
        let mut five = 5;
        assert_eq!(
            table.get_or_make(&one, || Ok::<_, ()>(5)),
            Ok(Some(&mut five))
        );
        assert_eq!(table.get_or_make(&one, || Err("none")), Ok(Some(&mut five)));
    }

    #[test]
    fn keys_spread_whatever_they_differ_in() {
        let seed = Seed::new(1);
        for bit in 0..256_usize {
            let mut places = std::collections::BTreeSet::new();
            for number in 0..64_u64 {
                let slot = U256::from(number).rotate_left(bit);
                places.insert((&slot, &Address::ZERO).hash(&seed) & 0x3ff);
            }
            // 64 random places of 1,024 are about 62 different ones.
            assert!(places.len() > 48, "{} at bit {bit}", places.len());
        }
    }
}
