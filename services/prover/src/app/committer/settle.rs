//! Where is each batch committed, by which transaction, and how deep?

use cloister_l1::{B256, BlockRef};
use cloister_types::BatchNumber;

use super::{Committer, TurnError};
use crate::app::model::{Commit, CommitDepth, Intent, OpenBatch};

impl Committer {
    /// Brings the batch table in line with the contract as of `head`.
    pub(super) async fn settle(
        &self,
        intents: &[Intent],
        head: &BlockRef,
        finalized: Option<u64>,
        committed: u64,
    ) -> Result<(), TurnError> {
        for batch in self.store.open_batches(committed).await? {
            let commit = if batch.number <= committed {
                self.locate(&batch, intents, head).await?
            } else {
                None
            };
            let commit = commit.map(|found| Commit {
                depth: self.depth(found.block, head, finalized),
                ..found
            });
            if commit != batch.commit {
                if commit.is_none() {
                    tracing::warn!(batch = batch.number, "batch is no longer on Ethereum");
                }
                self.store.set_commit(batch.number, commit).await?;
            }
        }
        Ok(())
    }

    fn depth(&self, block: u64, head: &BlockRef, finalized: Option<u64>) -> CommitDepth {
        if finalized.is_some_and(|finalized| block <= finalized) {
            CommitDepth::Final
        } else if head.number.saturating_sub(block) >= self.confirmations.saturating_sub(1) {
            CommitDepth::Confirmed
        } else {
            CommitDepth::Included
        }
    }

    /// The commit of a batch that the contract holds. When a transaction of ours succeeded, the
    /// contract itself compared the hash. Otherwise somebody else committed it: then the hash is
    /// compared here (SPR-4).
    async fn locate(
        &self,
        batch: &OpenBatch,
        intents: &[Intent],
        head: &BlockRef,
    ) -> Result<Option<Commit>, TurnError> {
        let own = intents
            .iter()
            .filter_map(|intent| intent.committed(batch.number))
            .find(|landed| landed.block <= head.number);
        if let Some(landed) = own {
            return Ok(Some(Commit {
                transaction: landed.hash,
                block: landed.block,
                gas_used: landed.gas_used,
                depth: CommitDepth::Included,
            }));
        }
        self.locate_foreign(batch, head.hash).await
    }

    async fn locate_foreign(
        &self,
        batch: &OpenBatch,
        head: B256,
    ) -> Result<Option<Commit>, TurnError> {
        let number = BatchNumber(batch.number);
        let Some(anchor) = self.rollup.anchor_in(number, head).await? else {
            return Ok(None);
        };
        if anchor.batch_hash != batch.hash {
            return Err(TurnError::Stalled(format!(
                "Ethereum holds another batch {number} (`{}`) than the sequencer sealed (`{}`): do \
                 two sequencers run, or was one restored from an old backup?",
                anchor.batch_hash, batch.hash
            )));
        }
        let events = self.rollup.commits_of(number, anchor.commit_block).await?;
        let event = events
            .into_iter()
            .rev()
            .find(|event| event.batch_hash == batch.hash);
        let Some(event) = event else { return Ok(None) };
        let Some(inclusion) = self.client.inclusion(event.transaction).await? else {
            return Ok(None);
        };
        Ok(Some(Commit {
            transaction: event.transaction,
            block: inclusion.block_number,
            gas_used: inclusion.gas_used,
            depth: CommitDepth::Included,
        }))
    }
}
