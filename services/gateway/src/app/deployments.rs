//! Who owns a contract: noted before the transaction is submitted, recorded once it is included, so
//! that neither a crash nor a lost answer loses the owner (SGW-6).

use std::time::Duration;

use alloy_consensus::Transaction as _;
use cloister_types::UnixMillis;

use super::registry::DEFAULT_TEMPLATE;
use super::{App, failure};
use crate::rpc::RpcError;
use crate::store::contracts::{self, Deployment};

/// How often deployments are settled that no request settled.
pub const SETTLE_EVERY: Duration = Duration::from_secs(5);
/// A deployment that is younger is left to the request that submitted it.
const LEFT_TO_ITS_REQUEST_MS: u64 = 5_000;
/// A deployment that no block holds after this time never will be: it was refused or replaced.
const GIVEN_UP_AFTER_MS: u64 = 3_600_000;
/// Most deployments that are settled in one go.
const SETTLED_AT_ONCE: i64 = 100;

impl App {
    /// Notes a deployment before it is submitted.
    ///
    /// # Errors
    /// The database is away.
    pub async fn announce(&self, deployment: &Deployment) -> Result<(), RpcError> {
        contracts::announce(self.database.pool(), deployment, self.clock.now())
            .await
            .map_err(|error| failure::database(&error))
    }

    /// Forgets a deployment that the sequencer refused; not one that it refused because the same
    /// transaction `waits` already, nor one that is in a block: who sends a deployment again must
    /// not lose the contract.
    pub async fn withdraw(&self, deployment: &Deployment, waits: bool) {
        match self.try_settle(deployment).await {
            Ok(false) if !waits => {}
            Ok(_) => return,
            Err(reason) => {
                tracing::warn!(reason, "a refused deployment will be settled later");
                return;
            }
        }
        let gone = contracts::forget(self.database.pool(), deployment.transaction).await;
        if let Err(error) = gone {
            tracing::warn!(%error, "a refused deployment will be settled later");
        }
    }

    /// Records the contract of an included deployment, or forgets a deployment that created none.
    /// What fails here is done again by [`App::settle_left_over`].
    pub async fn settle(&self, deployment: &Deployment) {
        if let Err(reason) = self.try_settle(deployment).await {
            tracing::warn!(reason, "a deployment will be settled later");
        }
    }

    async fn try_settle(&self, deployment: &Deployment) -> Result<bool, String> {
        let found = self.sequencer.transaction(deployment.transaction).await;
        let Some(transaction) = found.map_err(|error| error.to_string())? else {
            return Ok(false);
        };
        let created = transaction.receipt.succeeded && transaction.envelope.is_create();
        if created && transaction.receipt.contract_address == Some(deployment.address) {
            let now = self.clock.now();
            contracts::record(self.database.pool(), deployment, DEFAULT_TEMPLATE, now)
                .await
                .map_err(|error| error.to_string())?;
            self.blocks.forget_views();
        } else {
            contracts::forget(self.database.pool(), deployment.transaction)
                .await
                .map_err(|error| error.to_string())?;
        }
        Ok(true)
    }

    /// Settles deployments whose request did not: it timed out, or the gateway was restarted.
    ///
    /// # Errors
    /// The database or the sequencer is away, in words for operators.
    pub async fn settle_left_over(&self) -> Result<(), String> {
        let now = self.clock.now();
        let before = UnixMillis(now.0.saturating_sub(LEFT_TO_ITS_REQUEST_MS));
        let given_up = UnixMillis(now.0.saturating_sub(GIVEN_UP_AFTER_MS));
        let pool = self.database.pool();
        let left = contracts::unsettled(pool, before, SETTLED_AT_ONCE).await;
        for deployment in left.map_err(|error| error.to_string())? {
            self.try_settle(&deployment).await?;
        }
        let old = contracts::unsettled(pool, given_up, SETTLED_AT_ONCE).await;
        for deployment in old.map_err(|error| error.to_string())? {
            contracts::forget(pool, deployment.transaction)
                .await
                .map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}
