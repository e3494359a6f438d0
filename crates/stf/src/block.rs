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
    Context, ExecuteEvm, InspectEvm, MainBuilder,
    context::{
        BlockEnv, CfgEnv, ContextTr, Journal, TxEnv,
        result::{EVMError, ExecResultAndState, ExecutionResult, InvalidTransaction},
    },
    handler::{Handler, MainnetContext, MainnetEvm, MainnetHandler, SYSTEM_ADDRESS},
    state::{Bytecode, EvmState},
};

use crate::{
    cost::{Feature, Touched, Work, words},
    envelope::{RecoveredTx, TransactionKind, call_env},
    meter::Meter,
    opcodes,
    overlay::Overlay,
    reject::TxRejected,
    rules::{self, HISTORY_ADDRESS},
    seal::log_addresses,
    state::{StateError, StateReader},
    table::Seed,
};

pub(crate) type Evm<'a, R, W = ()> = MainnetEvm<MainnetContext<Overlay<'a, R>>, W>;

type Ran = ExecResultAndState<ExecutionResult, EvmState>;
type Transacted = Result<Ran, EVMError<StateError, InvalidTransaction>>;

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

/// What watches the machine while it executes: nothing, or a [`Meter`]. Neither changes what a block
/// comes to.
pub trait Watch: sealed::Run {}
impl Watch for () {}
impl Watch for Meter {}

mod sealed {
    use super::{Evm, ExecuteEvm, InspectEvm, Meter, StateReader, Transacted, TxEnv};

    /// Nobody else says how transactions run.
    #[expect(private_interfaces, reason = "it cannot be named outside of the crate")]
    pub trait Run: Sized {
        /// Runs a transaction.
        fn run<R: StateReader + ?Sized>(evm: &mut Evm<'_, R, Self>, tx: TxEnv) -> Transacted;
    }

    #[expect(private_interfaces, reason = "it cannot be named outside of the crate")]
    impl Run for () {
        fn run<R: StateReader + ?Sized>(evm: &mut Evm<'_, R>, tx: TxEnv) -> Transacted {
            evm.transact(tx)
        }
    }

    #[expect(private_interfaces, reason = "it cannot be named outside of the crate")]
    impl Run for Meter {
        fn run<R: StateReader + ?Sized>(evm: &mut Evm<'_, R, Self>, tx: TxEnv) -> Transacted {
            evm.inspector = Self::default();
            evm.inspect_tx(tx)
        }
    }
}

/// What a transaction costs in the guest: see [`crate::cost`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metered {
    /// What it did.
    pub work: Work,
    /// What it touched of the state that no transaction before it in the block had touched.
    pub touched: Touched,
    /// Entries in activity chains that it adds, at most.
    pub activity: u64,
}

impl Metered {
    /// The most that the guest does for a batch of this transaction alone, over a tree of so many
    /// leaves.
    #[must_use]
    pub fn alone(&self, tree_leaves: u64) -> Work {
        let mut work = self
            .in_batch(tree_leaves)
            .with(Feature::Batch, 1)
            .with(Feature::Block, 1);
        // The configuration's leaf, and the slot and account of the parent's hash.
        let fixed = Touched {
            leaves: 3,
            written: 1,
            code_words: 0,
        };
        work.absorb(&fixed.work(tree_leaves));
        work
    }

    /// The most that it adds to a batch, over a tree of so many leaves.
    #[must_use]
    pub fn in_batch(&self, tree_leaves: u64) -> Work {
        let mut work = self.work.with(Feature::ActivityEntry, self.activity);
        work.absorb(&self.touched.work(tree_leaves));
        work
    }
}

/// Executes a block, transaction by transaction, over a state that it does not change.
pub struct BlockExecutor<'a, R: StateReader + ?Sized, W: Watch = ()> {
    evm: Evm<'a, R, W>,
    header: BlockHeader,
    transactions: Vec<ExecutedTransaction>,
    work: Work,
}

impl<R: StateReader + ?Sized, W: Watch> core::fmt::Debug for BlockExecutor<'_, R, W> {
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
        Self::seeded(config, context, state, Seed::random())
    }

    /// As [`BlockExecutor::new`], with numbers for its tables that whoever sends transactions does
    /// not know.
    pub(crate) fn seeded(
        config: &ChainConfig,
        context: BlockContext,
        state: &'a R,
        seed: Seed,
    ) -> Result<Self, BlockError> {
        Self::watched(config, context, (state, seed), ())
    }
}

impl<'a, R: StateReader + ?Sized> BlockExecutor<'a, R, Meter> {
    /// As [`BlockExecutor::new`], for a block whose cost in the guest is estimated on the way.
    ///
    /// # Errors
    /// [`BlockError`] when the state cannot be read.
    pub fn metered(
        config: &ChainConfig,
        context: BlockContext,
        state: &'a R,
    ) -> Result<Self, BlockError> {
        Self::watched(config, context, (state, Seed::random()), Meter::default())
    }

    /// As [`BlockExecutor::execute`], if `accept` takes what the transaction would cost.
    ///
    /// # Errors
    /// As [`BlockExecutor::execute`], and what `accept` refuses it with: then the block is as if
    /// the transaction had never been tried (SSTF-3).
    pub fn execute_if<E: From<ExecuteError>>(
        &mut self,
        tx: &RecoveredTx,
        accept: impl FnOnce(&Metered) -> Result<(), E>,
    ) -> Result<&ExecutedTransaction, E> {
        let (index, result) = self.run(tx)?;
        let metered = self.measure(tx, &result);
        if let Err(refusal) = accept(&metered) {
            self.evm.ctx.db_mut().forget_touches();
            return Err(refusal);
        }
        let work = metered.work;
        let executed = self.include(tx, index, result)?;
        let active = activity(executed);
        self.work.absorb(&work);
        self.work.add(Feature::ActivityEntry, active);
        self.transactions
            .last()
            .ok_or_else(|| ExecuteError::from(unrecorded()).into())
    }

