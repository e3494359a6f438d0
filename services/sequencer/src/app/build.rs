//! Making one block out of the mempool, and making a durable one again.

use alloy_primitives::{Address, B256, Bytes, map::HashMap};
use cloister_stf::{
    BlockContext, BlockError, BlockExecutor, BlockOutcome, ExecuteError, ExecutedTransaction,
    RecoveredTx, TxRejected, cost::Work,
};
use cloister_types::{BlockHeader, ChainConfig};

use crate::metrics;

use super::{
    batch_policy::{CostModel, Room, TooCostly, tree_leaves},
    mempool::PoolKey,
    model::{Block, Log, Transaction},
    pool::{Admitted, Pool, Ticket},
    state::State,
    submit::SubmitError,
};

/// Limits of one block beside its gas.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BlockLimits {
    /// What is left in the batch. The transaction that reaches bytes or instructions is the last.
    pub room: Room,
    /// Estimates what a transaction costs in the guest.
    pub costs: CostModel,
}

/// A block that nobody may see yet.
#[derive(Debug)]
pub(crate) struct BuiltBlock {
    /// The block as it will be acknowledged.
    pub block: Block,
    /// What execution read and changed.
    pub outcome: BlockOutcome,
    /// What it costs in the guest, without the state that it touches.
    pub work: Work,
    /// The state after it.
    pub state_after: State,
    /// Who waits for its transactions.
    pub tickets: Vec<(B256, Ticket)>,
}

impl BuiltBlock {
    /// Codes that the block brought into being.
    pub(crate) fn codes(&self) -> Vec<(B256, Bytes)> {
        self.outcome
            .trace
            .created_codes
            .iter()
            .map(|(hash, code)| (*hash, code.original_bytes()))
            .collect()
    }
}

/// What a new block follows, and when it is made.
#[derive(Debug, Clone)]
pub(crate) struct Parent {
    /// Header of the block before.
    pub header: BlockHeader,
    /// The state after it.
    pub state: State,
}

/// Makes a block out of what is ready; `None` when nothing of it can be included. Whoever sent a
/// transaction that cannot be included is answered here.
///
/// # Errors
/// [`BlockError`]: our own mistake, or a damaged state.
pub(crate) fn build_block(
    config: &ChainConfig,
    parent: &Parent,
    pool: &Pool,
    limits: BlockLimits,
    batch: u64,
    now_ms: u64,
) -> Result<Option<BuiltBlock>, BlockError> {
    let context = BlockContext::child_of(&parent.header, now_ms / 1_000);
    let mut executor = BlockExecutor::metered(config, context, &parent.state)?;
    let leaves = tree_leaves(&parent.state);
    let mut filling = Filling {
        now_ms,
        bytes: 0,
        instructions: 0,
        refused_gas: 0,
        taken: HashMap::default(),
        tickets: Vec::new(),
    };
    let mut raws = Vec::new();
    while filling.goes_on(raws.len(), limits.room, config.block_gas_limit) {
        let next = pool.lock().take_best(executor.gas_left(), now_ms);
        let Some((key, admitted)) = next else { break };
        let mut added = 0;
        let tried = executor.execute_if(&admitted.transaction, |metered| {
            added = limits.costs.admit(metered, leaves)?;
            Ok::<(), Refused>(())
        });
        match tried.map(|_| ()) {
            Ok(()) => {
                raws.push(admitted.transaction.raw().clone());
                filling.include(key, admitted, added);
            }
            Err(Refused::TooCostly(reason)) => {
                metrics::too_costly();
                filling.refused_gas = filling.refused_gas.saturating_add(key.gas_limit);
                filling.refuse(pool, key, admitted, SubmitError::TooCostly(reason));
            }
            Err(Refused::Execute(ExecuteError::Rejected(reason))) => {
                filling.refuse(pool, key, admitted, SubmitError::Rejected(reason));
            }
            Err(Refused::Execute(ExecuteError::Block(error))) => return Err(error),
        }
    }
    if raws.is_empty() {
        return Ok(None);
    }
    let work = *executor.work();
    let outcome = executor.finish();
    let mut state_after = parent.state.clone();
    state_after.apply(&outcome.trace);
    pool.settle_block(&state_after, &outcome.trace, &filling.taken, now_ms);
    let block = block_of(&outcome, raws, batch, now_ms);
    Ok(Some(BuiltBlock {
        block,
        outcome,
        work,
        state_after,
        tickets: filling.tickets,
    }))
}

/// Why a transaction is not in the block.
#[derive(Debug)]
enum Refused {
    Execute(ExecuteError),
    TooCostly(TooCostly),
}

impl From<ExecuteError> for Refused {
    fn from(error: ExecuteError) -> Self {
        Self::Execute(error)
    }
}

impl From<TooCostly> for Refused {
    fn from(reason: TooCostly) -> Self {
        Self::TooCostly(reason)
    }
}

/// What is known of the block being filled.
struct Filling {
    now_ms: u64,
    bytes: u64,
    /// Estimated guest instructions, with leaves that the batch has already counted again: at least
    /// what the block adds.
    instructions: u64,
    /// Gas limits of what was executed and then refused: nobody pays for it, so it is bounded.
    refused_gas: u64,
    taken: HashMap<Address, usize>,
    tickets: Vec<(B256, Ticket)>,
}

