//! Execution of one block.

use alloc::{
    boxed::Box,
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
    Database, ExecuteEvm,
    context::{
        BlockEnv, CfgEnv, ContextTr, FrameStack, TxEnv,
        result::{EVMError, ExecutionResult, InvalidTransaction},
    },
    handler::{
        EthFrame, Handler, MainnetContext, MainnetHandler, SYSTEM_ADDRESS,
        instructions::EthInstructions,
    },
    inspector::InspectorHandler,
    interpreter::interpreter::EthInterpreter,
    state::{Bytecode, EvmState},
};

use crate::{
    addresses,
    cost::{Feature, Touched, Work, words},
    envelope::{RecoveredTx, Sent, TransactionKind, call_env},
    handler::TransactionHandler,
    meter::Meter,
    opcodes,
    overlay::Overlay,
    precompiles::Precompiles,
    reject::TxRejected,
    rules::{self, HISTORY_ADDRESS},
    seal::log_addresses,
    state::{StateError, StateReader},
    table::Seed,
};

type Opcodes<D> = EthInstructions<EthInterpreter, MainnetContext<D>>;
pub(crate) type Evm<D, W = ()> =
    revm::context::Evm<MainnetContext<D>, W, Opcodes<D>, Precompiles, EthFrame>;

pub(crate) type Transacted = Result<ExecutionResult, EVMError<StateError, InvalidTransaction>>;

/// A transaction that ran, and what it made of the state.
struct Ran {
    result: ExecutionResult,
    state: EvmState,
}

/// What a block executes over, and changes as it goes.
pub(crate) trait BlockState: Database<Error = StateError> {
    /// Makes the changes of the transaction that ran, and answers the accounts whose nonce, balance
    /// or code it changed, in no order.
    fn commit(&mut self, state: &EvmState) -> Result<Vec<Address>, StateError>;

    /// Forgets that a transaction which was refused looked at anything.
    fn forget_touches(&mut self);
}

/// Most transactions for which room is made before they are executed.
pub(crate) const MOST_ROOM: usize = 256;

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
    use super::{
        BlockState, Evm, Handler, InspectorHandler, MainnetHandler, Meter, Transacted,
        TransactionHandler,
    };

    /// Nobody else says how transactions run.
    #[expect(
        private_bounds,
        private_interfaces,
        reason = "it cannot be named outside of the crate"
    )]
    pub trait Run: Sized {
        /// Whether it sees every opcode.
        const SEES_OPCODES: bool;

        /// Runs the transaction that was set.
        fn run<D: BlockState>(evm: &mut Evm<D, Self>) -> Transacted;
    }

    #[expect(
        private_bounds,
        private_interfaces,
        reason = "it cannot be named outside of the crate"
    )]
    impl Run for () {
        const SEES_OPCODES: bool = false;

        fn run<D: BlockState>(evm: &mut Evm<D>) -> Transacted {
            TransactionHandler::new().run(evm)
        }
    }

    #[expect(
        private_bounds,
        private_interfaces,
        reason = "it cannot be named outside of the crate"
    )]
    impl Run for Meter {
        const SEES_OPCODES: bool = true;

        fn run<D: BlockState>(evm: &mut Evm<D, Self>) -> Transacted {
            evm.inspector = Self::default();
            MainnetHandler::default().inspect_run(evm)
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
    block: Execution<Overlay<'a, R>, W>,
    work: Work,
}

impl<R: StateReader + ?Sized, W: Watch> core::fmt::Debug for BlockExecutor<'_, R, W> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("BlockExecutor")
            .field("header", &self.block.header)
            .field("transactions", &self.block.transactions.len())
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
        Self::watched(config, context, state, ())
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
        Self::watched(config, context, state, Meter::default())
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
        let (env, sent) = tx.clone().at(self.block.header.base_fee_wei);
        let (index, ran) = self.block.run(env)?;
        let metered = self.measure(tx, &ran);
        if let Err(refusal) = accept(&metered) {
            self.block.evm.ctx.db_mut().forget_touches();
            return Err(refusal);
        }
        let work = metered.work;
        let executed = self.block.include(&sent, index, ran)?;
        self.work.absorb(&work);
        self.work.add(Feature::ActivityEntry, activity(executed));
        Ok(executed)
    }

    /// What the transaction that ran would cost.
    fn measure(&mut self, tx: &RecoveredTx, ran: &Ran) -> Metered {
        let mut work = self.block.evm.inspector.take();
        work.absorb(&tx.work());
        let mut active = ran.state.values().filter(|one| one.is_touched()).count();
        for log in ran.result.logs() {
            let topics = u64::try_from(log.topics().len()).unwrap_or(u64::MAX);
            work.add(Feature::Log, 1);
            work.add(Feature::LogTopic, topics);
            work.add(Feature::LogWord, words(log.data.data.len()));
            active = active.saturating_add(log_addresses(&log_record(log.clone())).len());
        }
        let loaded = ran.state.values().fold(0, |sum: usize, one| {
            sum.saturating_add(one.storage.len()).saturating_add(1)
        });
        work.add(Feature::Loaded, u64::try_from(loaded).unwrap_or(u64::MAX));
        // Sender and target are among the accounts; a call that failed touches its target still.
        let active = u64::try_from(active).unwrap_or(u64::MAX).saturating_add(1);
        let read = self.block.evm.ctx.db_mut().touched();
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
        state: &'a R,
        watch: W,
    ) -> Result<Self, BlockError> {
        let state = Overlay::new(state, Seed::random());
        let mut block = Execution::new(config, state, watch);
        block.begin(config, context, 0)?;
        Ok(Self {
            block,
            work: Work::default().with(Feature::Block, 1),
        })
    }

    /// Gas that is left for transactions.
    #[must_use]
    pub const fn gas_left(&self) -> u64 {
        self.block.gas_left()
    }

    /// Transactions executed so far.
    #[must_use]
    pub fn transactions(&self) -> &[ExecutedTransaction] {
        &self.block.transactions
    }

    /// Executes a transaction and adds it to the block.
    ///
    /// # Errors
    /// [`ExecuteError::Rejected`] when it cannot be included: the block is as if it had never been
    /// tried (SSTF-3). [`ExecuteError::Block`] when the state cannot be read: drop the block.
    pub fn execute(&mut self, tx: &RecoveredTx) -> Result<&ExecutedTransaction, ExecuteError> {
        self.block.execute(tx.clone())
    }

    /// Ends the block.
    #[must_use]
    pub fn finish(mut self) -> BlockOutcome {
        let (header, transactions) = self.block.end();
        BlockOutcome {
            header,
            transactions,
            trace: self.block.into_state().into_trace(),
        }
    }
}

