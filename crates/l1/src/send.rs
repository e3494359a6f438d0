//! Sends the transactions of a person at a terminal, and waits for each.

use std::time::Duration;

use alloy::consensus::{SignableTransaction as _, TxEip1559};
use alloy::eips::eip2718::Encodable2718 as _;
use alloy::network::TxSigner;
use alloy::primitives::{Address, B256, Bytes, Signature, TxKind};

use crate::client::{EthClient, Inclusion, MAX_TRANSACTION_GAS};
use crate::error::L1Error;

/// What a transaction may cost and take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SendLimits {
    /// Most that one unit of gas may cost, in wei.
    pub max_fee_per_gas_wei: u128,
    /// How long to wait for each transaction to be included.
    pub inclusion_timeout: Duration,
}

/// A transaction that was included and did what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What it did, e.g. `deploying the router`.
    pub what: String,
    /// Where it was included.
    pub inclusion: Inclusion,
}

/// Told of each step as it is done.
pub type Progress<'a> = &'a mut (dyn FnMut(&Step) + Send);

/// A transaction that was not sent or did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The node gives no usable answer, or says that the transaction would revert.
    #[error("{what} failed")]
    Node {
        /// What the transaction was for.
        what: String,
        /// What the node says.
        source: L1Error,
    },
    /// The signer refuses.
    #[error("{what}: the key could not sign")]
    Signer {
        /// What the transaction was for.
        what: String,
        /// Why.
        source: alloy::signers::Error,
    },
    /// Gas is dearer than allowed.
    #[error(
        "{what}: gas costs {needed_wei} wei now, more than the limit of {limit_wei} wei: wait or raise the limit"
    )]
    TooDear {
        /// What the transaction was for.
        what: String,
        /// What it would take.
        needed_wei: u128,
        /// What is allowed.
        limit_wei: u128,
    },
    /// The transaction was included and reverted.
    #[error("{what}: transaction `{transaction}` reverted")]
    Reverted {
        /// What the transaction was for.
        what: String,
        /// The transaction.
        transaction: B256,
    },
    /// The transaction was not included in time. It may still be.
    #[error("{what}: transaction `{transaction}` was not included in time and may still be")]
    NotIncluded {
        /// What the transaction was for.
        what: String,
        /// The transaction.
        transaction: B256,
    },
}

/// Sends transactions of one account, which nobody else may use meanwhile.
pub(crate) struct Sender<'a, S: ?Sized> {
    client: &'a EthClient,
    signer: &'a S,
    limits: SendLimits,
    progress: Progress<'a>,
    chain_id: u64,
    nonce: u64,
}

