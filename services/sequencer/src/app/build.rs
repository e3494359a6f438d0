//! Making one block out of the mempool, and making a durable one again.

use alloy_primitives::{Address, B256, Bytes, map::HashMap};
use cloister_stf::{
    BlockContext, BlockError, BlockExecutor, BlockOutcome, ExecuteError, ExecutedTransaction,
    RecoveredTx, TxRejected,
};
use cloister_types::{BlockHeader, ChainConfig};

use super::{
    mempool::PoolKey,
    model::{Block, Log, Transaction},
    pool::{Admitted, Pool, Ticket},
    state::State,
    submit::SubmitError,
};

/// Limits of one block beside its gas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BlockLimits {
    /// Most transactions.
    pub max_transactions: u32,
    /// Most envelope bytes, but for the first transaction.
    pub max_bytes: u64,
}

/// A block that nobody may see yet.
#[derive(Debug)]
pub(crate) struct BuiltBlock {
    /// The block as it will be acknowledged.
    pub block: Block,
    /// What execution read and changed.
    pub outcome: BlockOutcome,
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
    let mut executor = BlockExecutor::new(config, context, &parent.state)?;
    let mut filling = Filling {
        now_ms,
        bytes: 0,
        taken: HashMap::default(),
        tickets: Vec::new(),
    };
    let mut raws = Vec::new();
    while raws.len() < limits.max_transactions as usize
        && (raws.is_empty() || filling.bytes < limits.max_bytes)
    {
        let next = pool.lock().take_best(executor.gas_left(), now_ms);
        let Some((key, admitted)) = next else { break };
        match executor.execute(&admitted.transaction) {
            Ok(_) => {
                raws.push(admitted.transaction.raw().clone());
                filling.include(key, admitted);
            }
            Err(ExecuteError::Rejected(reason)) => filling.refuse(pool, key, admitted, reason),
            Err(ExecuteError::Block(error)) => return Err(error),
        }
    }
    if raws.is_empty() {
        return Ok(None);
    }
    let outcome = executor.finish();
    let mut state_after = parent.state.clone();
    state_after.apply(&outcome.trace);
    pool.settle_block(&state_after, &outcome.trace, &filling.taken, now_ms);
    let block = block_of(&outcome, raws, batch, now_ms);
    Ok(Some(BuiltBlock {
        block,
        outcome,
        state_after,
        tickets: filling.tickets,
    }))
}

/// What is known of the block being filled.
struct Filling {
    now_ms: u64,
    bytes: u64,
    taken: HashMap<Address, usize>,
    tickets: Vec<(B256, Ticket)>,
}

impl Filling {
    fn include(&mut self, key: PoolKey, admitted: Admitted) {
        self.bytes = self.bytes.saturating_add(key.bytes as u64);
        *self.taken.entry(key.sender).or_default() += 1;
        self.tickets.push((key.hash, admitted.ticket));
    }

    fn refuse(&self, pool: &Pool, key: PoolKey, admitted: Admitted, reason: TxRejected) {
        let next_nonce = match &reason {
            TxRejected::NonceTooLow { expected, .. }
            | TxRejected::NonceTooHigh { expected, .. } => *expected,
            _ => key.nonce,
        };
        pool.settle(&key.sender, next_nonce, 1, self.now_ms);
        pool.forget(std::iter::once(&key.hash));
        admitted.ticket.answer(Err(SubmitError::Rejected(reason)));
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
) -> Result<BlockOutcome, ReplayError> {
    let number = block.header.number.0;
    let failed = |source| ReplayError::Block { number, source };
    let context = BlockContext {
        number: block.header.number,
        parent_hash: block.header.parent_hash,
        timestamp: block.header.timestamp,
        beneficiary: block.header.beneficiary,
    };
    let mut executor = BlockExecutor::new(config, context, state).map_err(failed)?;
    for transaction in transactions {
        let hash = *transaction.hash();
        executor.execute(transaction).map_err(|error| match error {
            ExecuteError::Rejected(reason) => ReplayError::Transaction {
                number,
                hash,
                reason: reason.to_string(),
            },
            ExecuteError::Block(source) => failed(source),
        })?;
    }
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
        None => Ok(outcome),
    }
}