/// The execution of blocks, one after the other, over any kind of state. Making the machine costs as
/// much as a few transactions, so it is made once.
pub(crate) struct Execution<D: BlockState, W> {
    evm: Evm<D, W>,
    header: BlockHeader,
    transactions: Vec<ExecutedTransaction>,
}

impl<D: BlockState, W: Watch> Execution<D, W> {
    /// Makes the machine, in no block yet.
    pub(crate) fn new(config: &ChainConfig, state: D, watch: W) -> Self {
        let header = BlockHeader::default();
        let (cfg, block) = (rules::cfg_env(config), rules::block_env(&header));
        Self {
            evm: evm(cfg, block, state, watch),
            header,
            transactions: Vec::new(),
        }
    }

    /// Starts a block, of about so many transactions, over the state after its parent: stores the
    /// parent's hash (EIP-2935).
    pub(crate) fn begin(
        &mut self,
        config: &ChainConfig,
        context: BlockContext,
        count: usize,
    ) -> Result<(), BlockError> {
        self.header = context.header(config);
        // Whatever the input claims to hold costs no memory before it is executed (SSTF-7).
        self.transactions = Vec::with_capacity(count.min(MOST_ROOM));
        self.evm.ctx.block = rules::block_env(&self.header);
        store_parent_hash(&mut self.evm, &self.header.parent_hash)
    }

    /// The state, with the changes made so far.
    pub(crate) const fn state(&mut self) -> &mut D {
        &mut self.evm.ctx.journaled_state.database
    }

    /// Ends all execution.
    pub(crate) fn into_state(self) -> D {
        self.evm.ctx.journaled_state.database
    }

    const fn gas_left(&self) -> u64 {
        self.header.gas_limit.saturating_sub(self.header.gas_used)
    }

    /// As [`BlockExecutor::execute`].
    pub(crate) fn execute(
        &mut self,
        tx: RecoveredTx,
    ) -> Result<&ExecutedTransaction, ExecuteError> {
        let (env, sent) = tx.at(self.header.base_fee_wei);
        let (index, ran) = self.run(env)?;
        self.include(&sent, index, ran)
    }

    /// Runs a transaction without including it.
    fn run(&mut self, env: Box<TxEnv>) -> Result<(u32, Ran), ExecuteError> {
        let gas_limit = env.gas_limit;
        let index = self.check_room(gas_limit).map_err(ExecuteError::Rejected)?;
        self.evm.ctx.tx = *env;
        let result = W::run(&mut self.evm);
        // Also of a transaction that was refused, or the next one would find it.
        let state = self.evm.finalize();
        match result {
            Ok(result) => Ok((index, Ran { result, state })),
            Err(error) => {
                self.evm.ctx.db_mut().forget_touches();
                Err(self.explain(gas_limit, error))
            }
        }
    }

