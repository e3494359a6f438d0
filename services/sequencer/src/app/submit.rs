//! Admitting a signed transaction and waiting until its block is durable.

use std::{sync::Arc, time::Duration};

use alloy_primitives::{B256, Bytes, U256};
use cloister_crypto::NativeCrypto;
use cloister_stf::{DecodeTxError, RecoveredTx, TxRejected, decode_and_recover};
use cloister_types::Clock;
use tokio::sync::{Semaphore, watch};

use super::{
    batch_policy::TooCostly,
    mempool::{PoolError, PoolKey},
    pool::{Admitted, Included, Pool, Ticket},
    rules::Rules,
    seal_queue::SealQueue,
};
use crate::{
    error::{Kind, Refusal},
    store::{Store, StoreError},
};

/// Most gas of one transaction (EIP-7825).
const MAX_TRANSACTION_GAS: u64 = 16_777_216;
/// Longest init code in bytes (EIP-3860).
const MAX_INIT_CODE_BYTES: usize = 49_152;

/// Why a transaction was not acknowledged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SubmitError {
    /// Not a transaction that this chain takes.
    #[error(transparent)]
    Decode(#[from] DecodeTxError),
    /// The pool refused it or let it go.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// It cannot be included in a block.
    #[error(transparent)]
    Rejected(TxRejected),
    /// Proving it could cost more than this chain allows (SSQ-8).
    #[error(
        "proving the transaction may take {} instructions, more than the {} that this chain allows \
         for one: split it, or do its costly part elsewhere", .0.got, .0.limit
    )]
    TooCostly(TooCostly),
    /// The database is away; nothing was admitted.
    #[error("the sequencer cannot store blocks at the moment: try again in a moment")]
    Unavailable,
    /// Too many batches wait to be sealed; nothing was admitted.
    #[error("too many batches wait to be sealed: an operator must look at the sequencer")]
    SealingBehind,
    /// It was admitted, but its block was not durable in time.
    #[error(
        "transaction `{hash}` is admitted but not durable yet: ask for its receipt, do not sign \
         another"
    )]
    StillWaiting {
        /// The transaction.
        hash: B256,
    },
    /// The sequencer stops; it was not included.
    #[error("the sequencer is stopping: send the transaction again in a moment")]
    Stopping,
    /// The database failed while the transaction was looked up.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The task that recovers signers failed.
    #[error("the signer could not be recovered")]
    Recovery(#[source] tokio::task::JoinError),
}

impl Refusal for SubmitError {
    fn code(&self) -> &'static str {
        match self {
            Self::Decode(error) => decode_code(error),
            Self::Pool(error) => pool_code(error),
            Self::Rejected(error) => rejected_code(error),
            Self::TooCostly(_) => "proving_limit",
            Self::Unavailable
            | Self::SealingBehind
            | Self::StillWaiting { .. }
            | Self::Stopping => "unavailable",
            Self::Store(error) => error.code(),
            Self::Recovery(_) => "internal",
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Decode(_) => Kind::Invalid,
            Self::Pool(error) => match error {
                PoolError::AlreadyKnown { .. } => Kind::Duplicate,
                PoolError::Full | PoolError::SenderFull { .. } => Kind::Exhausted,
                PoolError::TooLarge { .. } => Kind::Invalid,
                PoolError::NonceTooLow { .. }
                | PoolError::NonceTooHigh { .. }
                | PoolError::UnderpricedReplacement { .. }
                | PoolError::Replaced { .. } => Kind::Conflict,
            },
            Self::Rejected(_) | Self::TooCostly(_) => Kind::Conflict,
            Self::Unavailable
            | Self::SealingBehind
            | Self::StillWaiting { .. }
            | Self::Stopping => Kind::Unavailable,
            Self::Store(error) => error.kind(),
            Self::Recovery(_) => Kind::Internal,
        }
    }
}

fn decode_code(error: &DecodeTxError) -> &'static str {
    match error {
        DecodeTxError::TooLong { .. } => "transaction_too_large",
        DecodeTxError::Blob | DecodeTxError::UnsupportedType(_) => "unsupported_transaction_type",
        other => other.code(),
    }
}

fn pool_code(error: &PoolError) -> &'static str {
    match error {
        PoolError::NonceTooLow { .. } => "nonce_too_low",
        PoolError::NonceTooHigh { .. } => "nonce_too_high",
        PoolError::AlreadyKnown { .. } => "already_known",
        PoolError::UnderpricedReplacement { .. } => "underpriced_replacement",
        PoolError::SenderFull { .. } => "sender_limit",
        PoolError::Full => "mempool_full",
        PoolError::TooLarge { .. } => "transaction_too_large",
        PoolError::Replaced { .. } => "replaced",
    }
}

/// The stable code of a rejection, shared with calls.
pub(crate) fn rejected_code(error: &TxRejected) -> &'static str {
    match error {
        TxRejected::InitCodeTooLong => "code_size_exceeded",
        other => other.code(),
    }
}

/// Admits transactions.
#[derive(Debug)]
pub(crate) struct Submitter {
    /// The chain's rules.
    pub rules: Arc<Rules>,
    /// Where transactions wait.
    pub pool: Arc<Pool>,
    /// Where durable transactions are.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whether blocks can be stored.
    pub available: watch::Receiver<bool>,
    /// Signers being recovered at once.
    pub recoveries: Semaphore,
    /// Longest envelope in bytes.
    pub max_transaction_bytes: usize,
    /// How long a caller waits.
    pub timeout: Duration,
    /// Batches that are not sealed yet.
    pub queue: Arc<SealQueue>,
    /// Unsealed batches beyond which no block is made.
    pub max_unsealed: usize,
}

