//! The mempool as its users see it: one lock, and a bell for the builder.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, RwLock,
    atomic::{AtomicBool, Ordering},
};

use alloy_primitives::{Address, B256, map::HashMap};
use cloister_stf::{BlockTrace, RecoveredTx};
use tokio::sync::{Notify, oneshot};

use super::{
    mempool::{Mempool, MempoolLimits, PoolError, PoolKey, Removed},
    state::State,
    submit::SubmitError,
};

/// Where a transaction ended up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Included {
    /// Its hash.
    pub transaction: B256,
    /// Height of its block.
    pub block_number: u64,
    /// Hash of its block.
    pub block_hash: B256,
}

/// Someone who waits for a transaction.
#[derive(Debug)]
pub(crate) struct Ticket(oneshot::Sender<Result<Included, SubmitError>>);

impl Ticket {
    /// A ticket, and where its answer comes.
    pub(crate) fn new() -> (Self, oneshot::Receiver<Result<Included, SubmitError>>) {
        let (sender, receiver) = oneshot::channel();
        (Self(sender), receiver)
    }

    /// Answers; whoever has gone away does not hear it.
    pub(crate) fn answer(self, outcome: Result<Included, SubmitError>) {
        let _ = self.0.send(outcome);
    }
}

/// What waits with a transaction.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// The transaction, its signer recovered.
    pub transaction: Arc<RecoveredTx>,
    /// Who waits for it.
    pub ticket: Ticket,
}

/// The mempool.
#[derive(Debug)]
pub(crate) struct Pool {
    inner: Mutex<Mempool<Admitted>>,
    /// The state after the newest block, durable or not: what the next block begins with.
    tip: RwLock<State>,
    work: Notify,
    closed: AtomicBool,
}

impl Pool {
    /// An empty pool over the state with which the next block begins.
    pub(crate) fn new(limits: MempoolLimits, base_fee: u128, tip: State) -> Self {
        Self {
            inner: Mutex::new(Mempool::new(limits, base_fee)),
            tip: RwLock::new(tip),
            work: Notify::new(),
            closed: AtomicBool::new(false),
        }
    }

    /// The state with which the next block begins.
    pub(crate) fn tip(&self) -> State {
        self.tip
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The pool, locked. Never across an `await`.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Mempool<Admitted>> {
        // A panic while the lock is held would be our own mistake and ends the service.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Admits a transaction and wakes the builder.
    ///
    /// # Errors
    /// [`PoolError`]: the ticket is dropped, the caller has the error. After [`Self::refuse_all`]
    /// the ticket is answered at once.
    pub(crate) fn insert(
        &self,
        key: PoolKey,
        admitted: Admitted,
        now_ms: u64,
    ) -> Result<(), PoolError> {
        let nonce = || self.tip().account(&key.sender).nonce;
        let mut pool = self.lock();
        if self.closed.load(Ordering::Relaxed) {
            admitted.ticket.answer(Err(SubmitError::Stopping));
            return Ok(());
        }
        let replaced = pool.insert(key, admitted, nonce, now_ms)?;
        drop(pool);
        self.work.notify_one();
        refuse(replaced);
        Ok(())
    }

    /// Waits until something may have become ready since the last call.
    pub(crate) async fn changed(&self) {
        self.work.notified().await;
    }

    /// Tells the next nonce of an account after execution.
    pub(crate) fn settle(&self, sender: &Address, next_nonce: u64, taken: usize, now_ms: u64) {
        let removed = self.lock().settle(sender, next_nonce, taken, now_ms);
        refuse(removed);
    }

    /// Moves on to the state after a block, then settles every account whose nonce it changed, so
    /// that a nonce read at any moment is either settled here or read from this state.
    pub(crate) fn settle_block(
        &self,
        state_after: &State,
        trace: &BlockTrace,
        taken: &HashMap<Address, usize>,
        now_ms: u64,
    ) {
        *self.tip.write().unwrap_or_else(PoisonError::into_inner) = state_after.clone();
        let mut removed = Vec::new();
        {
            let mut pool = self.lock();
            for change in trace
                .accounts
                .iter()
                .filter(|one| one.before.nonce != one.after.nonce)
            {
                let taken = taken.get(&change.address).copied().unwrap_or_default();
                removed.extend(pool.settle(&change.address, change.after.nonce, taken, now_ms));
            }
        }
        refuse(removed);
    }

    /// Forgets taken transactions.
    pub(crate) fn forget<'a>(&self, hashes: impl Iterator<Item = &'a B256>) {
        let mut pool = self.lock();
        for hash in hashes {
            pool.forget(hash);
        }
    }

    /// Refuses what waited too long behind a missing nonce.
    pub(crate) fn expire(&self, now_ms: u64) {
        let removed = self.lock().expire(now_ms);
        refuse(removed);
    }

    /// Refuses everything that waits: the sequencer stops.
    pub(crate) fn refuse_all(&self) {
        let entries = {
            let mut pool = self.lock();
            self.closed.store(true, Ordering::Relaxed);
            pool.drain()
        };
        for (_, admitted) in entries {
            admitted.ticket.answer(Err(SubmitError::Stopping));
        }
    }
}

fn refuse(removed: impl IntoIterator<Item = Removed<Admitted>>) {
    for entry in removed {
        entry
            .payload
            .ticket
            .answer(Err(SubmitError::Pool(entry.reason)));
    }
}
