//! Execution of one block.

use alloc::{
    collections::BTreeSet,
    string::{String, ToString},
    vec::Vec,
};
use alloy_primitives::{Address, B256, Bloom, Bytes, Log, TxKind, U256};
use cloister_types::{
    AccountValue, BlockHeader, BlockNumber, ChainConfig, LogRecord, StateKey, TransactionFields,
    block::{prev_randao, transactions_hash},
};
use revm::{
    Context, ExecuteEvm, MainBuilder,
    context::{
        BlockEnv, CfgEnv, ContextTr, Journal, TxEnv,
        result::{EVMError, ExecutionResult, InvalidTransaction},
    },
    handler::{Handler, MainnetContext, MainnetEvm, MainnetHandler, SYSTEM_ADDRESS},
    state::Bytecode,
};

use crate::{
    envelope::{RecoveredTx, TransactionKind, call_env},
    overlay::Overlay,
    reject::TxRejected,
    rules::{self, HISTORY_ADDRESS},
    state::{StateError, StateReader},
};

pub(crate) type Evm<'a, R> = MainnetEvm<MainnetContext<Overlay<'a, R>>>;

/// Gas of the system call that stores the parent's hash (EIP-2935).
const SYSTEM_CALL_GAS: u64 = 30_000_000;

/// What a block's creator decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockContext {
    /// Position in the chain.
    pub number: BlockNumber,
    /// Hash of the block before.
    pub parent_hash: B256,
    /// UNIX seconds; not less than the parent's.
    pub timestamp: u64,
    /// Who receives priority fees.
    pub beneficiary: Address,
}

impl BlockContext {
    /// A block after `parent`, with the same beneficiary, not before the parent's time.
    ///
    /// The number stops at its maximum, which no chain reaches.
    #[must_use]
    pub fn child_of(parent: &BlockHeader, timestamp: u64) -> Self {
        Self {
            number: parent.number.next().unwrap_or(parent.number),
            parent_hash: parent.hash(),
            timestamp: timestamp.max(parent.timestamp),
            beneficiary: parent.beneficiary,
        }
    }

    /// The block's header before any transaction.
    #[must_use]
    pub fn header(&self, config: &ChainConfig) -> BlockHeader {
        BlockHeader {
            chain_id: config.chain_id,
            number: self.number,
            parent_hash: self.parent_hash,
            timestamp: self.timestamp,
            beneficiary: self.beneficiary,
            gas_limit: config.block_gas_limit,
            gas_used: 0,
            base_fee_wei: config.base_fee_wei,
            prev_randao: prev_randao(&self.parent_hash),
            transaction_count: 0,
            transactions_hash: transactions_hash([]),
        }
    }
}

/// Why a block cannot be executed.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// The state could not be read.
    #[error("the block cannot be executed")]
    State(#[from] StateError),
    /// The machine failed in a way that no transaction can cause.
    #[error("the virtual machine failed: {0}")]
    Machine(String),
}

/// Why a transaction was not executed. In each case the block is as before.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// The transaction cannot be included.
    #[error("the transaction cannot be included")]
    Rejected(#[source] TxRejected),
    /// Execution itself failed; the block cannot be built.
    #[error(transparent)]
    Block(#[from] BlockError),
}

impl From<StateError> for ExecuteError {
    fn from(error: StateError) -> Self {
        Self::Block(BlockError::State(error))
    }
}

/// A transaction with what it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutedTransaction {
    /// What the transaction's leaf commits to.
    pub fields: TransactionFields,
    /// Its form.
    pub kind: TransactionKind,
    /// Gas used by the block up to and with it.
    pub cumulative_gas_used: u64,
    /// Wei paid per gas.
    pub effective_gas_price: u128,
    /// What it returned, or why it reverted.
    pub output: Bytes,
    /// Why it ended without an answer, e.g. `out of gas`.
    pub halt_reason: Option<String>,
    /// Addresses whose activity chains it extends, ascending.
    pub concerned: Vec<Address>,
}

impl ExecutedTransaction {
    /// Bloom filter over its logs.
    #[must_use]
    pub fn bloom(&self) -> Bloom {
        let mut bloom = Bloom::ZERO;
        for log in &self.fields.logs {
            bloom.accrue_raw_log(log.address, &log.topics);
        }
        bloom
    }
}

/// An account that a block changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountChange {
    /// Whose.
    pub address: Address,
    /// Before the block.
    pub before: AccountValue,
    /// After the block; empty when it was destroyed.
    pub after: AccountValue,
}

/// A storage slot that a block changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StorageChange {
    /// Whose.
    pub address: Address,
    /// Slot.
    pub slot: U256,
    /// Before the block.
    pub before: U256,
    /// After the block.
    pub after: U256,
}

