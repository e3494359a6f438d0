//! Transactions that wait for a block: nonce order per sender, best price first, limits on
//! everything.
//!
//! ```text
//!  insert ──► queued (gap) ──► ready ──► take_best ──► in a block being built ──► settle
//!                 │              │
//!              expire         replace (≥ 10 % more)
//! ```
//!
//! The pool is plain data behind one lock; it does no I/O and reads no clock. What a caller waits
//! on travels in the payload `P` and comes back with every entry that leaves the pool.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
};

use alloy_primitives::{Address, B256};

/// Share of the fee, in percent, by which a replacement must exceed what it replaces.
const REPLACEMENT_PERCENT: u128 = 10;

/// What the pool may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MempoolLimits {
    /// Transactions of all senders.
    pub max_transactions: usize,
    /// Transactions of one sender, and how far ahead of its account a nonce may be.
    pub max_per_sender: usize,
    /// Size of one envelope in bytes.
    pub max_transaction_bytes: usize,
    /// Sum of all envelopes in bytes.
    pub max_bytes: usize,
    /// How long a transaction waits behind a missing nonce, in milliseconds.
    pub gap_timeout_ms: u64,
}

/// What the pool must know of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PoolKey {
    /// Transaction hash.
    pub hash: B256,
    /// Who signed it.
    pub sender: Address,
    /// Its place in the sender's order.
    pub nonce: u64,
    /// Highest price per gas that it pays, in wei.
    pub max_fee_per_gas: u128,
    /// Highest share for the block's maker, in wei per gas.
    pub max_priority_fee_per_gas: u128,
    /// Gas that it may use.
    pub gas_limit: u64,
    /// Size of its envelope in bytes.
    pub bytes: usize,
}

/// Why the pool refused a transaction or let one go.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PoolError {
    /// The nonce is used already.
    #[error("nonce `{got}` was used already: the account's next nonce is `{expected}`")]
    NonceTooLow {
        /// The account's next nonce.
        expected: u64,
        /// The transaction's nonce.
        got: u64,
    },
    /// The nonce is further ahead than the pool queues, or the gap before it did not close in time.
    #[error("nonce `{got}` is ahead of the account: send nonce `{expected}` first")]
    NonceTooHigh {
        /// The account's next nonce.
        expected: u64,
        /// The transaction's nonce.
        got: u64,
    },
    /// The pool holds this very transaction.
    #[error("transaction `{hash}` is known already: ask for its receipt")]
    AlreadyKnown {
        /// Its hash.
        hash: B256,
    },
    /// Another transaction with this nonce waits and pays nearly as much or more.
    #[error(
        "another transaction with nonce `{nonce}` waits: to replace it, pay at least `{required}` wei \
         per gas"
    )]
    UnderpricedReplacement {
        /// The nonce.
        nonce: u64,
        /// Least `max_fee_per_gas` of a replacement, in wei.
        required: u128,
    },
    /// The sender has as many waiting transactions as one may have.
    #[error(
        "sender `{sender}` has `{limit}` transactions waiting, the most one may have: wait for a block"
    )]
    SenderFull {
        /// The sender.
        sender: Address,
        /// The limit.
        limit: usize,
    },
    /// The pool is full.
    #[error("the sequencer holds as many waiting transactions as it may: try again in a moment")]
    Full,
    /// The envelope is over the limit.
    #[error("transaction is `{got}` bytes: the limit is `{limit}`")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
        /// The size in bytes.
        got: usize,
    },
    /// A transaction with the same sender and nonce took its place.
    #[error("replaced by transaction `{by}`, which has the same nonce and pays more")]
    Replaced {
        /// Hash of the replacement.
        by: B256,
    },
}

/// A transaction that left the pool, with the reason for whoever waits on it.
#[derive(Debug)]
pub(crate) struct Removed<P> {
    /// Which transaction.
    pub key: PoolKey,
    /// What was admitted with it.
    pub payload: P,
    /// Why it left.
    pub reason: PoolError,
}

#[derive(Debug)]
struct Entry<P> {
    key: PoolKey,
    payload: P,
    sequence: u64,
}

