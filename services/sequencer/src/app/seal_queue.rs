//! Durable blocks on their way to the sealer, grouped by batch.
//!
//! The builder stops when too many closed batches wait (`batch.max_unsealed`), so the queue has a
//! limit although pushing never waits.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use cloister_stf::{BlockOutcome, cost::Work};
use tokio::sync::Notify;

use super::{model::Block, state::State};

/// A durable block with what the sealer needs of it.
#[derive(Debug, Clone)]
pub(crate) struct DurableBlock {
    /// The block.
    pub block: Arc<Block>,
    /// What execution read and changed.
    pub outcome: Arc<BlockOutcome>,
    /// What it costs in the guest, without the state that it touches.
    pub work: Work,
}

/// A batch that is not sealed yet.
#[derive(Debug, Clone)]
pub(crate) struct PendingBatch {
    /// Its number.
    pub number: u64,
    /// Its durable blocks in order; at least one.
    pub blocks: Vec<DurableBlock>,
    /// The state after its last block.
    pub state_after: State,
    /// Whether it takes no more blocks.
    pub closed: bool,
}

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct SealQueue {
    batches: Mutex<VecDeque<Arc<PendingBatch>>>,
    changed: Notify,
}

impl SealQueue {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<PendingBatch>>> {
        // No code panics while it holds the lock.
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a durable block to its batch. A block of a new batch closes the one before.
    pub(crate) fn push(&self, block: DurableBlock, state_after: State) {
        let number = block.block.batch;
        {
            let mut batches = self.lock();
            match batches.back_mut() {
                Some(last) if last.number == number => {
                    let last = Arc::make_mut(last);
                    last.blocks.push(block);
                    last.state_after = state_after;
                }
                last => {
                    if let Some(last) = last {
                        Arc::make_mut(last).closed = true;
                    }
                    let blocks = vec![block];
                    batches.push_back(Arc::new(PendingBatch {
                        number,
                        blocks,
                        state_after,
                        closed: false,
                    }));
                }
            }
        }
        self.changed.notify_one();
    }

    /// Closes a batch, if it is the open one.
    pub(crate) fn close(&self, number: u64) {
        if let Some(last) = self.lock().back_mut().filter(|last| last.number == number) {
            Arc::make_mut(last).closed = true;
        }
        self.changed.notify_one();
    }

    /// Waits for the oldest batch to be closed. It stays in the queue until [`Self::sealed`].
    pub(crate) async fn next(&self) -> Arc<PendingBatch> {
        loop {
            let changed = self.changed.notified();
            if let Some(first) = self.lock().front().filter(|first| first.closed) {
                return Arc::clone(first);
            }
            changed.await;
        }
    }

    /// Lets go of the oldest batch: it is sealed and durable.
    pub(crate) fn sealed(&self, number: u64) {
        let mut batches = self.lock();
        if batches.front().is_some_and(|first| first.number == number) {
            batches.pop_front();
        }
    }

    /// How many batches wait, the open one included.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::B256;
    use cloister_stf::BlockTrace;
    use cloister_types::BlockHeader;

    use super::*;

    fn block(batch: u64) -> DurableBlock {
        DurableBlock {
            block: Arc::new(Block {
                header: BlockHeader::default(),
                hash: B256::ZERO,
                batch,
                built_at_ms: 0,
                transactions: Vec::new(),
            }),
            outcome: Arc::new(BlockOutcome {
                header: BlockHeader::default(),
                transactions: Vec::new(),
                trace: BlockTrace::default(),
            }),
            work: Work::default(),
        }
    }

    #[tokio::test]
    async fn hands_out_batches_in_order_once_they_are_closed() {
        let queue = SealQueue::default();
        for batch in [1, 1, 2] {
            queue.push(block(batch), State::default());
        }
        let first = queue.next().await;
        assert_eq!((first.number, first.blocks.len()), (1, 2));
        queue.sealed(1);
        queue.close(1);
        assert_eq!(queue.len(), 1);
        queue.close(2);
        assert_eq!(queue.next().await.number, 2);
    }

    #[tokio::test]
    async fn wakes_the_sealer_when_a_batch_closes() {
        let queue = Arc::new(SealQueue::default());
        let waiting = tokio::spawn({
            let queue = Arc::clone(&queue);
            async move { queue.next().await.number }
        });
        queue.push(block(7), State::default());
        queue.close(7);
        assert_eq!(waiting.await.unwrap(), 7);
    }
}
