//! Between messages and types.

use alloy_primitives::{Address, B256, Bytes, U256};
use cloister_proto::sequencer::v1 as wire;

use crate::{
    app::model::{Batch, Block, BlockPlace, PlacedTransaction, Transaction},
    error::RequestError,
};

/// Bytes on the wire.
pub(super) type WireBytes = tonic::codegen::Bytes;

/// 20 bytes.
pub(super) fn address(field: &'static str, bytes: &[u8]) -> Result<Address, RequestError> {
    Address::try_from(bytes).map_err(|_| RequestError::Length {
        field,
        expected: 20,
        got: bytes.len(),
    })
}

/// 32 bytes.
pub(super) fn hash(field: &'static str, bytes: &[u8]) -> Result<B256, RequestError> {
    B256::try_from(bytes).map_err(|_| RequestError::Length {
        field,
        expected: 32,
        got: bytes.len(),
    })
}

/// 32 bytes big-endian, or none for zero.
pub(super) fn number(field: &'static str, bytes: &[u8]) -> Result<U256, RequestError> {
    if bytes.is_empty() {
        return Ok(U256::ZERO);
    }
    hash(field, bytes).map(|bytes| U256::from_be_bytes(bytes.0))
}

/// Fails when a list is longer than served.
pub(super) fn at_most(field: &'static str, got: usize, limit: usize) -> Result<(), RequestError> {
    if got > limit {
        return Err(RequestError::TooMany {
            field,
            limit: limit as u64,
            got: got as u64,
        });
    }
    Ok(())
}

/// Copies fixed bytes.
pub(super) fn wire_bytes(bytes: &[u8]) -> WireBytes {
    WireBytes::copy_from_slice(bytes)
}

/// A 256-bit integer.
pub(super) fn wire_number(value: U256) -> WireBytes {
    wire_bytes(&value.to_be_bytes::<32>())
}

/// Height and hash.
pub(super) fn block_ref(number: u64, hash: &B256) -> wire::BlockRef {
    wire::BlockRef {
        number,
        hash: wire_bytes(hash.as_slice()),
    }
}

/// A transaction with its receipt.
pub(super) fn transaction(place: &BlockPlace, transaction: &Transaction) -> wire::Transaction {
    let logs = transaction
        .logs
        .iter()
        .map(|log| wire::Log {
            address: wire_bytes(log.record.address.as_slice()),
            topics: log
                .record
                .topics
                .iter()
                .map(|topic| wire_bytes(topic.as_slice()))
                .collect(),
            data: log.record.data.0.clone(),
            log_index: log.index,
        })
        .collect();
    wire::Transaction {
        hash: wire_bytes(transaction.hash.as_slice()),
        sender: wire_bytes(transaction.sender.as_slice()),
        raw: transaction.raw.0.clone(),
        block: Some(block_ref(place.number, &place.hash)),
        index: transaction.index,
        timestamp: place.timestamp,
        base_fee_wei: place.base_fee_wei,
        receipt: Some(wire::Receipt {
            succeeded: transaction.succeeded,
            gas_used: transaction.gas_used,
            cumulative_gas_used: transaction.cumulative_gas_used,
            effective_gas_price: wire_number(U256::from(transaction.effective_gas_price)),
            contract_address: transaction
                .contract_address
                .map(|address| wire_bytes(address.as_slice())),
            logs,
        }),
        batch: place.batch,
    }
}

/// A transaction with its receipt.
pub(super) fn placed(placed: &PlacedTransaction) -> wire::Transaction {
    transaction(&placed.block, &placed.transaction)
}

/// A block with its transactions.
pub(super) fn block(block: &Block) -> wire::Block {
    let header = &block.header;
    let place = BlockPlace::of(header, block.hash, block.batch);
    wire::Block {
        r#ref: Some(block_ref(header.number.0, &block.hash)),
        parent_hash: wire_bytes(header.parent_hash.as_slice()),
        timestamp: header.timestamp,
        gas_limit: header.gas_limit,
        gas_used: header.gas_used,
        base_fee_wei: header.base_fee_wei,
        beneficiary: wire_bytes(header.beneficiary.as_slice()),
        prev_randao: wire_bytes(header.prev_randao.as_slice()),
        batch: block.batch,
        transactions: block
            .transactions
            .iter()
            .map(|one| transaction(&place, one))
            .collect(),
    }
}

/// A sealed batch.
pub(super) fn batch(batch: &Batch) -> wire::Batch {
    wire::Batch {
        number: batch.number(),
        hash: wire_bytes(batch.hash.as_slice()),
        header: batch.header.encode().into(),
        transaction_count: batch.header.private.transaction_count,
        sealed_at: batch.sealed_at,
    }
}

/// Bytes without a fixed length.
pub(super) fn to_bytes(bytes: WireBytes) -> Bytes {
    Bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_32_bytes_or_none() {
        assert_eq!(number("value", &[]), Ok(U256::ZERO));
        assert_eq!(
            number("value", &U256::from(7).to_be_bytes::<32>()),
            Ok(U256::from(7))
        );
        assert_eq!(
            number("value", &[7]),
            Err(RequestError::Length {
                field: "value",
                expected: 32,
                got: 1
            })
        );
    }

    #[test]
    fn a_list_over_its_limit_is_refused() {
        assert_eq!(at_most("keys", 3, 3), Ok(()));
        assert_eq!(
            at_most("keys", 4, 3),
            Err(RequestError::TooMany {
                field: "keys",
                limit: 3,
                got: 4
            })
        );
    }
}