/// What a block read and changed.
#[derive(Clone, Debug, Default)]
pub struct BlockTrace {
    /// Accounts that are not what they were, by address.
    pub accounts: Vec<AccountChange>,
    /// Slots that are not what they were, by address and slot.
    pub storage: Vec<StorageChange>,
    /// Code that came into being, by hash.
    pub created_codes: Vec<(B256, Bytecode)>,
    /// Accounts and slots that the block depends on.
    pub accessed: BTreeSet<StateKey>,
    /// Code from before the block that the block depends on.
    pub read_codes: BTreeSet<B256>,
}

/// A block that was executed.
#[derive(Clone, Debug)]
pub struct BlockOutcome {
    /// Its header.
    pub header: BlockHeader,
    /// Its transactions in order.
    pub transactions: Vec<ExecutedTransaction>,
    /// What it read and changed.
    pub trace: BlockTrace,
}

/// Executes a block, transaction by transaction, over a state that it does not change.
pub struct BlockExecutor<'a, R: StateReader + ?Sized> {
    evm: Evm<'a, R>,
    header: BlockHeader,
    transactions: Vec<ExecutedTransaction>,
}

impl<R: StateReader + ?Sized> core::fmt::Debug for BlockExecutor<'_, R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("BlockExecutor")
            .field("header", &self.header)
            .field("transactions", &self.transactions.len())
            .finish_non_exhaustive()
    }
}

impl<'a, R: StateReader + ?Sized> BlockExecutor<'a, R> {
    /// Starts a block over the state after its parent: stores the parent's hash (EIP-2935).
    ///
    /// # Errors
    /// [`BlockError`] when the state cannot be read.
    pub fn new(
        config: &ChainConfig,
        context: BlockContext,
        state: &'a R,
    ) -> Result<Self, BlockError> {
        let header = context.header(config);
        let mut evm = evm(rules::cfg_env(config), rules::block_env(&header), state);
        store_parent_hash(&mut evm, &header.parent_hash)?;
        Ok(Self {
            evm,
            header,
            transactions: Vec::new(),
        })
    }

    /// Gas that is left for transactions.
    #[must_use]
    pub const fn gas_left(&self) -> u64 {
        self.header.gas_limit.saturating_sub(self.header.gas_used)
    }

    /// Transactions executed so far.
    #[must_use]
    pub fn transactions(&self) -> &[ExecutedTransaction] {
        &self.transactions
    }

    /// Executes a transaction and adds it to the block.
    ///
    /// # Errors
    /// [`ExecuteError::Rejected`] when it cannot be included: the block is as if it had never been
    /// tried (SSTF-3). [`ExecuteError::Block`] when the state cannot be read: drop the block.
    pub fn execute(&mut self, tx: &RecoveredTx) -> Result<&ExecutedTransaction, ExecuteError> {
        let index = self.check_room(tx).map_err(ExecuteError::Rejected)?;
        let result = match self.evm.transact(tx.env_at(self.header.base_fee_wei)) {
            Ok(result) => result,
            Err(error) => {
                self.evm.ctx.db_mut().forget_touches();
                return Err(self.explain(tx, error));
            }
        };
        let changed = self.evm.ctx.db_mut().commit(result.state)?;
        let executed = self.record(tx, index, result.result, changed);
        self.header.gas_used = executed.cumulative_gas_used;
        self.transactions.push(executed);
        self.transactions.last().ok_or_else(|| {
            ExecuteError::Block(BlockError::Machine(
                "no transaction was recorded".to_string(),
            ))
        })
    }

    /// The transaction's index in the block, if it fits.
    fn check_room(&self, tx: &RecoveredTx) -> Result<u32, TxRejected> {
        let (left, got, limit) = (self.gas_left(), tx.gas_limit(), self.header.gas_limit);
        if got > left {
            return Err(if got > limit {
                TxRejected::GasLimitAboveBlock { limit, got }
            } else {
                TxRejected::BlockFull { left, got }
            });
        }
        u32::try_from(self.transactions.len())
            .ok()
            .filter(|index| *index < u32::MAX)
            .ok_or(TxRejected::TooManyTransactions)
    }

    fn explain(
        &self,
        tx: &RecoveredTx,
        error: EVMError<StateError, InvalidTransaction>,
    ) -> ExecuteError {
        match error {
            EVMError::Transaction(error) => ExecuteError::Rejected(TxRejected::from_revm(
                error,
                tx.gas_limit(),
                self.header.gas_limit,
                self.header.base_fee_wei,
            )),
            other @ (EVMError::Header(_)
            | EVMError::Database(_)
            | EVMError::Custom(_)
            | EVMError::CustomAny(_)) => ExecuteError::Block(machine_error(other)),
        }
    }