impl Filling {
    /// Whether one more transaction may be tried.
    fn goes_on(&self, transactions: usize, room: Room, gas_limit: u64) -> bool {
        let Room {
            transactions: most,
            bytes,
            instructions,
        } = room;
        let full = self.bytes >= bytes || self.instructions >= instructions;
        transactions < most as usize && (transactions == 0 || !full) && self.refused_gas < gas_limit
    }

    fn include(&mut self, key: PoolKey, admitted: Admitted, instructions: u64) {
        self.bytes = self.bytes.saturating_add(key.bytes as u64);
        self.instructions = self.instructions.saturating_add(instructions);
        *self.taken.entry(key.sender).or_default() += 1;
        self.tickets.push((key.hash, admitted.ticket));
    }

    fn refuse(&self, pool: &Pool, key: PoolKey, admitted: Admitted, reason: SubmitError) {
        let next_nonce = match &reason {
            SubmitError::Rejected(
                TxRejected::NonceTooLow { expected, .. }
                | TxRejected::NonceTooHigh { expected, .. },
            ) => *expected,
            _ => key.nonce,
        };
        pool.settle(&key.sender, next_nonce, 1, self.now_ms);
        pool.forget(std::iter::once(&key.hash));
        admitted.ticket.answer(Err(reason));
    }
}

fn block_of(outcome: &BlockOutcome, raws: Vec<Bytes>, batch: u64, built_at_ms: u64) -> Block {
    let mut next_log = 0u32;
    let transactions = outcome
        .transactions
        .iter()
        .zip(raws)
        .map(|(executed, raw)| transaction_of(executed, raw, &mut next_log))
        .collect();
    Block {
        hash: outcome.header.hash(),
        header: outcome.header,
        batch,
        built_at_ms,
        transactions,
    }
}

fn transaction_of(executed: &ExecutedTransaction, raw: Bytes, next_log: &mut u32) -> Transaction {
    let fields = &executed.fields;
    let first_log_index = *next_log;
    let logs = fields
        .logs
        .iter()
        .map(|record| {
            let index = *next_log;
            *next_log = next_log.saturating_add(1);
            Log {
                index,
                record: record.clone(),
            }
        })
        .collect();
    Transaction {
        hash: fields.hash,
        sender: fields.sender,
        raw,
        index: fields.index,
        succeeded: fields.succeeded,
        gas_used: fields.gas_used,
        cumulative_gas_used: executed.cumulative_gas_used,
        effective_gas_price: executed.effective_gas_price,
        contract_address: fields.created,
        first_log_index,
        logs,
    }
}

/// Why a durable block cannot be made again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    /// Execution failed.
    #[error("block {number} cannot be executed again")]
    Block {
        /// Height.
        number: u64,
        /// The reason.
        source: BlockError,
    },
    /// A transaction that was acknowledged cannot be included any more.
    #[error("transaction `{hash}` of block {number} cannot be included again: {reason}")]
    Transaction {
        /// Height.
        number: u64,
        /// Its hash.
        hash: B256,
        /// The reason.
        reason: String,
    },
    /// The block comes out otherwise than it was acknowledged.
    #[error(
        "block {number} comes out as `{got}` when executed again, it was acknowledged as \
         `{expected}`: this version follows other rules, or the database was changed"
    )]
    Different {
        /// Height.
        number: u64,
        /// The acknowledged hash.
        expected: B256,
        /// The hash now.
        got: B256,
    },
    /// A receipt comes out otherwise than it was acknowledged.
    #[error("the receipt of transaction `{hash}` comes out otherwise when executed again")]
    DifferentReceipt {
        /// The transaction.
        hash: B256,
    },
}

/// Executes a durable block again, over the state after its parent, and checks that nothing that
/// was acknowledged comes out otherwise (SSQ-4).
///
/// # Errors
/// [`ReplayError`].
pub(crate) fn replay_block(
    config: &ChainConfig,
    state: &State,
    block: &Block,
    transactions: &[RecoveredTx],
) -> Result<(BlockOutcome, Work), ReplayError> {
    let number = block.header.number.0;
    let failed = |source| ReplayError::Block { number, source };
    let context = BlockContext {
        number: block.header.number,
        parent_hash: block.header.parent_hash,
        timestamp: block.header.timestamp,
        beneficiary: block.header.beneficiary,
    };
    let mut executor = BlockExecutor::metered(config, context, state).map_err(failed)?;
    for transaction in transactions {
        let hash = *transaction.hash();
        // It is acknowledged: whatever it costs, it stays.
        let again = executor.execute_if(transaction, |_| Ok::<(), ExecuteError>(()));
        again.map_err(|error| match error {
            ExecuteError::Rejected(reason) => ReplayError::Transaction {
                number,
                hash,
                reason: reason.to_string(),
            },
            ExecuteError::Block(source) => failed(source),
        })?;
    }
    let work = *executor.work();
    let outcome = executor.finish();
    let raws = block
        .transactions
        .iter()
        .map(|transaction| transaction.raw.clone())
        .collect();
    let again = block_of(&outcome, raws, block.batch, block.built_at_ms);
    if again.hash != block.hash {
        return Err(ReplayError::Different {
            number,
            expected: block.hash,
            got: again.hash,
        });
    }
    match again
        .transactions
        .iter()
        .zip(&block.transactions)
        .find(|(now, then)| now != then)
    {
        Some((_, then)) => Err(ReplayError::DifferentReceipt { hash: then.hash }),
        None => Ok((outcome, work)),
    }
}
