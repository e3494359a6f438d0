//! Makes blocks durable, one after another, and only then lets anyone see them (SSQ-1).
//!
//! ```text
//!  builder ──(one block waits)──► write ──ok──► publish ──► answer callers ──► seal queue
//!                                  │  ▲
//!                  unknown outcome ▼  │ absent: write again
//!                                read back ──there──► publish …
//! ```
//!
//! A write whose outcome is unknown is resolved by reading back before anything else happens, so a
//! block is never written twice and never forgotten (SSQ-2).

use std::{future::Future, sync::Arc, time::Duration};

use alloy_primitives::B256;
use tokio::sync::{mpsc, watch};

use super::{
    build::BuiltBlock,
    chain::Chain,
    pool::{Included, Pool},
    seal_queue::{DurableBlock, SealQueue},
};
use crate::{
    error::chain as causes,
    metrics,
    store::{Store, StoreError},
};

/// First pause before a failed write is tried again; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Longest pause.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// What the builder hands over.
#[derive(Debug)]
pub(crate) enum Handover {
    /// A block to make durable.
    Block(Box<BuiltBlock>),
    /// The batch takes no more blocks.
    CloseBatch(u64),
}

/// Why no more blocks can be made durable by this process.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommitError {
    /// The database refused for a reason that waiting does not cure.
    #[error("block {number} cannot be made durable")]
    Store {
        /// Height of the block.
        number: u64,
        /// The reason.
        source: StoreError,
    },
    /// Another block is at this height.
    #[error(
        "block {number} in the database is `{got}`, not `{expected}`: another sequencer wrote it"
    )]
    OtherBlock {
        /// Height.
        number: u64,
        /// Our block.
        expected: B256,
        /// What is there.
        got: B256,
    },
}

/// The committer's parts.
#[derive(Debug)]
pub(crate) struct Committer {
    /// The database.
    pub store: Store,
    /// The writer term of this process.
    pub term: i64,
    /// What readers see.
    pub chain: Arc<Chain>,
    /// Where hashes stay known until their block is durable.
    pub pool: Arc<Pool>,
    /// Where durable blocks go.
    pub queue: Arc<SealQueue>,
    /// Whether the database takes writes.
    pub available: watch::Sender<bool>,
}

impl Committer {
    /// Runs until the builder ends.
    ///
    /// # Errors
    /// [`CommitError`]: the process must end and recover from the database.
    pub(crate) async fn run(self, mut work: mpsc::Receiver<Handover>) -> Result<(), CommitError> {
        while let Some(handover) = work.recv().await {
            match handover {
                Handover::CloseBatch(number) => self.queue.close(number),
                Handover::Block(built) => {
                    self.make_durable(&built).await?;
                    self.publish(*built);
                }
            }
        }
        Ok(())
    }

    async fn make_durable(&self, built: &BuiltBlock) -> Result<(), CommitError> {
        let number = built.block.header.number.0;
        let expected = built.block.hash;
        let codes = built.codes();
        let write = || self.store.write_block(&built.block, &codes, self.term);
        let read_back = || self.store.block_hash(number);
        let timer = metrics::commit_timer();
        match resolve(write, read_back, expected, &self.available).await {
            Ok(()) => {
                timer.done();
                Ok(())
            }
            Err(Unresolved::Store(source)) => Err(CommitError::Store { number, source }),
            Err(Unresolved::Other(got)) => Err(CommitError::OtherBlock {
                number,
                expected,
                got,
            }),
        }
    }

    fn publish(&self, built: BuiltBlock) {
        let BuiltBlock {
            block,
            outcome,
            work,
            state_after,
            tickets,
        } = built;
        let durable = DurableBlock {
            block: Arc::new(block),
            outcome: Arc::new(outcome),
            work,
        };
        let number = durable.block.header.number.0;
        let hash = durable.block.hash;
        metrics::block_durable(&durable.block);
        self.chain
            .publish(Arc::clone(&durable.block), state_after.clone());
        self.pool.forget(tickets.iter().map(|(hash, _)| hash));
        for (transaction, ticket) in tickets {
            ticket.answer(Ok(Included {
                transaction,
                block_number: number,
                block_hash: hash,
            }));
        }
        self.queue.push(durable, state_after);
    }
}

