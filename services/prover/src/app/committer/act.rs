//! Signing, writing and sending, in this order.

use alloy::consensus::{SignableTransaction as _, TxEip1559, TxEnvelope};
use alloy::eips::eip2718::{Decodable2718 as _, Encodable2718 as _};
use alloy::primitives::TxKind;
use cloister_l1::{Address, BlockRef, Bytes, L1Error, MAX_TRANSACTION_GAS, Refusal, Rollup, U256};
use cloister_types::BatchNumber;

use super::fees::{bump, quote};
use super::{Committer, TurnError};
use crate::app::model::{Attempt, Fees, Intent, Kind, NewIntent};

/// A call that is ready to be signed.
#[derive(Debug)]
pub(super) struct Call {
    /// What it is for.
    pub kind: Kind,
    /// First batch that it is for.
    pub first: u64,
    /// Last batch that it is for.
    pub last: u64,
    /// The contract.
    pub to: Address,
    /// What is called, with what.
    pub input: Bytes,
    /// Most gas that it may take.
    pub gas_limit: u64,
}

/// Why a call cannot be sent as it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It takes more gas than one transaction may have.
    Gas(String),
    /// The contract refuses it.
    Refused(Refusal),
}

impl Unfit {
    /// Whether less might pass. A call that runs out of gas within another one reverts without a
    /// reason.
    pub(super) fn may_be_gas(&self) -> bool {
        match self {
            Self::Gas(_) => true,
            Self::Refused(refusal) => refusal.is_silent(),
        }
    }
}

impl Committer {
    /// The call that commits consecutive batches.
    pub(super) async fn prepare_commit(&self, first: u64, last: u64) -> Result<Call, TurnError> {
        let batches = self.store.batches(first, last).await?;
        let headers: Vec<_> = batches.iter().map(|batch| batch.header.public()).collect();
        let input = Rollup::commit_call(&headers);
        let to = self.rollup.address();
        let gas_limit = self.gas_limit(to, input.clone()).await?;
        let gas_limit = gas_limit.map_err(|unfit| {
            TurnError::Stalled(match unfit {
                Unfit::Gas(words) => format!(
                    "a commit cannot be made in one transaction: {words}; lower \
                     `l1.max_batches_per_transaction`"
                ),
                Unfit::Refused(refusal) => {
                    format!("the contract would refuse the commit: {refusal}")
                }
            })
        })?;
        Ok(Call {
            kind: Kind::Commit,
            first,
            last,
            to,
            input,
            gas_limit,
        })
    }

    /// The call that makes proved batches final.
    pub(super) async fn prepare_finalize(&self, first: u64, last: u64) -> Result<Call, TurnError> {
        let input = Rollup::finalize_call(BatchNumber(last));
        let to = self.rollup.address();
        let gas_limit = self.gas_limit(to, input.clone()).await?;
        let gas_limit = gas_limit.map_err(|unfit| {
            TurnError::Stalled(match unfit {
                Unfit::Gas(words) => format!("batch {last} cannot be made final: {words}"),
                Unfit::Refused(refusal) => {
                    format!("the contract would not make batch {last} final: {refusal}")
                }
            })
        })?;
        Ok(Call {
            kind: Kind::Finalize,
            first,
            last,
            to,
            input,
            gas_limit,
        })
    }

    /// What a call may cost, if the committer can pay for it.
    pub(super) async fn afford(
        &self,
        call: &Call,
        head: &BlockRef,
        balance: U256,
    ) -> Result<Fees, TurnError> {
        let fees = self.quote(head).await?;
        let cost = U256::from(call.gas_limit).saturating_mul(U256::from(fees.max_fee));
        if balance < cost {
            let what = match call.kind {
                Kind::Commit => "a commit",
                Kind::Begin | Kind::Check | Kind::Prove => "a part of a proof",
                Kind::Finalize => "making batches final",
            };
            return Err(TurnError::Stalled(format!(
                "the committer `{}` holds too little to pay for {what}: send it ether",
                self.key.address()
            )));
        }
        Ok(fees)
    }