    fn record(
        &self,
        tx: &RecoveredTx,
        index: u32,
        result: ExecutionResult,
        changed: Vec<Address>,
    ) -> ExecutedTransaction {
        let gas_used = result.tx_gas_used();
        let Ended {
            succeeded,
            output,
            halt_reason,
            created,
            logs,
        } = Ended::from(result);
        let fields = TransactionFields {
            block_number: self.header.number.0,
            index,
            hash: *tx.hash(),
            sender: *tx.sender(),
            to: tx.to().copied(),
            created,
            value: *tx.value(),
            input: tx.input().clone(),
            succeeded,
            gas_used,
            logs,
        };
        let concerned = concerned(&fields, changed, &self.header.beneficiary);
        ExecutedTransaction {
            fields,
            kind: tx.kind(),
            cumulative_gas_used: self.header.gas_used.saturating_add(gas_used),
            effective_gas_price: tx.effective_gas_price(self.header.base_fee_wei),
            output,
            halt_reason,
            concerned,
        }
    }

    /// Ends the block.
    #[must_use]
    pub fn finish(self) -> BlockOutcome {
        let Self {
            evm,
            mut header,
            transactions,
        } = self;
        header.transaction_count = u32::try_from(transactions.len()).unwrap_or(u32::MAX);
        header.transactions_hash = transactions_hash(transactions.iter().map(|tx| &tx.fields.hash));
        let trace = evm.ctx.journaled_state.database.into_trace();
        BlockOutcome {
            header,
            transactions,
            trace,
        }
    }
}

/// Addresses whose activity chains a transaction extends, ascending, each once: sender, target or
/// created contract, and every account that it changed, except the beneficiary, who would otherwise
/// be concerned by every transaction that pays a priority fee.
fn concerned(
    fields: &TransactionFields,
    changed: Vec<Address>,
    beneficiary: &Address,
) -> Vec<Address> {
    let mut addresses = changed;
    addresses.retain(|address| address != beneficiary);
    addresses.push(fields.sender);
    addresses.extend(fields.to);
    addresses.extend(fields.created);
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// A result in the terms of receipts.
struct Ended {
    succeeded: bool,
    output: Bytes,
    halt_reason: Option<String>,
    created: Option<Address>,
    logs: Vec<LogRecord>,
}

impl From<ExecutionResult> for Ended {
    fn from(result: ExecutionResult) -> Self {
        let created = result.created_address();
        match result {
            ExecutionResult::Success { logs, output, .. } => Self {
                succeeded: true,
                output: output.into_data(),
                halt_reason: None,
                created,
                logs: logs.into_iter().map(log_record).collect(),
            },
            ExecutionResult::Revert { output, .. } => Self {
                succeeded: false,
                output,
                halt_reason: None,
                created: None,
                logs: Vec::new(),
            },
            ExecutionResult::Halt { reason, .. } => Self {
                succeeded: false,
                output: Bytes::new(),
                halt_reason: Some(reason.to_string()),
                created: None,
                logs: Vec::new(),
            },
        }
    }
}

fn log_record(log: Log) -> LogRecord {
    let Log { address, data } = log;
    let (topics, data) = data.split();
    LogRecord {
        address,
        topics,
        data,
    }
}

pub(crate) fn evm<R: StateReader + ?Sized>(cfg: CfgEnv, block: BlockEnv, state: &R) -> Evm<'_, R> {
    let spec = cfg.spec;
    Context::<BlockEnv, TxEnv, CfgEnv, Overlay<'_, R>, Journal<Overlay<'_, R>>, ()>::new(
        Overlay::new(state),
        spec,
    )
    .with_cfg(cfg)
    .with_block(block)
    .with_tx(call_env())
    .build_mainnet()
}

pub(crate) fn machine_error(error: EVMError<StateError, InvalidTransaction>) -> BlockError {
    match error {
        EVMError::Database(error) => BlockError::State(error),
        other @ (EVMError::Transaction(_)
        | EVMError::Header(_)
        | EVMError::Custom(_)
        | EVMError::CustomAny(_)) => BlockError::Machine(other.to_string()),
    }
}

/// EIP-2935's system call at the start of the block. It pays nothing and bumps no nonce.
fn store_parent_hash<R: StateReader + ?Sized>(
    evm: &mut Evm<'_, R>,
    parent_hash: &B256,
) -> Result<(), BlockError> {
    let mut call = call_env();
    call.caller = SYSTEM_ADDRESS;
    call.kind = TxKind::Call(HISTORY_ADDRESS);
    call.data = Bytes::copy_from_slice(parent_hash.as_slice());
    call.gas_limit = SYSTEM_CALL_GAS;
    evm.ctx.tx = call;
    let result: Result<ExecutionResult, EVMError<StateError, InvalidTransaction>> =
        MainnetHandler::default().run_system_call(evm);
    let result = result.map_err(machine_error)?;
    if !result.is_success() {
        return Err(BlockError::Machine(
            "the parent's hash could not be stored".to_string(),
        ));
    }
    let state = evm.finalize();
    evm.ctx.db_mut().commit(state)?;
    Ok(())
}