    fn include(
        &mut self,
        sent: &Sent,
        index: u32,
        ran: Ran,
    ) -> Result<&ExecutedTransaction, ExecuteError> {
        let Ran { result, state } = ran;
        let changed = self.evm.ctx.db_mut().commit(&state)?;
        self.reuse(state);
        let gas_used = result.tx_gas_used();
        let cumulative_gas_used = self.header.gas_used.saturating_add(gas_used);
        let created = result.created_address();
        let (succeeded, output, halt_reason, logs) = match result {
            ExecutionResult::Success { logs, output, .. } => {
                let logs = logs.into_iter().map(log_record).collect();
                (true, output.into_data(), None, logs)
            }
            ExecutionResult::Revert { output, .. } => (false, output, None, Vec::new()),
            ExecutionResult::Halt { reason, .. } => {
                (false, Bytes::new(), Some(reason.to_string()), Vec::new())
            }
        };
        let env = &mut self.evm.ctx.tx;
        let (sender, to) = (env.caller, env.kind.to().copied());
        let parties = [Some(sender), to, created];
        self.transactions.push(ExecutedTransaction {
            fields: TransactionFields {
                block_number: self.header.number.0,
                index,
                hash: sent.hash,
                sender,
                to,
                created,
                value: env.value,
                input: core::mem::take(&mut env.data),
                succeeded,
                gas_used,
                logs,
            },
            kind: sent.kind,
            cumulative_gas_used,
            effective_gas_price: sent.effective_gas_price,
            output,
            halt_reason,
            concerned: concerned(parties, changed, &self.header.beneficiary),
        });
        self.header.gas_used = cumulative_gas_used;
        self.transactions.last().ok_or_else(|| unrecorded().into())
    }

    /// Gives the machine the memory of a transaction's state for the next one, unless that is so
    /// much that emptying it would cost more than it saves.
    fn reuse(&mut self, mut state: EvmState) {
        if state.capacity() < 16 {
            state.clear();
            self.evm.ctx.journaled_state.inner.state = state;
        }
    }

    /// The transaction's index in the block, if it fits.
    fn check_room(&self, got: u64) -> Result<u32, TxRejected> {
        let (left, limit) = (self.gas_left(), self.header.gas_limit);
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
        gas_limit: u64,
        error: EVMError<StateError, InvalidTransaction>,
    ) -> ExecuteError {
        match error {
            EVMError::Transaction(error) => ExecuteError::Rejected(TxRejected::from_revm(
                error,
                gas_limit,
                self.header.gas_limit,
                self.header.base_fee_wei,
            )),
            other @ (EVMError::Header(_)
            | EVMError::Database(_)
            | EVMError::Custom(_)
            | EVMError::CustomAny(_)) => ExecuteError::Block(machine_error(other)),
        }
    }

    /// Ends the block.
    pub(crate) fn end(&mut self) -> (BlockHeader, Vec<ExecutedTransaction>) {
        let (mut header, transactions) = (self.header, core::mem::take(&mut self.transactions));
        header.transaction_count = u32::try_from(transactions.len()).unwrap_or(u32::MAX);
        header.transactions_hash = transactions_hash(transactions.iter().map(|tx| &tx.fields.hash));
        (header, transactions)
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
    parties: [Option<Address>; 3],
    changed: Vec<Address>,
    beneficiary: &Address,
) -> Vec<Address> {
    let mut sorted = changed;
    addresses::sort(&mut sorted);
    sorted.retain(|address| address != beneficiary);
    for address in parties.iter().flatten() {
        addresses::insert(&mut sorted, address);
    }
    sorted
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

pub(crate) fn evm<D: BlockState, W: Watch>(
    cfg: CfgEnv,
    block: BlockEnv,
    state: D,
    watch: W,
) -> Evm<D, W> {
    let spec = cfg.spec;
    let mut instruction = EthInstructions::new_mainnet_with_spec(spec);
    if !W::SEES_OPCODES {
        opcodes::install(&mut instruction);
    }
    revm::context::Evm {
        ctx: MainnetContext::new(state, spec)
            .with_cfg(cfg)
            .with_block(block)
            .with_tx(call_env()),
        inspector: watch,
        instruction,
        precompiles: Precompiles::new(spec),
        // Frames are made when calls are nested, not eight for each block.
        frame_stack: FrameStack::new(),
    }
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
fn store_parent_hash<D: BlockState, W>(
    evm: &mut Evm<D, W>,
    parent_hash: &B256,
) -> Result<(), BlockError> {
    let mut call = call_env();
    call.caller = SYSTEM_ADDRESS;
    call.kind = TxKind::Call(HISTORY_ADDRESS);
    call.data = Bytes::copy_from_slice(parent_hash.as_slice());
    call.gas_limit = SYSTEM_CALL_GAS;
    evm.ctx.tx = call;
    let result: Result<ExecutionResult, EVMError<StateError, InvalidTransaction>> =
        TransactionHandler::new().run_system_call(evm);
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