    /// Makes a call in a new transaction.
    pub(super) async fn submit(
        &self,
        call: Call,
        fees: Fees,
        nonce: u64,
        head: &BlockRef,
    ) -> Result<(), TurnError> {
        let target = self.store.target().await?;
        let transaction = TxEip1559 {
            chain_id: target.map(|target| target.l1_chain_id).unwrap_or_default(),
            nonce,
            gas_limit: call.gas_limit,
            to: TxKind::Call(call.to),
            input: call.input,
            ..TxEip1559::default()
        };
        let attempt = self.sign(transaction, fees, head).await?;
        let intent = NewIntent {
            kind: call.kind,
            sender: self.key.address(),
            nonce,
            first_batch: call.first,
            last_batch: call.last,
            created_at_ms: self.clock.now().0,
            attempt,
        };
        // SPR-1: durable before anything leaves.
        self.store.record_intent(&intent).await?;
        crate::metrics::l1_transaction(call.kind, "signed");
        tracing::info!(
            kind = call.kind.word(),
            nonce,
            first = call.first,
            last = call.last,
            bytes = intent.attempt.raw.len(),
            gas_limit = call.gas_limit,
            transaction = %intent.attempt.hash,
            "sending a transaction"
        );
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
        crate::metrics::l1_transaction(intent.kind, "bumped");
        tracing::info!(nonce = intent.nonce, number, transaction = %attempt.hash, "raising the fees of a stuck transaction");
        self.send(intent.nonce, &attempt).await
    }

    /// Hands the latest attempt to the node again.
    pub(super) async fn resend(&self, intent: &Intent) -> Result<(), TurnError> {
        let Some(latest) = intent.latest() else {
            return Err(TurnError::stalled("a transaction without an attempt"));
        };
        crate::metrics::l1_transaction(intent.kind, "resent");
        tracing::info!(nonce = intent.nonce, transaction = %latest.hash, "sending a transaction again");
        self.send(intent.nonce, latest).await
    }

    async fn quote(&self, head: &BlockRef) -> Result<Fees, TurnError> {
        let suggested = self.client.priority_fee_wei().await?;
        quote(head.base_fee_wei, suggested, self.fees).map_err(TurnError::stalled)
    }

    /// The node's estimate and a quarter more, within what one transaction may have.
    pub(super) async fn gas_limit(
        &self,
        to: Address,
        input: Bytes,
    ) -> Result<Result<u64, Unfit>, TurnError> {
        let estimate = self.client.estimate_gas(self.key.address(), to, input);
        match estimate.await {
            Ok(estimate) if estimate <= MAX_TRANSACTION_GAS => {
                let limit = estimate.saturating_add(estimate / 4);
                Ok(Ok(limit.min(MAX_TRANSACTION_GAS)))
            }
            Ok(estimate) => Ok(Err(Unfit::Gas(format!(
                "it takes {estimate} gas, and {MAX_TRANSACTION_GAS} is the most"
            )))),
            Err(L1Error::Reverts(refusal)) => Ok(Err(Unfit::Refused(refusal))),
            Err(L1Error::Refused { message, .. }) if is_about_gas(&message) => {
                Ok(Err(Unfit::Gas(message)))
            }
            Err(error) => Err(error.into()),
        }
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

/// Refusals to estimate because more gas is needed than a transaction may have.
fn is_about_gas(message: &str) -> bool {
    const WORDS: [&str; 4] = [
        "gas required exceeds",
        "out of gas",
        "exceeds transaction gas limit",
        "gas limit too high",
    ];
    let message = message.to_ascii_lowercase();
    WORDS.iter().any(|words| message.contains(words))
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
    fn knows_what_may_be_gas() {
        assert!(is_about_gas("gas required exceeds allowance (16777216)"));
        assert!(is_about_gas(
            "Out of gas: gas required exceeds allowance: 30000000"
        ));
        assert!(!is_about_gas("insufficient funds for gas * price + value"));
        assert!(Unfit::Refused(Refusal::decode(&[])).may_be_gas());
        assert!(!Unfit::Refused(Refusal::Paused).may_be_gas());
    }

    #[test]
    fn knows_harmless_refusals() {
        assert!(is_harmless("already known"));
        assert!(is_harmless("Nonce too low: next nonce 5, tx nonce 4"));
        assert!(!is_harmless("insufficient funds for gas * price + value"));
    }
}