impl<'a, S> Sender<'a, S>
where
    S: TxSigner<Signature> + Sync + ?Sized,
{
    pub(crate) async fn open(
        client: &'a EthClient,
        signer: &'a S,
        limits: SendLimits,
        progress: Progress<'a>,
    ) -> Result<Self, L1Error> {
        Ok(Self {
            client,
            signer,
            limits,
            progress,
            chain_id: client.chain_id().await?,
            nonce: client.nonce(signer.address()).await?,
        })
    }

    /// The address of the contract that is created after `transactions` others.
    pub(crate) fn address_after(&self, transactions: u64) -> Address {
        let nonce = self.nonce.saturating_add(transactions);
        self.signer.address().create(nonce)
    }

    /// Creates a contract; says where.
    pub(crate) async fn create(&mut self, what: &str, code: Bytes) -> Result<Address, SendError> {
        let address = self.address_after(0);
        let transaction = self.submit(what, TxKind::Create, code).await?;
        self.settle(what, transaction).await?;
        Ok(address)
    }

    /// Creates contracts that do not depend on each other, without waiting for each.
    pub(crate) async fn create_all(
        &mut self,
        creations: Vec<(String, Bytes)>,
    ) -> Result<Vec<Address>, SendError> {
        let mut sent = Vec::with_capacity(creations.len());
        for (what, code) in creations {
            let address = self.address_after(0);
            let transaction = self.submit(&what, TxKind::Create, code).await?;
            sent.push((what, address, transaction));
        }
        let mut addresses = Vec::with_capacity(sent.len());
        for (what, address, transaction) in sent {
            self.settle(&what, transaction).await?;
            addresses.push(address);
        }
        Ok(addresses)
    }

    /// Calls a contract.
    pub(crate) async fn call(
        &mut self,
        what: &str,
        to: Address,
        input: Bytes,
    ) -> Result<Inclusion, SendError> {
        let transaction = self.submit(what, TxKind::Call(to), input).await?;
        self.settle(what, transaction).await
    }

    /// Signs a transaction and hands it to the node.
    async fn submit(&mut self, what: &str, to: TxKind, input: Bytes) -> Result<B256, SendError> {
        let failed = |source| SendError::Node {
            what: what.to_owned(),
            source,
        };
        let head = self.client.head().await.map_err(failed)?;
        let tip = self.client.priority_fee_wei().await.map_err(failed)?;
        let limit_wei = self.limits.max_fee_per_gas_wei;
        let needed_wei = head.base_fee_wei.saturating_add(tip);
        if needed_wei > limit_wei {
            return Err(SendError::TooDear {
                what: what.to_owned(),
                needed_wei,
                limit_wei,
            });
        }
        let gas_limit = self.gas_limit(to, &input).await.map_err(failed)?;
        let mut transaction = TxEip1559 {
            chain_id: self.chain_id,
            nonce: self.nonce,
            gas_limit,
            max_fee_per_gas: head
                .base_fee_wei
                .saturating_mul(2)
                .saturating_add(tip)
                .min(limit_wei),
            max_priority_fee_per_gas: tip,
            to,
            input,
            ..TxEip1559::default()
        };
        let signature = self.signer.sign_transaction(&mut transaction).await;
        let signature = signature.map_err(|source| SendError::Signer {
            what: what.to_owned(),
            source,
        })?;
        let signed = transaction.into_signed(signature);
        let sent = self.client.send_raw(&signed.encoded_2718()).await;
        let hash = sent.map_err(failed)?;
        self.nonce = self.nonce.saturating_add(1);
        Ok(hash)
    }

    /// Waits for a transaction and tells of it.
    async fn settle(&mut self, what: &str, transaction: B256) -> Result<Inclusion, SendError> {
        let inclusion = self.wait(what, transaction).await?;
        if !inclusion.succeeded {
            return Err(SendError::Reverted {
                what: what.to_owned(),
                transaction,
            });
        }
        (self.progress)(&Step {
            what: what.to_owned(),
            inclusion,
        });
        Ok(inclusion)
    }

    /// The node's estimate and a quarter more, within what one transaction may have.
    async fn gas_limit(&self, to: TxKind, input: &Bytes) -> Result<u64, L1Error> {
        let from = self.signer.address();
        let estimate = match to {
            TxKind::Create => self.client.estimate_creation(from, input.clone()).await?,
            TxKind::Call(to) => self.client.estimate_gas(from, to, input.clone()).await?,
        };
        Ok(estimate
            .saturating_add(estimate / 4)
            .min(MAX_TRANSACTION_GAS))
    }

    async fn wait(&self, what: &str, transaction: B256) -> Result<Inclusion, SendError> {
        const POLL: Duration = Duration::from_millis(100);
        let deadline = tokio::time::Instant::now() + self.limits.inclusion_timeout;
        loop {
            let found = self.client.inclusion(transaction).await;
            let found = found.map_err(|source| SendError::Node {
                what: what.to_owned(),
                source,
            })?;
            if let Some(inclusion) = found {
                return Ok(inclusion);
            }
            if tokio::time::Instant::now() >= deadline {
                return Err(SendError::NotIncluded {
                    what: what.to_owned(),
                    transaction,
                });
            }
            tokio::time::sleep(POLL).await;
        }
    }
}