#[derive(Debug)]
struct Account<P> {
    /// Nonce of the next transaction to enter a block.
    next_nonce: u64,
    waiting: BTreeMap<u64, Entry<P>>,
    /// Transactions in the block being built, or in one that is not settled.
    taken: usize,
    /// Sum of the gas limits of `waiting`.
    gas: u128,
    /// What [`Mempool::ready_gas`] counts for this account.
    ranked_gas: u128,
    /// Since when the lowest waiting nonce is ahead of `next_nonce`, in milliseconds.
    gap_since_ms: Option<u64>,
}

impl<P> Account<P> {
    /// The entry that may enter a block next.
    fn head(&self) -> Option<&Entry<P>> {
        self.waiting.get(&self.next_nonce)
    }

    /// Whether something waits behind a missing nonce. All waiting nonces are at or above
    /// `next_nonce`, so the span tells.
    fn has_gap(&self) -> bool {
        self.waiting
            .last_key_value()
            .is_some_and(|(last, _)| last - self.next_nonce >= self.waiting.len() as u64)
    }
}

/// Place in the order of blocks: highest price, then first come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    price: Reverse<u128>,
    sequence: u64,
    sender: Address,
}

/// The pool. `P` is what its owner keeps with each transaction.
#[derive(Debug)]
pub(crate) struct Mempool<P> {
    limits: MempoolLimits,
    base_fee: u128,
    accounts: HashMap<Address, Account<P>>,
    ready: BTreeSet<Rank>,
    gaps: BTreeSet<(u64, Address)>,
    hashes: HashMap<B256, Address>,
    bytes: usize,
    ready_gas: u128,
    next_sequence: u64,
}

impl<P> Mempool<P> {
    /// An empty pool for a chain whose base fee is `base_fee` wei per gas.
    pub(crate) fn new(limits: MempoolLimits, base_fee: u128) -> Self {
        Self {
            limits,
            base_fee,
            accounts: HashMap::new(),
            ready: BTreeSet::new(),
            gaps: BTreeSet::new(),
            hashes: HashMap::new(),
            bytes: 0,
            ready_gas: 0,
            next_sequence: 0,
        }
    }

    /// How many transactions wait.
    pub(crate) fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Sum of the waiting envelopes in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a block could be built now.
    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Lower bound of the gas that transactions ask for which could enter a block now.
    pub(crate) fn ready_gas(&self) -> u128 {
        self.ready_gas
    }

    /// The nonce that `sender` should use next, counting what waits without a gap; `None` when
    /// nothing of that sender is here.
    pub(crate) fn pending_nonce(&self, sender: &Address) -> Option<u64> {
        let account = self.accounts.get(sender)?;
        let mut next = account.next_nonce;
        for nonce in account.waiting.keys() {
            if *nonce != next {
                break;
            }
            next = next.saturating_add(1);
        }
        Some(next)
    }

    /// Admits a transaction. `account_nonce` is asked only when the pool holds nothing of the
    /// sender. Answers what was replaced, if anything.
    ///
    /// # Errors
    /// Every [`PoolError`] but [`PoolError::Replaced`]; the pool is then unchanged.
    pub(crate) fn insert(
        &mut self,
        key: PoolKey,
        payload: P,
        account_nonce: impl FnOnce() -> u64,
        now_ms: u64,
    ) -> Result<Option<Removed<P>>, PoolError> {
        if key.bytes > self.limits.max_transaction_bytes {
            return Err(PoolError::TooLarge {
                limit: self.limits.max_transaction_bytes,
                got: key.bytes,
            });
        }
        if self.hashes.contains_key(&key.hash) {
            return Err(PoolError::AlreadyKnown { hash: key.hash });
        }
        let next_nonce = self
            .accounts
            .get(&key.sender)
            .map_or_else(account_nonce, |account| account.next_nonce);
        self.check_nonce(&key, next_nonce)?;
        let is_replacement = self.check_replacement(&key)?;
        if !is_replacement {
            self.check_room(&key)?;
        }
        self.unrank(&key.sender);
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let account = self.accounts.entry(key.sender).or_insert_with(|| Account {
            next_nonce,
            waiting: BTreeMap::new(),
            taken: 0,
            gas: 0,
            ranked_gas: 0,
            gap_since_ms: None,
        });
        let replaced = account.waiting.insert(
            key.nonce,
            Entry {
                key,
                payload,
                sequence,
            },
        );
        account.gas += u128::from(key.gas_limit);
        if let Some(old) = &replaced {
            account.gas -= u128::from(old.key.gas_limit);
        }
        self.hashes.insert(key.hash, key.sender);
        self.bytes += key.bytes;
        if let Some(old) = &replaced {
            self.hashes.remove(&old.key.hash);
            self.bytes -= old.key.bytes;
        }
        self.rank(&key.sender, now_ms);
        Ok(replaced.map(|old| Removed {
            key: old.key,
            payload: old.payload,
            reason: PoolError::Replaced { by: key.hash },
        }))
    }

