//! Signing, writing and sending, in this order.

use alloy::consensus::{SignableTransaction as _, TxEip1559, TxEnvelope};
use alloy::eips::eip2718::{Decodable2718 as _, Encodable2718 as _};
use alloy::primitives::TxKind;
use cloister_l1::{BlockRef, Bytes, L1Error, MAX_TRANSACTION_GAS, Rollup, U256};

use super::fees::{bump, quote};
use super::{Committer, TurnError};
use crate::app::model::{Attempt, Fees, Intent, NewIntent};

impl Committer {
    /// Commits consecutive batches in a new transaction.
    pub(super) async fn commit(
        &self,
        first: u64,
        last: u64,
        nonce: u64,
        head: &BlockRef,
        balance: U256,
    ) -> Result<(), TurnError> {
        let batches = self.store.batches(first, last).await?;
        let headers: Vec<_> = batches.iter().map(|batch| batch.header.public()).collect();
        let input = Rollup::commit_call(&headers);
        let fees = self.quote(head).await?;
        let gas_limit = self.gas_limit(input.clone()).await?;
        let cost = U256::from(gas_limit).saturating_mul(U256::from(fees.max_fee));
        if balance < cost {
            return Err(TurnError::Stalled(format!(
                "the committer `{}` holds too little to pay for a commit: send it ether",
                self.key.address()
            )));
        }
        let target = self.store.target().await?;
        let transaction = TxEip1559 {
            chain_id: target.map(|target| target.l1_chain_id).unwrap_or_default(),
            nonce,
            gas_limit,
            to: TxKind::Call(self.rollup.address()),
            input,
            ..TxEip1559::default()
        };
        let attempt = self.sign(transaction, fees, head).await?;
        let intent = NewIntent {
            sender: self.key.address(),
            nonce,
            first_batch: first,
            last_batch: last,
            created_at_ms: self.clock.now().0,
            attempt,
        };
        // SPR-1: durable before anything leaves.
        self.store.record_intent(&intent).await?;
        crate::metrics::l1_transaction("signed");
        tracing::info!(nonce, first, last, transaction = %intent.attempt.hash, "committing batches");
        self.send(nonce, &intent.attempt).await
    }

    /// Signs a stuck transaction again with higher fees: same nonce, same call.
    pub(super) async fn bump(&self, intent: &Intent, head: &BlockRef) -> Result<(), TurnError> {
        let Some(latest) = intent.latest() else {
            return Err(TurnError::stalled("a transaction without an attempt"));
        };
        let fresh = self.quote(head).await?;
        let Some(fees) = bump(latest.fees, fresh, self.fees) else {
            // It may still be included; keep it known meanwhile.
            self.send(intent.nonce, latest).await?;
            return Err(TurnError::Stalled(format!(
                "transaction {} waits at the highest fee that `l1.max_fee_per_gas_wei` allows",
                intent.nonce
            )));
        };
        let envelope = TxEnvelope::decode_2718(&mut latest.raw.as_ref())
            .map_err(|_| TurnError::stalled("the database holds a damaged transaction"))?;
        let TxEnvelope::Eip1559(signed) = envelope else {
            return Err(TurnError::stalled(
                "the database holds a transaction of another type",
            ));
        };
        let attempt = self.sign(signed.strip_signature(), fees, head).await?;
        let number = intent.attempts.len();
        // SPR-1: durable before anything leaves.
        self.store
            .record_attempt(intent.id, number, &attempt)
            .await?;
        crate::metrics::l1_transaction("bumped");
        tracing::info!(nonce = intent.nonce, number, transaction = %attempt.hash, "raising the fees of a stuck transaction");
        self.send(intent.nonce, &attempt).await
    }

    /// Hands the latest attempt to the node again.
    pub(super) async fn resend(&self, intent: &Intent) -> Result<(), TurnError> {
        let Some(latest) = intent.latest() else {
            return Err(TurnError::stalled("a transaction without an attempt"));
        };
        crate::metrics::l1_transaction("resent");
        tracing::info!(nonce = intent.nonce, transaction = %latest.hash, "sending a transaction again");
        self.send(intent.nonce, latest).await
    }

    async fn quote(&self, head: &BlockRef) -> Result<Fees, TurnError> {
        let suggested = self.client.priority_fee_wei().await?;
        quote(head.base_fee_wei, suggested, self.fees).map_err(TurnError::stalled)
    }

    /// The node's estimate and a quarter more.
    async fn gas_limit(&self, input: Bytes) -> Result<u64, TurnError> {
        let estimate = self
            .client
            .estimate_gas(self.key.address(), self.rollup.address(), input)
            .await;
        let estimate = match estimate {
            Ok(estimate) => estimate,
            Err(L1Error::Reverts(refusal)) => {
                return Err(TurnError::Stalled(format!(
                    "the contract would refuse the commit: {refusal}"
                )));
            }
            Err(error) => return Err(error.into()),
        };
        if estimate > MAX_TRANSACTION_GAS {
            return Err(TurnError::Stalled(format!(
                "a commit needs {estimate} gas, more than one transaction may have: lower \
                 `l1.max_batches_per_transaction`"
            )));
        }
        Ok(estimate
            .saturating_add(estimate / 4)
            .min(MAX_TRANSACTION_GAS))
    }

    async fn sign(
        &self,
        mut transaction: TxEip1559,
        fees: Fees,
        head: &BlockRef,
    ) -> Result<Attempt, TurnError> {
        transaction.max_fee_per_gas = fees.max_fee;
        transaction.max_priority_fee_per_gas = fees.tip;
        let signature = self.key.sign_transaction(&mut transaction).await?;
        let signed = transaction.into_signed(signature);
        Ok(Attempt {
            hash: *signed.hash(),
            raw: signed.encoded_2718().into(),
            fees,
            signed_in_block: head.number,
        })
    }

    async fn send(&self, nonce: u64, attempt: &Attempt) -> Result<(), TurnError> {
        match self.client.send_raw(&attempt.raw).await {
            Ok(_) => Ok(()),
            // The next turn sees what became of it.
            Err(L1Error::Refused { message, .. }) if is_harmless(&message) => Ok(()),
            Err(L1Error::Refused { message, .. }) => Err(TurnError::Stalled(format!(
                "the Ethereum node does not take transaction {nonce}: {message}"
            ))),
            Err(error) => Err(error.into()),
        }
    }
}

/// Refusals that say no more than that the node has the transaction, a better one, or its block.
fn is_harmless(message: &str) -> bool {
    const HARMLESS: [&str; 5] = [
        "already known",
        "already imported",
        "known transaction",
        "nonce too low",
        "replacement transaction underpriced",
    ];
    let message = message.to_ascii_lowercase();
    HARMLESS.iter().any(|words| message.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_harmless_refusals() {
        assert!(is_harmless("already known"));
        assert!(is_harmless("Nonce too low: next nonce 5, tx nonce 4"));
        assert!(!is_harmless("insufficient funds for gas * price + value"));
    }
}
