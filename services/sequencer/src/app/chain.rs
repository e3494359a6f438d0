//! What readers see: the latest durable block with its state, recent blocks, the latest sealed
//! batch.
//!
//! Only the committer moves the head, and only after the block is durable (SSQ-1); only the sealer
//! moves the sealed batch.

use std::{
    collections::VecDeque,
    sync::{Arc, PoisonError, RwLock},
};

use alloy_primitives::{Address, B256};
use tokio::sync::watch;

use super::{
    model::{Batch, Block},
    state::State,
};

/// Blocks kept in memory for streams; older ones are read from the database.
const RECENT_BLOCKS: usize = 32;

/// The latest durable block and the state after it.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    /// Height.
    pub number: u64,
    /// Hash.
    pub hash: B256,
    /// UNIX seconds.
    pub timestamp: u64,
    /// Who receives priority fees.
    pub beneficiary: Address,
    /// The state after it.
    pub state: State,
}

/// What readers see.
#[derive(Debug)]
pub(crate) struct Chain {
    head: watch::Sender<Arc<Head>>,
    sealed: watch::Sender<Arc<Batch>>,
    recent: RwLock<VecDeque<Arc<Block>>>,
}

impl Chain {
    /// The chain as recovered.
    pub(crate) fn new(head: Head, sealed: Batch) -> Self {
        Self {
            head: watch::Sender::new(Arc::new(head)),
            sealed: watch::Sender::new(Arc::new(sealed)),
            recent: RwLock::default(),
        }
    }

    /// The latest durable block.
    pub(crate) fn head(&self) -> Arc<Head> {
        Arc::clone(&self.head.borrow())
    }

    /// The latest sealed batch.
    pub(crate) fn sealed(&self) -> Arc<Batch> {
        Arc::clone(&self.sealed.borrow())
    }

    /// Follows the head.
    pub(crate) fn watch_head(&self) -> watch::Receiver<Arc<Head>> {
        self.head.subscribe()
    }

    /// Follows the sealed batches.
    pub(crate) fn watch_sealed(&self) -> watch::Receiver<Arc<Batch>> {
        self.sealed.subscribe()
    }

    /// A recent block by its height.
    pub(crate) fn recent(&self, number: u64) -> Option<Arc<Block>> {
        let recent = self.recent.read().unwrap_or_else(PoisonError::into_inner);
        let first = recent.front()?.header.number.0;
        let at = usize::try_from(number.checked_sub(first)?).ok()?;
        recent.get(at).cloned()
    }

    /// Shows a block that is durable now, and the state after it.
    pub(crate) fn publish(&self, block: Arc<Block>, state: State) {
        let head = Head {
            number: block.header.number.0,
            hash: block.hash,
            timestamp: block.header.timestamp,
            beneficiary: block.header.beneficiary,
            state,
        };
        {
            let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
            if recent.len() >= RECENT_BLOCKS {
                recent.pop_front();
            }
            recent.push_back(block);
        }
        self.head.send_replace(Arc::new(head));
    }

    /// Shows a batch that is sealed and durable now.
    pub(crate) fn publish_sealed(&self, batch: Batch) {
        self.sealed.send_replace(Arc::new(batch));
    }
}

#[cfg(test)]
mod tests {
    use cloister_types::{BatchHeader, BlockHeader, BlockNumber};

    use super::*;

    fn block(number: u64) -> Arc<Block> {
        let header = BlockHeader {
            number: BlockNumber(number),
            ..BlockHeader::default()
        };
        Arc::new(Block {
            hash: header.hash(),
            header,
            batch: 1,
            built_at_ms: 0,
            transactions: Vec::new(),
        })
    }

    #[test]
    fn keeps_only_recent_blocks_and_finds_them_by_height() {
        let head = Head {
            number: 0,
            hash: B256::ZERO,
            timestamp: 0,
            beneficiary: Address::ZERO,
            state: State::default(),
        };
        let header = BatchHeader::default();
        let chain = Chain::new(
            head,
            Batch {
                hash: header.hash(),
                header,
                sealed_at: 0,
            },
        );
        assert!(chain.recent(0).is_none());
        for number in 1..=200 {
            chain.publish(block(number), State::default());
        }
        assert_eq!(chain.head().number, 200);
        assert!(chain.recent(168).is_none());
        assert_eq!(chain.recent(169).unwrap().header.number.0, 169);
        assert_eq!(chain.recent(200).unwrap().header.number.0, 200);
        assert!(chain.recent(201).is_none());
    }
}
