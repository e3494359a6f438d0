//! Is this the right node, the right contract and the right key?

use cloister_types::BatchNumber;

use super::{Committer, TurnError};

impl Committer {
    /// Checks once, and again after every failure: nothing is signed for a chain or a contract that
    /// was not recognised (SPR-3).
    pub(super) async fn identify(&mut self) -> Result<(), TurnError> {
        if self.identified {
            return Ok(());
        }
        let Some(target) = self.store.target().await? else {
            return Err(TurnError::stalled(
                "the sequencer has not named its chain yet",
            ));
        };
        let l1_chain_id = self.client.chain_id().await?;
        if l1_chain_id != target.l1_chain_id {
            return Err(TurnError::Stalled(format!(
                "the Ethereum node is of chain {l1_chain_id}, `l1.chain_id` is {}",
                target.l1_chain_id
            )));
        }
        let chain_id = self.rollup.chain_id().await?;
        let genesis = self.rollup.anchor(BatchNumber::GENESIS).await?;
        let genesis = genesis.map(|anchor| anchor.batch_hash).unwrap_or_default();
        if (chain_id, genesis) != (target.chain_id, target.genesis_batch_hash) {
            return Err(TurnError::Stalled(format!(
                "the contract `{}` anchors another chain ({chain_id}, genesis `{genesis}`): check \
                 `l1.rollup_contract`",
                self.rollup.address()
            )));
        }
        let committer = self.key.address();
        if !self.rollup.is_committer(committer).await? {
            return Err(TurnError::Stalled(format!(
                "`{committer}` does not hold the committer role of the contract `{}`: grant it \
                 through the timelock",
                self.rollup.address()
            )));
        }
        self.finality_blocks = self.rollup.finality_blocks().await?;
        tracing::info!(
            %committer,
            contract = %self.rollup.address(),
            l1_chain_id,
            "node, contract and key are the right ones"
        );
        self.identified = true;
        Ok(())
    }
}
