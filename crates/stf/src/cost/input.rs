//! The estimate of a batch that is there already, from its input alone.

use alloy_primitives::{B256, U256};
use cloister_crypto::CryptoProvider;
use cloister_types::StateKey;

use super::{BatchMeter, Work, tree_nodes};
use crate::{
    block::{BlockContext, BlockError, BlockExecutor, ExecuteError},
    envelope::decode_and_recover,
    execute::BatchError,
    input::{BatchInput, BlockInput},
    seal::{LeafValue, log_addresses},
    state::{MemoryState, StateReader as _, analysed_code},
};

/// What the guest does for a batch, by executing it natively over the state that its witness opens.
/// Whether the batch is valid is not checked: the tree and the commitments are left out.
///
/// # Errors
/// [`BatchError`] when a block cannot be executed or comes out otherwise than claimed.
pub fn input_work(input: &BatchInput, crypto: &impl CryptoProvider) -> Result<Work, BatchError> {
    let mut state = opened(input);
    let mut meter = BatchMeter::default();
    for block in &input.blocks {
        absorb(&mut meter, input, block, &mut state, crypto)?;
    }
    Ok(meter.work(tree_leaves(input)))
}

fn absorb(
    meter: &mut BatchMeter,
    input: &BatchInput,
    block: &BlockInput,
    state: &mut MemoryState,
    crypto: &impl CryptoProvider,
) -> Result<(), BatchError> {
    let number = block.header.number;
    let failed = |source| BatchError::Block {
        block: number,
        source,
    };
    let context = BlockContext {
        number,
        parent_hash: block.header.parent_hash,
        timestamp: block.header.timestamp,
        beneficiary: block.header.beneficiary,
    };
    let mut executor = BlockExecutor::metered(&input.config, context, &*state).map_err(failed)?;
    for (index, raw) in block.transactions.iter().enumerate() {
        let tx = decode_and_recover(raw, &input.config, crypto).map_err(|source| {
            BatchError::Transaction {
                block: number,
                index,
                source,
            }
        })?;
        executor
            .execute_if(&tx, |_| Ok::<(), ExecuteError>(()))
            .map_err(|error| match error {
                ExecuteError::Block(source) => failed(source),
                ExecuteError::Rejected(source) => BatchError::Rejected {
                    block: number,
                    index,
                    source,
                },
            })?;
    }
    let work = *executor.work();
    let outcome = executor.finish();
    if outcome.header != block.header {
        return Err(BatchError::Header {
            claimed: block.header.into(),
            executed: outcome.header.into(),
        });
    }
    let active = outcome.transactions.iter().flat_map(|one| {
        let logs = one.fields.logs.iter().flat_map(log_addresses);
        one.concerned.iter().copied().chain(logs)
    });
    let mut missing = None;
    let length = |hash: &B256| match state.code(hash) {
        Ok(code) => code.original_bytes().len(),
        Err(error) => {
            missing = Some(error);
            0
        }
    };
    meter.absorb(&work, &outcome.trace, active, length);
    if let Some(error) = missing {
        return Err(failed(BlockError::State(error)));
    }
    state.apply(&outcome.trace);
    Ok(())
}

/// About how many leaves the tree under a batch has: a power of two with which the witness' paths
/// would have about as many nodes as they have.
fn tree_leaves(input: &BatchInput) -> u64 {
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let keys = count(input.witness.openings.len());
    // Of the nodes of a binary tree one less than half are hashed from two below.
    let inner = count(input.witness.multiproof.node_count()).wrapping_div(2);
    (0..40)
        .map(|bits| 1 << bits)
        .min_by_key(|size| tree_nodes(keys, *size).abs_diff(inner))
        .unwrap_or(1)
}

fn opened(input: &BatchInput) -> MemoryState {
    let mut state = MemoryState::default();
    for (key, opening) in &input.witness.openings {
        match (key, opening.as_ref().map(|opening| opening.value)) {
            (StateKey::Account(address), Some(LeafValue::Account(value))) => {
                state.accounts.insert(*address, value);
            }
            (StateKey::Storage(address, slot), Some(LeafValue::Storage(value))) => {
                let slot: U256 = (*slot).into();
                state.storage.insert((*address, slot), value);
            }
            _ => {}
        }
    }
    for code in &input.witness.codes {
        let code = analysed_code(code.clone());
        state.codes.insert(code.hash_slow(), code);
    }
    state
}