impl Submitter {
    /// Admits a transaction and answers once its block is durable (SSQ-1).
    ///
    /// # Errors
    /// [`SubmitError`]. Only [`SubmitError::StillWaiting`] leaves open what becomes of it.
    pub(crate) async fn submit(&self, raw: Bytes) -> Result<Included, SubmitError> {
        if !*self.available.borrow() {
            return Err(SubmitError::Unavailable);
        }
        if self.queue.len() > self.max_unsealed {
            return Err(SubmitError::SealingBehind);
        }
        let got = raw.len();
        if got > self.max_transaction_bytes {
            let limit = self.max_transaction_bytes;
            return Err(PoolError::TooLarge { limit, got }.into());
        }
        let transaction = self.recover(raw).await?;
        let hash = *transaction.hash();
        let key = self.check(&transaction).map_err(SubmitError::Rejected)?;
        let (ticket, answer) = Ticket::new();
        let admitted = Admitted {
            transaction: Arc::new(transaction),
            ticket,
        };
        match self.pool.insert(key, admitted, self.clock.now().0) {
            Ok(()) => {}
            Err(error) => return Err(self.refusal(hash, error).await),
        }
        match tokio::time::timeout(self.timeout, answer).await {
            Err(_) => Err(SubmitError::StillWaiting { hash }),
            Ok(Err(_)) => Err(SubmitError::Stopping),
            Ok(Ok(outcome)) => outcome,
        }
    }

    async fn recover(&self, raw: Bytes) -> Result<RecoveredTx, SubmitError> {
        let _slot = self
            .recoveries
            .acquire()
            .await
            .map_err(|_| SubmitError::Stopping)?;
        let rules = Arc::clone(&self.rules);
        let work = move || decode_and_recover(&raw, &rules.config, &NativeCrypto);
        let recovered = tokio::task::spawn_blocking(work)
            .await
            .map_err(SubmitError::Recovery)?;
        Ok(recovered?)
    }

    /// What can be said without executing; execution checks everything again.
    fn check(&self, transaction: &RecoveredTx) -> Result<PoolKey, TxRejected> {
        let config = &self.rules.config;
        let got = transaction.gas_limit();
        if got > config.block_gas_limit {
            return Err(TxRejected::GasLimitAboveBlock {
                limit: config.block_gas_limit,
                got,
            });
        }
        if got > MAX_TRANSACTION_GAS {
            return Err(TxRejected::GasLimitAboveCap {
                limit: MAX_TRANSACTION_GAS,
                got,
            });
        }
        if transaction.max_fee_per_gas() < u128::from(config.base_fee_wei) {
            return Err(TxRejected::FeeTooLow {
                base_fee_wei: config.base_fee_wei,
            });
        }
        if transaction.max_priority_fee_per_gas() > transaction.max_fee_per_gas() {
            return Err(TxRejected::PriorityFeeAboveMaxFee);
        }
        if transaction.to().is_none() && transaction.input().len() > MAX_INIT_CODE_BYTES {
            return Err(TxRejected::InitCodeTooLong);
        }
        let cost = transaction
            .max_cost(config.base_fee_wei)
            .ok_or(TxRejected::CostOverflow)?;
        let balance: U256 = self.pool.tip().account(transaction.sender()).balance;
        if balance < cost {
            return Err(TxRejected::InsufficientFunds { cost, balance });
        }
        Ok(PoolKey {
            hash: *transaction.hash(),
            sender: *transaction.sender(),
            nonce: transaction.nonce(),
            max_fee_per_gas: transaction.max_fee_per_gas(),
            max_priority_fee_per_gas: transaction.max_priority_fee_per_gas(),
            gas_limit: got,
            bytes: transaction.raw().len(),
        })
    }

    /// A used nonce may be that of this very transaction: say so.
    async fn refusal(&self, hash: B256, error: PoolError) -> SubmitError {
        if !matches!(error, PoolError::NonceTooLow { .. }) {
            return error.into();
        }
        match self.store.transaction(&hash).await {
            Ok(Some(_)) => PoolError::AlreadyKnown { hash }.into(),
            Ok(None) => error.into(),
            Err(failed) => failed.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_the_code_of_the_interface() {
        let nonce = PoolError::NonceTooLow {
            expected: 1,
            got: 0,
        };
        let codes = [
            (SubmitError::Pool(nonce), "nonce_too_low"),
            (
                SubmitError::Decode(DecodeTxError::Blob),
                "unsupported_transaction_type",
            ),
            (
                SubmitError::Decode(DecodeTxError::TooLong { got: 1 }),
                "transaction_too_large",
            ),
            (
                SubmitError::Decode(DecodeTxError::WrongChain {
                    expected: 1,
                    got: 2,
                }),
                "wrong_chain_id",
            ),
            (
                SubmitError::Rejected(TxRejected::InitCodeTooLong),
                "code_size_exceeded",
            ),
            (
                SubmitError::Rejected(TxRejected::IntrinsicGasTooLow {
                    expected: 2,
                    got: 1,
                }),
                "intrinsic_gas_too_low",
            ),
            (
                SubmitError::Rejected(TxRejected::InsufficientFunds {
                    cost: U256::ONE,
                    balance: U256::ZERO,
                }),
                "insufficient_funds",
            ),
            (SubmitError::Pool(PoolError::Full), "mempool_full"),
            (
                SubmitError::TooCostly(TooCostly { limit: 1, got: 2 }),
                "proving_limit",
            ),
            (SubmitError::Unavailable, "unavailable"),
        ];
        for (error, code) in codes {
            assert_eq!(error.code(), code);
        }
    }
}