    fn check_nonce(&self, key: &PoolKey, next_nonce: u64) -> Result<(), PoolError> {
        if key.nonce < next_nonce {
            return Err(PoolError::NonceTooLow {
                expected: next_nonce,
                got: key.nonce,
            });
        }
        let furthest = next_nonce.saturating_add(self.limits.max_per_sender as u64);
        if key.nonce >= furthest || key.nonce == u64::MAX {
            return Err(PoolError::NonceTooHigh {
                expected: next_nonce,
                got: key.nonce,
            });
        }
        Ok(())
    }

    /// Whether a waiting transaction would be replaced.
    fn check_replacement(&self, key: &PoolKey) -> Result<bool, PoolError> {
        let Some(old) = self
            .accounts
            .get(&key.sender)
            .and_then(|account| account.waiting.get(&key.nonce))
        else {
            return Ok(false);
        };
        let fee = raised(old.key.max_fee_per_gas);
        let priority = raised(old.key.max_priority_fee_per_gas);
        if key.max_fee_per_gas < fee || key.max_priority_fee_per_gas < priority {
            return Err(PoolError::UnderpricedReplacement {
                nonce: key.nonce,
                required: fee,
            });
        }
        let bytes = self.bytes - old.key.bytes + key.bytes;
        if bytes > self.limits.max_bytes {
            return Err(PoolError::Full);
        }
        Ok(true)
    }

    fn check_room(&self, key: &PoolKey) -> Result<(), PoolError> {
        let waiting = self
            .accounts
            .get(&key.sender)
            .map_or(0, |account| account.waiting.len());
        if waiting >= self.limits.max_per_sender {
            return Err(PoolError::SenderFull {
                sender: key.sender,
                limit: self.limits.max_per_sender,
            });
        }
        if self.hashes.len() >= self.limits.max_transactions
            || self.bytes + key.bytes > self.limits.max_bytes
        {
            return Err(PoolError::Full);
        }
        Ok(())
    }

    /// Takes the best transaction that asks for at most `gas_left`. Its sender's next nonce moves
    /// on; [`Self::settle`] corrects it when the transaction did not enter the block. The hash
    /// stays known until [`Self::forget`].
    pub(crate) fn take_best(&mut self, gas_left: u64, now_ms: u64) -> Option<(PoolKey, P)> {
        let sender = self.ready.first()?.sender;
        let fits = self
            .accounts
            .get(&sender)
            .and_then(Account::head)
            .is_some_and(|entry| entry.key.gas_limit <= gas_left);
        if !fits {
            return None;
        }
        self.unrank(&sender);
        let account = self.accounts.get_mut(&sender)?;
        let entry = account.waiting.remove(&account.next_nonce)?;
        account.next_nonce = account.next_nonce.saturating_add(1);
        account.taken += 1;
        account.gas -= u128::from(entry.key.gas_limit);
        self.bytes -= entry.key.bytes;
        self.rank(&sender, now_ms);
        Some((entry.key, entry.payload))
    }

    /// Tells the pool the next nonce of an account after execution, and that `taken` of its
    /// transactions are no longer under way. Answers what can never enter a block any more.
    pub(crate) fn settle(
        &mut self,
        sender: &Address,
        next_nonce: u64,
        taken: usize,
        now_ms: u64,
    ) -> Vec<Removed<P>> {
        self.unrank(sender);
        let Some(account) = self.accounts.get_mut(sender) else {
            return Vec::new();
        };
        account.next_nonce = next_nonce;
        account.taken = account.taken.saturating_sub(taken);
        let keep = account.waiting.split_off(&next_nonce);
        let dropped = std::mem::replace(&mut account.waiting, keep);
        account.gas -= dropped
            .values()
            .map(|entry| u128::from(entry.key.gas_limit))
            .sum::<u128>();
        let removed: Vec<_> = dropped
            .into_values()
            .map(|entry| Removed {
                reason: PoolError::NonceTooLow {
                    expected: next_nonce,
                    got: entry.key.nonce,
                },
                key: entry.key,
                payload: entry.payload,
            })
            .collect();
        for entry in &removed {
            self.hashes.remove(&entry.key.hash);
            self.bytes -= entry.key.bytes;
        }
        self.rank(sender, now_ms);
        removed
    }