/// Why a write has no outcome.
#[derive(Debug)]
pub(crate) enum Unresolved {
    /// A reason that waiting does not cure.
    Store(StoreError),
    /// Something else is there.
    Other(B256),
}

/// Writes something that is known by its hash, exactly once: tries until it is written or there.
/// Says through `available` whether the database answers.
pub(crate) async fn resolve<W, R>(
    write: impl Fn() -> W,
    read_back: impl Fn() -> R,
    expected: B256,
    available: &watch::Sender<bool>,
) -> Result<(), Unresolved>
where
    W: Future<Output = Result<(), StoreError>>,
    R: Future<Output = Result<Option<B256>, StoreError>>,
{
    let mut pause = FIRST_PAUSE;
    loop {
        let mut duplicate = None;
        match write().await {
            Ok(()) => break,
            Err(error) if error.is_transient() => {
                tracing::warn!(
                    error = causes(&error),
                    "a write has no known outcome: reading back"
                );
                metrics::write_retried();
                available.send_replace(false);
            }
            Err(error) if error.is_duplicate() => duplicate = Some(error),
            Err(error) => return Err(Unresolved::Store(error)),
        }
        // The outcome is unknown: read back until the database says what is there.
        let there = loop {
            match read_back().await {
                Ok(there) => break there,
                Err(error) if error.is_transient() => {
                    available.send_replace(false);
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(MAX_PAUSE);
                }
                Err(error) => return Err(Unresolved::Store(error)),
            }
        };
        match (there, duplicate) {
            (Some(got), _) if got == expected => break,
            (Some(got), _) => return Err(Unresolved::Other(got)),
            // Something else in it is there already: trying again cannot help.
            (None, Some(error)) => return Err(Unresolved::Store(error)),
            (None, None) => tokio::time::sleep(FIRST_PAUSE).await,
        }
    }
    available.send_replace(true);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, collections::VecDeque};

    use super::*;

    type Writes = VecDeque<Result<(), StoreError>>;
    type Reads = VecDeque<Result<Option<B256>, StoreError>>;

    fn away() -> StoreError {
        StoreError::Sqlx(sqlx::Error::PoolTimedOut)
    }

    async fn run(writes: Writes, reads: Reads) -> (Result<(), Unresolved>, usize, usize) {
        let (writes, reads) = (RefCell::new(writes), RefCell::new(reads));
        let (available, _) = watch::channel(true);
        let outcome = resolve(
            || std::future::ready(writes.borrow_mut().pop_front().unwrap()),
            || std::future::ready(reads.borrow_mut().pop_front().unwrap()),
            B256::repeat_byte(1),
            &available,
        )
        .await;
        let left = (writes.borrow().len(), reads.borrow().len());
        (outcome, left.0, left.1)
    }

    // Defends SSQ-2.
    #[tokio::test]
    async fn a_write_that_took_effect_unseen_is_not_repeated() {
        let (outcome, writes, reads) = run(
            [Err(away()), Ok(())].into(),
            [Err(away()), Ok(Some(B256::repeat_byte(1)))].into(),
        )
        .await;
        assert!(outcome.is_ok());
        assert_eq!((writes, reads), (1, 0));
    }

    // Defends SSQ-2.
    #[tokio::test]
    async fn a_write_that_did_not_take_effect_is_repeated() {
        let (outcome, writes, reads) = run(
            [Err(away()), Ok(())].into(),
            [Err(away()), Err(away()), Ok(None)].into(),
        )
        .await;
        assert!(outcome.is_ok());
        assert_eq!((writes, reads), (0, 0));
    }

    // Defends SSQ-3.
    #[tokio::test]
    async fn another_block_at_the_height_ends_the_process() {
        let (outcome, ..) = run(
            [Err(away())].into(),
            [Ok(Some(B256::repeat_byte(2)))].into(),
        )
        .await;
        assert!(matches!(outcome, Err(Unresolved::Other(got)) if got == B256::repeat_byte(2)));
    }

    #[tokio::test]
    async fn a_writer_that_was_replaced_does_not_try_again() {
        let (outcome, ..) = run([Err(StoreError::Fenced)].into(), [].into()).await;
        assert!(matches!(
            outcome,
            Err(Unresolved::Store(StoreError::Fenced))
        ));
    }
}
