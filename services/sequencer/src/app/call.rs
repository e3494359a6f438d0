//! Calls and estimates on a snapshot: they never block the writer, nor each other.

use std::sync::Arc;

use alloy_primitives::U256;
use cloister_stf::{
    BlockContext, CallError, CallOutcome, CallRequest, CallStatus, TxRejected, call,
};
use cloister_types::{BlockHeader, BlockNumber, Clock};
use tokio::sync::Semaphore;

use super::{
    chain::{Chain, Head},
    rules::Rules,
    submit::rejected_code,
};
use crate::error::{Kind, Refusal};

/// Most gas of one transaction (EIP-7825): no estimate is above it.
const MAX_TRANSACTION_GAS: u64 = 16_777_216;
/// Least gas of a transaction.
const LEAST_GAS: u64 = 21_000;
/// An estimate may be this much above the least limit that works, in parts per thousand.
const TOLERANCE_PER_MILLE: u64 = 15;

/// Why a call was not executed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallFailure {
    /// The request breaks a rule that holds for calls too.
    #[error(transparent)]
    Rejected(TxRejected),
    /// As many calls as may be are being executed.
    #[error("the sequencer executes as many calls as it may: try again in a moment")]
    Busy,
    /// Execution itself failed.
    #[error("the call could not be executed")]
    Failed(#[source] CallError),
    /// Execution panicked.
    #[error("the call failed unexpectedly")]
    Panic(#[from] tokio::task::JoinError),
}

impl Refusal for CallFailure {
    fn code(&self) -> &'static str {
        match self {
            Self::Rejected(reason) => rejected_code(reason),
            Self::Busy => "busy",
            Self::Failed(_) | Self::Panic(_) => "internal",
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Rejected(_) => Kind::Conflict,
            Self::Busy => Kind::Exhausted,
            Self::Failed(_) | Self::Panic(_) => Kind::Internal,
        }
    }
}

impl From<CallError> for CallFailure {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Rejected(reason) => Self::Rejected(reason),
            CallError::Block(error) => Self::Failed(CallError::Block(error)),
        }
    }
}

/// What an estimate found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Estimate {
    /// A limit with which the call succeeds, hardly above the least one.
    Gas(u64),
    /// How it fails at the highest limit.
    Fails(CallOutcome),
}

/// Executes calls.
#[derive(Debug)]
pub(crate) struct Caller {
    /// The chain's rules.
    pub rules: Arc<Rules>,
    /// What readers see.
    pub chain: Arc<Chain>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Calls being executed.
    pub slots: Arc<Semaphore>,
    /// Most gas of one call.
    pub max_gas: u64,
}

impl Caller {
    /// Executes a call on the latest block.
    ///
    /// # Errors
    /// [`CallFailure`]; a call that reverts or halts is no error.
    pub(crate) async fn call(
        &self,
        mut request: CallRequest,
    ) -> Result<(Arc<Head>, CallOutcome), CallFailure> {
        request.gas = if request.gas == 0 {
            self.max_gas
        } else {
            request.gas.min(self.max_gas)
        };
        self.on_head(move |trial| trial.call(request)).await
    }

    /// Finds the least gas limit with which a call succeeds.
    ///
    /// # Errors
    /// [`CallFailure`].
    pub(crate) async fn estimate(
        &self,
        request: CallRequest,
    ) -> Result<(Arc<Head>, Estimate), CallFailure> {
        let most = self
            .max_gas
            .min(MAX_TRANSACTION_GAS)
            .min(self.rules.config.block_gas_limit);
        let highest = if request.gas == 0 {
            most
        } else {
            request.gas.min(most)
        };
        self.on_head(move |trial| trial.estimate(&request, highest))
            .await
    }

    async fn on_head<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Trial) -> Result<T, CallError> + Send + 'static,
    ) -> Result<(Arc<Head>, T), CallFailure> {
        let slot = Arc::clone(&self.slots)
            .acquire_owned()
            .await
            .map_err(|_| CallFailure::Busy)?;
        let head = self.chain.head();
        let trial = Trial {
            rules: Arc::clone(&self.rules),
            header: self.next_header(&head),
            head: Arc::clone(&head),
        };
        let done = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            work(&trial)
        });
        Ok((head, done.await??))
    }

    /// Header of the block that the call pretends to be in.
    fn next_header(&self, head: &Head) -> BlockHeader {
        let context = BlockContext {
            number: BlockNumber(head.number.saturating_add(1)),
            parent_hash: head.hash,
            timestamp: self.clock.now().seconds().max(head.timestamp),
            beneficiary: head.beneficiary,
        };
        let mut header = context.header(&self.rules.config);
        header.gas_limit = header.gas_limit.max(self.max_gas);
        header
    }
}

/// A state on which calls are tried.
struct Trial {
    rules: Arc<Rules>,
    header: BlockHeader,
    head: Arc<Head>,
}

impl Trial {
    fn call(&self, request: CallRequest) -> Result<CallOutcome, CallError> {
        call(&self.rules.config, &self.header, &self.head.state, request)
    }

    fn with_gas(&self, request: &CallRequest, gas: u64) -> Result<CallOutcome, CallError> {
        self.call(CallRequest {
            gas,
            ..request.clone()
        })
    }

    /// Whether the call succeeds with this limit; a limit below the intrinsic gas does not.
    fn succeeds(&self, request: &CallRequest, gas: u64) -> Result<bool, CallError> {
        match self.with_gas(request, gas) {
            Ok(outcome) => Ok(outcome.status == CallStatus::Succeeded),
            Err(CallError::Rejected(TxRejected::IntrinsicGasTooLow { .. })) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn estimate(&self, request: &CallRequest, highest: u64) -> Result<Estimate, CallError> {
        let best = self.with_gas(request, affordable(self, request, highest))?;
        if best.status != CallStatus::Succeeded {
            return Ok(Estimate::Fails(best));
        }
        // The gas used is a lower bound, up to refunds and the 63/64 rule.
        let mut enough = affordable(self, request, highest);
        let mut too_little = best.gas_used.saturating_sub(1).max(LEAST_GAS - 1);
        let guess = best.gas_used.saturating_mul(64) / 63 + 2_300;
        if guess < enough {
            if self.succeeds(request, guess)? {
                enough = guess;
            } else {
                too_little = guess;
            }
        }
        while enough.saturating_sub(too_little) > 1
            && (enough - too_little).saturating_mul(1_000)
                > enough.saturating_mul(TOLERANCE_PER_MILLE)
        {
            let middle = too_little + (enough - too_little) / 2;
            if self.succeeds(request, middle)? {
                enough = middle;
            } else {
                too_little = middle;
            }
        }
        Ok(Estimate::Gas(enough))
    }
}

/// The highest limit that the caller can pay for.
fn affordable(trial: &Trial, request: &CallRequest, highest: u64) -> u64 {
    // A chain whose base fee is 0 is free of charge, whatever is offered.
    if request.gas_price == 0 || trial.header.base_fee_wei == 0 {
        return highest;
    }
    let balance = trial.head.state.account(&request.from).balance;
    let left = balance.saturating_sub(request.value);
    let gas = left / U256::from(request.gas_price);
    // Not 0, which a call takes for "as much as allowed".
    u64::try_from(gas)
        .unwrap_or(u64::MAX)
        .clamp(1, highest.max(1))
}