    /// What the transaction that ran would cost.
    fn measure(&mut self, tx: &RecoveredTx, result: &Ran) -> Metered {
        let mut work = self.evm.inspector.take();
        work.absorb(&tx.work());
        let mut active = result.state.values().filter(|one| one.is_touched()).count();
        for log in result.result.logs() {
            let bytes = log
                .topics()
                .len()
                .saturating_mul(32)
                .saturating_add(log.data.data.len());
            work.add(Feature::Log, 1);
            work.add(Feature::LogWord, words(bytes));
            active = active.saturating_add(log_addresses(&log_record(log.clone())).len());
        }
        // Sender and target are among the accounts; a call that failed touches its target still.
        let active = u64::try_from(active).unwrap_or(u64::MAX).saturating_add(1);
        let read = self.evm.ctx.db_mut().touched();
        let leaves = read.leaves.saturating_add(active);
        let touched = Touched {
            leaves,
            written: leaves,
            code_words: read.code_words,
        };
        Metered {
            work,
            touched,
            activity: active,
        }
    }

    /// What the block did so far, without the state that it touched.
    #[must_use]
    pub const fn work(&self) -> &Work {
        &self.work
    }
}

impl<'a, R: StateReader + ?Sized, W: Watch> BlockExecutor<'a, R, W> {
    fn watched(
        config: &ChainConfig,
        context: BlockContext,
        (state, seed): (&'a R, Seed),
        watch: W,
    ) -> Result<Self, BlockError> {
        let header = context.header(config);
        let mut evm = evm(
            rules::cfg_env(config),
            rules::block_env(&header),
            (state, seed),
            watch,
        );
        store_parent_hash(&mut evm, &header.parent_hash)?;
        Ok(Self {
            evm,
            header,
            transactions: Vec::new(),
            work: Work::default().with(Feature::Block, 1),
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
        let (index, result) = self.run(tx)?;
        self.include(tx, index, result)
    }

    /// Runs a transaction without including it.
    fn run(&mut self, tx: &RecoveredTx) -> Result<(u32, Ran), ExecuteError> {
        let index = self.check_room(tx).map_err(ExecuteError::Rejected)?;
        match W::run(&mut self.evm, tx.env_at(self.header.base_fee_wei)) {
            Ok(result) => Ok((index, result)),
            Err(error) => {
                self.evm.ctx.db_mut().forget_touches();
                Err(self.explain(tx, error))
            }
        }
    }

    fn include(
        &mut self,
        tx: &RecoveredTx,
        index: u32,
        result: Ran,
    ) -> Result<&ExecutedTransaction, ExecuteError> {
        let changed = self.evm.ctx.db_mut().commit(&result.state)?;
        let executed = self.record(tx, index, result.result, changed);
        self.header.gas_used = executed.cumulative_gas_used;
        self.transactions.push(executed);
        self.transactions.last().ok_or_else(|| unrecorded().into())
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
        self.end(Overlay::into_trace)
    }

    /// Ends the block for a caller that needs its changes in no order, and knows itself what was
    /// read.
    pub(crate) fn finish_without_record(self) -> BlockOutcome {
        self.end(Overlay::into_changes)
    }

    fn end(self, trace: impl FnOnce(Overlay<'a, R>) -> BlockTrace) -> BlockOutcome {
        let Self {
            evm,
            mut header,
            transactions,
            work: _,
        } = self;
        header.transaction_count = u32::try_from(transactions.len()).unwrap_or(u32::MAX);
        header.transactions_hash = transactions_hash(transactions.iter().map(|tx| &tx.fields.hash));
        let trace = trace(evm.ctx.journaled_state.database);
        BlockOutcome {
            header,
            transactions,
            trace,
        }
    }
}

fn unrecorded() -> BlockError {
    BlockError::Machine("no transaction was recorded".to_string())
}

/// Entries in activity chains that a transaction adds.
fn activity(executed: &ExecutedTransaction) -> u64 {
    let logs = executed.fields.logs.iter();
    let of_logs: usize = logs.map(|log| log_addresses(log).len()).sum();
    let all = executed.concerned.len().saturating_add(of_logs);
    u64::try_from(all).unwrap_or(u64::MAX)
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

pub(crate) fn evm<R: StateReader + ?Sized, W>(
    cfg: CfgEnv,
    block: BlockEnv,
    (state, seed): (&R, Seed),
    watch: W,
) -> Evm<'_, R, W> {
    let spec = cfg.spec;
    let mut evm =
        Context::<BlockEnv, TxEnv, CfgEnv, Overlay<'_, R>, Journal<Overlay<'_, R>>, ()>::new(
            Overlay::new(state, seed),
            spec,
        )
        .with_cfg(cfg)
        .with_block(block)
        .with_tx(call_env())
        .build_mainnet_with_inspector(watch);
    opcodes::install(&mut evm.instruction);
    evm
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
fn store_parent_hash<R: StateReader + ?Sized, W>(
    evm: &mut Evm<'_, R, W>,
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
    evm.ctx.db_mut().commit(&state)?;
    Ok(())
}
