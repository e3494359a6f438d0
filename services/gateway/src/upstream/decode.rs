//! From protobuf to the gateway's own types.

use alloy_consensus::TxEnvelope;
use alloy_eips::eip2718::Decodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, U256};
use cloister_proto::sequencer::v1 as pb;

use super::UpstreamError;
use crate::app::model::{Block, Log, Receipt, Transaction};

const PART: &str = "sequencer";

fn malformed(what: &'static str) -> UpstreamError {
    UpstreamError::malformed(PART, what)
}

/// 20 bytes.
pub(super) fn address(bytes: &[u8], what: &'static str) -> Result<Address, UpstreamError> {
    Address::try_from(bytes).map_err(|_| malformed(what))
}

/// 32 bytes.
pub(super) fn hash(bytes: &[u8], what: &'static str) -> Result<B256, UpstreamError> {
    B256::try_from(bytes).map_err(|_| malformed(what))
}

/// At most 32 bytes, big-endian.
pub(super) fn number(bytes: &[u8], what: &'static str) -> Result<U256, UpstreamError> {
    U256::try_from_be_slice(bytes).ok_or_else(|| malformed(what))
}

/// A block reference that must be there.
pub(super) fn reference(
    reference: Option<&pb::BlockRef>,
    what: &'static str,
) -> Result<(u64, B256), UpstreamError> {
    let reference = reference.ok_or_else(|| malformed(what))?;
    Ok((reference.number, hash(&reference.hash, what)?))
}

/// A transaction with its receipt.
pub(super) fn transaction(message: pb::Transaction) -> Result<Transaction, UpstreamError> {
    let (block_number, _) = reference(message.block.as_ref(), "transaction.block")?;
    let envelope =
        TxEnvelope::decode_2718_exact(&message.raw).map_err(|_| malformed("transaction.raw"))?;
    let receipt = message
        .receipt
        .ok_or_else(|| malformed("transaction.receipt"))?;
    Ok(Transaction {
        hash: hash(&message.hash, "transaction.hash")?,
        sender: address(&message.sender, "transaction.sender")?,
        envelope,
        raw: Bytes::from(message.raw),
        block_number,
        index: message.index,
        batch: message.batch,
        receipt: self::receipt(receipt)?,
    })
}

fn receipt(message: pb::Receipt) -> Result<Receipt, UpstreamError> {
    let price = number(&message.effective_gas_price, "receipt.effective_gas_price")?;
    Ok(Receipt {
        succeeded: message.succeeded,
        gas_used: message.gas_used,
        effective_gas_price: u128::try_from(price)
            .map_err(|_| malformed("receipt.effective_gas_price"))?,
        contract_address: message
            .contract_address
            .map(|created| address(&created, "receipt.contract_address"))
            .transpose()?,
        logs: message
            .logs
            .into_iter()
            .map(log)
            .collect::<Result<_, _>>()?,
    })
}

fn log(message: pb::Log) -> Result<Log, UpstreamError> {
    if message.topics.len() > 4 {
        return Err(malformed("log.topics"));
    }
    let topics = message.topics.iter().map(|topic| hash(topic, "log.topics"));
    Ok(Log {
        address: address(&message.address, "log.address")?,
        topics: topics.collect::<Result<_, _>>()?,
        data: Bytes::from(message.data),
    })
}

/// A block with its transactions.
pub(super) fn block(message: pb::Block) -> Result<Block, UpstreamError> {
    let (number, hash) = reference(message.r#ref.as_ref(), "block.ref")?;
    let transactions = message.transactions.into_iter().map(transaction);
    Ok(Block {
        number,
        hash,
        parent_hash: self::hash(&message.parent_hash, "block.parent_hash")?,
        timestamp: message.timestamp,
        gas_limit: message.gas_limit,
        base_fee_wei: message.base_fee_wei,
        beneficiary: address(&message.beneficiary, "block.beneficiary")?,
        prev_randao: self::hash(&message.prev_randao, "block.prev_randao")?,
        batch: message.batch,
        transactions: transactions.collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_claims() {
        assert!(address(&[1; 20], "x").is_ok());
        assert!(address(&[1; 19], "x").is_err());
        assert!(hash(&[1; 33], "x").is_err());
        assert_eq!(number(&[], "x").unwrap(), U256::ZERO);
        assert!(number(&[1; 33], "x").is_err());
        let error = reference(None, "block.ref").unwrap_err();
        assert_eq!(
            error.to_string(),
            "the sequencer failed: `block.ref` in its answer is malformed"
        );
    }

    #[test]
    fn a_transaction_that_does_not_decode_is_our_fault() {
        let message = pb::Transaction {
            block: Some(pb::BlockRef {
                number: 1,
                hash: vec![0; 32].into(),
            }),
            raw: vec![5, 5].into(),
            ..pb::Transaction::default()
        };
        assert!(matches!(
            transaction(message),
            Err(UpstreamError::Failed { .. })
        ));
    }
}