    /// Forgets a taken transaction: its block is durable, or it was refused.
    pub(crate) fn forget(&mut self, hash: &B256) {
        self.hashes.remove(hash);
    }

    /// Lets go of what waited too long behind a missing nonce.
    pub(crate) fn expire(&mut self, now_ms: u64) -> Vec<Removed<P>> {
        let mut removed = Vec::new();
        while let Some((since, sender)) = self.gaps.first().copied() {
            if now_ms.saturating_sub(since) < self.limits.gap_timeout_ms {
                break;
            }
            self.unrank(&sender);
            let expected = self.pending_nonce(&sender).unwrap_or_default();
            let Some(account) = self.accounts.get_mut(&sender) else {
                continue;
            };
            let gone = account.waiting.split_off(&expected);
            for entry in gone.into_values() {
                account.gas -= u128::from(entry.key.gas_limit);
                self.hashes.remove(&entry.key.hash);
                self.bytes -= entry.key.bytes;
                removed.push(Removed {
                    reason: PoolError::NonceTooHigh {
                        expected,
                        got: entry.key.nonce,
                    },
                    key: entry.key,
                    payload: entry.payload,
                });
            }
            self.rank(&sender, now_ms);
        }
        removed
    }

    /// Lets go of everything that waits, to refuse it at shutdown.
    pub(crate) fn drain(&mut self) -> Vec<(PoolKey, P)> {
        self.ready.clear();
        self.gaps.clear();
        self.bytes = 0;
        self.ready_gas = 0;
        let accounts = std::mem::take(&mut self.accounts);
        let mut entries: Vec<_> = accounts
            .into_values()
            .flat_map(|account| account.waiting.into_values())
            .collect();
        entries.sort_by_key(|entry| entry.sequence);
        for entry in &entries {
            self.hashes.remove(&entry.key.hash);
        }
        entries
            .into_iter()
            .map(|entry| (entry.key, entry.payload))
            .collect()
    }

    /// Takes an account out of the orders before it changes.
    fn unrank(&mut self, sender: &Address) {
        let Some(account) = self.accounts.get_mut(sender) else {
            return;
        };
        self.ready_gas -= std::mem::take(&mut account.ranked_gas);
        if let Some(since) = account.gap_since_ms {
            self.gaps.remove(&(since, *sender));
        }
        if let Some(entry) = account.head() {
            let rank = rank_of(entry, self.base_fee);
            self.ready.remove(&rank);
        }
    }

    /// Puts a changed account back into the orders, or removes it when nothing is left of it.
    fn rank(&mut self, sender: &Address, now_ms: u64) {
        let Some(account) = self.accounts.get_mut(sender) else {
            return;
        };
        if account.waiting.is_empty() && account.taken == 0 {
            self.accounts.remove(sender);
            return;
        }
        let has_gap = account.has_gap();
        account.gap_since_ms = if has_gap {
            account.gap_since_ms.or(Some(now_ms))
        } else {
            None
        };
        if let Some(since) = account.gap_since_ms {
            self.gaps.insert((since, *sender));
        }
        if let Some(entry) = account.head() {
            let gas = if has_gap {
                u128::from(entry.key.gas_limit)
            } else {
                account.gas
            };
            self.ready.insert(rank_of(entry, self.base_fee));
            self.ready_gas += gas;
            account.ranked_gas = gas;
        }
    }
}

fn rank_of<P>(entry: &Entry<P>, base_fee: u128) -> Rank {
    let room = entry.key.max_fee_per_gas.saturating_sub(base_fee);
    Rank {
        price: Reverse(room.min(entry.key.max_priority_fee_per_gas)),
        sequence: entry.sequence,
        sender: entry.key.sender,
    }
}

/// Least price that replaces `old`: 10 % more, rounded up, and at least one wei more.
fn raised(old: u128) -> u128 {
    old.saturating_add(
        (old / 100 * REPLACEMENT_PERCENT + (old % 100 * REPLACEMENT_PERCENT).div_ceil(100)).max(1),
    )
}

#[cfg(test)]
mod tests;
