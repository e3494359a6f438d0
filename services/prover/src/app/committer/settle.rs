//! Where is each batch committed, proved and final, by which transaction, and how deep?

use cloister_l1::{AnchorRecord, B256, BlockRef, Heads};
use cloister_types::BatchNumber;

use super::{Committer, TurnError};
use crate::app::model::{Commit, Depth, Finality, Intent, Kind, OpenBatch, OpenProof, Proof};

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

    fn depth(&self, block: u64, head: &BlockRef, finalized: Option<u64>) -> Depth {
        if finalized.is_some_and(|finalized| block <= finalized) {
            Depth::Final
        } else if head.number.saturating_sub(block) >= self.confirmations.saturating_sub(1) {
            Depth::Confirmed
        } else {
            Depth::Included
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
            .filter_map(|intent| intent.did(Kind::Commit, batch.number))
            .find(|landed| landed.block <= head.number);
        if let Some(landed) = own {
            return Ok(Some(Commit {
                transaction: landed.hash,
                block: landed.block,
                gas_used: landed.gas_used,
                depth: Depth::Included,
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
        let Some(anchor) = self.anchor(number, batch.hash, head).await? else {
            return Ok(None);
        };
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
            depth: Depth::Included,
        }))
    }

    /// What the contract holds about a batch, if it is the one that was sealed (SPR-4).
    async fn anchor(
        &self,
        number: BatchNumber,
        sealed: B256,
        head: B256,
    ) -> Result<Option<AnchorRecord>, TurnError> {
        let anchor = self.rollup.anchor_in(number, head).await?;
        match anchor {
            Some(anchor) if anchor.batch_hash != sealed => Err(TurnError::Stalled(format!(
                "Ethereum holds another batch {number} (`{}`) than the sequencer sealed \
                 (`{sealed}`): do two sequencers run, or was one restored from an old backup?",
                anchor.batch_hash
            ))),
            anchor => Ok(anchor),
        }
    }

    /// As [`Committer::settle`], for proofs.
    pub(super) async fn settle_proofs(
        &self,
        intents: &[Intent],
        head: &BlockRef,
        finalized: Option<u64>,
        heads: &Heads,
    ) -> Result<(), TurnError> {
        for batch in self.store.open_proofs(heads.proved.0).await? {
            let proof = if batch.number <= heads.proved.0 {
                self.locate_proof(&batch, intents, head).await?
            } else {
                None
            };
            let proof = proof.map(|found| Proof {
                depth: self.depth(found.block, head, finalized),
                ..found
            });
            if proof != batch.proof {
                if proof.is_none() {
                    tracing::warn!(
                        batch = batch.number,
                        "batch is no longer proved on Ethereum"
                    );
                }
                self.store.set_proof(batch.number, proof).await?;
            }
        }
        Ok(())
    }

    /// The proof of a batch that the contract holds as proved, ours or somebody else's.
    async fn locate_proof(
        &self,
        batch: &OpenProof,
        intents: &[Intent],
        head: &BlockRef,
    ) -> Result<Option<Proof>, TurnError> {
        let own = intents
            .iter()
            .filter_map(|intent| intent.did(Kind::Prove, batch.number))
            .find(|landed| landed.block <= head.number);
        let place = own.map(|landed| (landed.hash, landed.block));
        let known = batch.proof.map(|proof| (proof.transaction, proof.block));
        if place.is_some() && place == known {
            return Ok(batch.proof);
        }
        let number = BatchNumber(batch.number);
        let anchor = self.anchor(number, batch.hash, head.hash).await?;
        let Some((block, version)) = anchor.and_then(|anchor| {
            let block = anchor.prove_block?;
            Some((block, anchor.verifier_version?))
        }) else {
            return Ok(None);
        };
        let (transaction, gas_used) = if let Some(landed) = own {
            (landed.hash, landed.gas_used)
        } else {
            let events = self.rollup.proofs_in_block(block).await?;
            let event = events
                .into_iter()
                .find(|event| (event.first..=event.last).contains(&number));
            let Some(event) = event else { return Ok(None) };
            let Some(inclusion) = self.client.inclusion(event.transaction).await? else {
                return Ok(None);
            };
            (event.transaction, inclusion.gas_used)
        };
        Ok(Some(Proof {
            transaction,
            block,
            gas_used,
            version,
            depth: Depth::Included,
        }))
    }

    /// As [`Committer::settle`], for what the contract calls final. Whoever made it so: when it was
    /// not us, it counts from the block in which it was noticed, which is no earlier.
    pub(super) async fn settle_finality(
        &self,
        intents: &[Intent],
        head: &BlockRef,
        finalized: Option<u64>,
        heads: &Heads,
    ) -> Result<(), TurnError> {
        for (number, before) in self.store.open_finality(heads.finalized.0).await? {
            let own = intents
                .iter()
                .filter_map(|intent| intent.did(Kind::Finalize, number))
                .find(|landed| landed.block <= head.number);
            let noticed = before.map_or(head.number, |finality| finality.block);
            let block = own.map_or(noticed, |landed| landed.block);
            let finality = (number <= heads.finalized.0).then(|| Finality {
                block,
                depth: self.depth(block, head, finalized),
            });
            if finality != before {
                self.store.set_finality(number, finality).await?;
            }
        }
        Ok(())
    }
}
