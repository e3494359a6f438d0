//! Where is each transaction of ours?

use std::cmp::Reverse;

use cloister_l1::BlockRef;

use super::{Committer, TurnError};
use crate::app::model::{Intent, IntentState, Landed};

impl Committer {
    /// Looks for each transaction that is not final and writes what changed. That a transaction is
    /// final is only noted in `intents`; [`Committer::finish`] writes it when its batches are.
    ///
    /// A block that is still there keeps all blocks below it there. So the look goes from the
    /// newest inclusion down and stops asking at the first that did not move: usually one question.
    pub(super) async fn observe(
        &self,
        intents: &mut [Intent],
        head: &BlockRef,
        finalized: Option<u64>,
    ) -> Result<(), TurnError> {
        let mut newest_first: Vec<&mut Intent> = intents.iter_mut().collect();
        let height = |intent: &Intent| intent.landed().map_or(u64::MAX, |landed| landed.block);
        newest_first.sort_by_key(|intent| Reverse(height(intent)));
        let mut unmoved = None;
        for intent in newest_first {
            let before = intent.landed();
            let landed = match before {
                Some(landed) if unmoved.is_some_and(|block| landed.block <= block) => before,
                _ => self.find(intent).await?,
            };
            if let (Some(landed), true) = (landed, landed == before) {
                unmoved = unmoved.max(Some(landed.block));
            }
            let state = match landed {
                Some(landed) if finalized.is_some_and(|block| landed.block <= block) => {
                    IntentState::Final(landed)
                }
                Some(landed) => IntentState::Included(landed),
                None => {
                    let used = self.client.nonce_in(intent.sender, head.hash).await?;
                    if used > intent.nonce {
                        IntentState::Lost
                    } else {
                        IntentState::Pending
                    }
                }
            };
            if state != intent.state {
                report(intent, state);
                if !matches!(state, IntentState::Final(_)) {
                    self.store.set_intent(intent.id, state).await?;
                }
                intent.state = state;
            }
        }
        Ok(())
    }

    /// Writes which transactions are final.
    pub(super) async fn finish(&self, intents: &[Intent]) -> Result<(), TurnError> {
        for intent in intents {
            if matches!(intent.state, IntentState::Final(_)) {
                self.store.set_intent(intent.id, intent.state).await?;
            }
        }
        Ok(())
    }

    /// The attempt that is in a block, if any: first the one that was there before.
    async fn find(&self, intent: &Intent) -> Result<Option<Landed>, TurnError> {
        let before = intent.landed().map(|landed| landed.hash);
        let newest_first = intent.attempts.iter().rev().map(|attempt| attempt.hash);
        let others = newest_first.filter(|hash| Some(*hash) != before);
        for hash in before.into_iter().chain(others) {
            if let Some(inclusion) = self.client.inclusion(hash).await? {
                return Ok(Some(Landed {
                    hash,
                    block: inclusion.block_number,
                    block_hash: inclusion.block_hash,
                    gas_used: inclusion.gas_used,
                    succeeded: inclusion.succeeded,
                }));
            }
        }
        Ok(None)
    }
}

fn report(intent: &Intent, state: IntentState) {
    let (kind, nonce) = (intent.kind.word(), intent.nonce);
    let (first, last) = (intent.first_batch, intent.last_batch);
    let event = match state {
        IntentState::Included(landed) if landed.succeeded => {
            tracing::info!(kind, nonce, first, last, transaction = %landed.hash, block = landed.block, gas_used = landed.gas_used, "transaction succeeded");
            crate::metrics::l1_gas(intent.kind, landed.gas_used);
            "included"
        }
        IntentState::Included(landed) => {
            tracing::error!(kind, nonce, first, last, transaction = %landed.hash, block = landed.block, gas_used = landed.gas_used, "transaction reverted");
            crate::metrics::l1_gas(intent.kind, landed.gas_used);
            "reverted"
        }
        IntentState::Final(landed) => {
            tracing::info!(kind, nonce, first, last, transaction = %landed.hash, "transaction is final");
            "final"
        }
        IntentState::Pending => {
            tracing::warn!(
                kind,
                nonce,
                first,
                last,
                "ethereum took the transaction out of the chain"
            );
            "reorganised"
        }
        IntentState::Lost => {
            tracing::warn!(
                kind,
                nonce,
                first,
                last,
                "another transaction took the nonce"
            );
            "lost"
        }
    };
    crate::metrics::l1_transaction(intent.kind, event);
}
