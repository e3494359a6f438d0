//! Proofs at sealed batches: state entries and transactions.

use std::sync::Arc;

use alloy_primitives::B256;
use cloister_crypto::{
    Salter,
    activity::{open_transaction, transaction_path},
    state::leaf_key,
};
use cloister_state_tree::LeafKey;
use cloister_stf::{DecodeTxError, decode_and_recover};
use cloister_types::{BatchNumber, Salt, StateKey, TransactionFields, TransactionOpening};

use super::{
    model::{Batch, PlacedTransaction},
    node::QueryError,
    openings,
    rules::Rules,
    sealer::StateTree,
};
use crate::store::Store;

/// A leaf shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShownLeaf {
    /// Encoded value.
    pub value: Vec<u8>,
    /// Salt of its commitment.
    pub salt: Salt,
}

/// A state entry with its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProvedEntry {
    /// `None` when there is no leaf.
    pub leaf: Option<ShownLeaf>,
    /// Encoded path.
    pub proof: Vec<u8>,
}

/// State entries proved at one batch.
#[derive(Debug)]
pub(crate) struct ProvedState {
    /// The batch.
    pub batch: Batch,
    /// The entries in the order asked for.
    pub openings: Vec<ProvedEntry>,
}

/// A transaction proved in its batch.
#[derive(Debug)]
pub(crate) struct ProvedTransaction {
    /// The batch.
    pub batch: Batch,
    /// All fields with their salts.
    pub opening: TransactionOpening,
    /// Position in the batch.
    pub index: u32,
    /// Siblings from the leaf up.
    pub siblings: Vec<B256>,
    /// The transaction.
    pub transaction: PlacedTransaction,
}

/// Proves state entries at a sealed batch.
pub(crate) async fn state(
    store: &Store,
    tree: &Arc<StateTree>,
    salter: &Salter,
    batch: Batch,
    keys: &[StateKey],
) -> Result<ProvedState, QueryError> {
    let number = batch.number();
    let places: Vec<LeafKey> = keys.iter().map(|key| LeafKey(leaf_key(key))).collect();
    let shown = openings::read(store, salter, number, keys).await?;
    let leaves: Vec<Option<ShownLeaf>> = places
        .iter()
        .map(|place| {
            shown.get(place).map(|opening| ShownLeaf {
                value: opening.value.encode(),
                salt: opening.salt,
            })
        })
        .collect();
    let tree = Arc::clone(tree);
    let paths = tokio::task::spawn_blocking(move || {
        places
            .iter()
            .map(|place| tree.prove(number, place).map(|proof| proof.encode()))
            .collect::<Result<Vec<_>, _>>()
    })
    .await??;
    let openings = leaves
        .into_iter()
        .zip(paths)
        .map(|(leaf, proof)| ProvedEntry { leaf, proof })
        .collect();
    Ok(ProvedState { batch, openings })
}

/// Proves a transaction in its sealed batch.
pub(crate) async fn transaction(
    store: &Store,
    rules: &Rules,
    batch: Batch,
    transaction: PlacedTransaction,
) -> Result<ProvedTransaction, QueryError> {
    let first = batch.header.private.first_block.0;
    let place = store
        .transactions_before(
            first,
            transaction.block.number,
            transaction.transaction.index,
        )
        .await?;
    let leaves = store.transaction_leaves(batch.number()).await?;
    let index = u32::try_from(place).map_err(|_| QueryError::Inconsistent)?;
    let siblings = transaction_path(&leaves, index as usize).ok_or(QueryError::Inconsistent)?;
    let fields = fields_of(rules, &transaction)?;
    let salter = rules.salter.batch(BatchNumber(batch.number()));
    let opening = open_transaction(&fields, &salter);
    Ok(ProvedTransaction {
        batch,
        opening,
        index,
        siblings,
        transaction,
    })
}

/// What the transaction's leaf commits to.
fn fields_of(
    rules: &Rules,
    placed: &PlacedTransaction,
) -> Result<TransactionFields, DecodeTxError> {
    let transaction = &placed.transaction;
    let decoded = decode_and_recover(
        &transaction.raw,
        &rules.config,
        &cloister_crypto::NativeCrypto,
    )?;
    Ok(TransactionFields {
        block_number: placed.block.number,
        index: transaction.index,
        hash: transaction.hash,
        sender: transaction.sender,
        to: decoded.to().copied(),
        created: transaction.contract_address,
        value: *decoded.value(),
        input: decoded.input().clone(),
        succeeded: transaction.succeeded,
        gas_used: transaction.gas_used,
        logs: transaction
            .logs
            .iter()
            .map(|log| log.record.clone())
            .collect(),
    })
}
