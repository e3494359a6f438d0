//! Views as the JSON that Ethereum clients read (alloy's own types).

use alloy::consensus::{
    Eip658Value, Header as ConsensusHeader, Receipt, ReceiptEnvelope, ReceiptWithBloom, Signed,
    Transaction as _, TxEnvelope, TxLegacy, TxType, Typed2718 as _, transaction::Recovered,
};
use alloy::primitives::{B64, B256, LogData, Signature, TxKind, U256};
use alloy::rpc::types as rpc;

use super::model::{Block, Transaction};
use super::view::{BlockView, TransactionView};

/// Bytes of a block header, for `size`: a constant, so that a size counts only what is shown.
const HEADER_BYTES: usize = 512;

/// A transaction as `eth_getTransactionByHash` shows it.
#[must_use]
pub fn transaction(block: &Block, view: &TransactionView) -> Option<rpc::Transaction> {
    let source = block.transactions.get(view.source)?;
    let envelope = if view.full {
        source.envelope.clone()
    } else {
        redacted(source)
    };
    Some(rpc::Transaction {
        inner: Recovered::new_unchecked(envelope, source.sender),
        block_hash: Some(block.hash),
        block_number: Some(block.number),
        transaction_index: Some(view.index),
        effective_gas_price: Some(effective_gas_price(source, view)),
        block_timestamp: None,
    })
}

/// What those see who may only see some of a transaction's logs: who sent it to whom, nothing of
/// what it said or paid.
fn redacted(source: &Transaction) -> TxEnvelope {
    let legacy = TxLegacy {
        to: source.envelope.to().map_or(TxKind::Create, TxKind::Call),
        ..TxLegacy::default()
    };
    let no_signature = Signature::new(U256::ZERO, U256::ZERO, false);
    TxEnvelope::Legacy(Signed::new_unchecked(legacy, no_signature, source.hash))
}

fn effective_gas_price(source: &Transaction, view: &TransactionView) -> u128 {
    if view.full {
        source.receipt.effective_gas_price
    } else {
        0
    }
}

/// A receipt as `eth_getTransactionReceipt` shows it.
#[must_use]
pub fn receipt(block: &Block, view: &TransactionView) -> Option<rpc::TransactionReceipt> {
    let source = block.transactions.get(view.source)?;
    let receipt = ReceiptWithBloom {
        receipt: Receipt {
            status: Eip658Value::Eip658(source.receipt.succeeded),
            cumulative_gas_used: view.cumulative_gas_used,
            logs: logs(block, view),
        },
        logs_bloom: view.bloom,
    };
    let kind = if view.full {
        TxType::try_from(source.envelope.ty()).unwrap_or(TxType::Legacy)
    } else {
        TxType::Legacy
    };
    let inner = match kind {
        TxType::Legacy => ReceiptEnvelope::Legacy(receipt),
        TxType::Eip2930 => ReceiptEnvelope::Eip2930(receipt),
        TxType::Eip1559 => ReceiptEnvelope::Eip1559(receipt),
        TxType::Eip4844 => ReceiptEnvelope::Eip4844(receipt),
        TxType::Eip7702 => ReceiptEnvelope::Eip7702(receipt),
    };
    Some(rpc::TransactionReceipt {
        inner,
        transaction_hash: source.hash,
        transaction_index: Some(view.index),
        block_hash: Some(block.hash),
        block_number: Some(block.number),
        gas_used: view.gas_used,
        effective_gas_price: effective_gas_price(source, view),
        blob_gas_used: None,
        blob_gas_price: None,
        from: source.sender,
        to: source.envelope.to(),
        contract_address: source.receipt.contract_address.filter(|_| view.full),
    })
}

/// The visible logs of one transaction.
#[must_use]
pub fn logs(block: &Block, view: &TransactionView) -> Vec<rpc::Log> {
    let Some(source) = block.transactions.get(view.source) else {
        return Vec::new();
    };
    view.logs
        .iter()
        .filter_map(|visible| {
            let log = source.receipt.logs.get(visible.source)?;
            Some(rpc::Log {
                inner: alloy::primitives::Log {
                    address: log.address,
                    data: LogData::new_unchecked(log.topics.clone(), log.data.clone()),
                },
                block_hash: Some(block.hash),
                block_number: Some(block.number),
                block_timestamp: Some(block.timestamp),
                transaction_hash: Some(source.hash),
                transaction_index: Some(view.index),
                log_index: Some(visible.index),
                removed: false,
            })
        })
        .collect()
}

/// A block's header. What is not derived from the visible is neutral: roots are zero, because no
/// root that this chain has could be told without telling of what is hidden.
#[must_use]
pub fn header(block: &Block, seen: &BlockView) -> rpc::Header {
    let shown = seen.transactions.iter().filter(|view| view.full);
    let bytes: usize = shown
        .filter_map(|view| block.transactions.get(view.source))
        .map(|transaction| transaction.raw.len())
        .sum();
    rpc::Header {
        hash: block.hash,
        inner: ConsensusHeader {
            parent_hash: block.parent_hash,
            ommers_hash: alloy::consensus::EMPTY_OMMER_ROOT_HASH,
            beneficiary: block.beneficiary,
            state_root: B256::ZERO,
            transactions_root: B256::ZERO,
            receipts_root: B256::ZERO,
            logs_bloom: seen.bloom,
            difficulty: U256::ZERO,
            number: block.number,
            gas_limit: block.gas_limit,
            gas_used: seen.gas_used,
            timestamp: block.timestamp,
            mix_hash: block.prev_randao,
            nonce: B64::ZERO,
            base_fee_per_gas: Some(block.base_fee_wei),
            ..ConsensusHeader::default()
        },
        total_difficulty: Some(U256::ZERO),
        size: Some(U256::from(HEADER_BYTES + bytes)),
    }
}

/// A block as `eth_getBlockByNumber` shows it, with whole transactions or their hashes.
#[must_use]
pub fn block(block: &Block, seen: &BlockView, whole: bool) -> rpc::Block {
    let transactions = if whole {
        let shown = seen
            .transactions
            .iter()
            .filter_map(|view| transaction(block, view));
        rpc::BlockTransactions::Full(shown.collect())
    } else {
        let shown = seen
            .transactions
            .iter()
            .filter_map(|view| block.transactions.get(view.source));
        rpc::BlockTransactions::Hashes(shown.map(|transaction| transaction.hash).collect())
    };
    rpc::Block {
        header: header(block, seen),
        uncles: Vec::new(),
        transactions,
        withdrawals: None,
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::Address;
    use serde_json::{Value, json};

    use super::*;
    use crate::app::view::tests::{Only, block as sample, transaction as sent};
    use crate::app::view::view;

    fn alice() -> Only {
        Only {
            sender: Address::repeat_byte(0xa),
            logs_of: Address::repeat_byte(0xc),
        }
    }

    fn shown() -> (Block, BlockView) {
        let block = sample(vec![
            sent(0, 0xe, 1, &[1]),
            sent(1, 0xa, 1, &[2]),
            sent(2, 0xb, 1, &[1, 0xc]),
        ]);
        let seen = view(&block, &mut alice());
        (block, seen)
    }

    fn json_of(value: impl serde::Serialize) -> Value {
        serde_json::to_value(value).unwrap()
    }

    #[test]
    fn a_visible_transaction_has_the_fields_that_clients_read() {
        let (chain, seen) = shown();
        let json = json_of(transaction(&chain, &seen.transactions[0]));
        assert_eq!(json["hash"], json!(B256::repeat_byte(0x81)));
        assert_eq!(json["from"], json!(Address::repeat_byte(0xa)));
        assert_eq!(json["input"], "0x01020304");
        assert_eq!(json["transactionIndex"], "0x0");
        assert_eq!(json["blockNumber"], "0x5");
        assert_eq!(json["value"], "0x7");
        assert_eq!(json["type"], "0x0");
    }

    #[test]
    fn of_a_transaction_that_is_seen_by_its_logs_only_the_content_is_hidden() {
        // SGW-4.
        let (chain, seen) = shown();
        let json = json_of(transaction(&chain, &seen.transactions[1]));
        assert_eq!(json["hash"], json!(B256::repeat_byte(0x82)));
        assert_eq!(json["input"], "0x");
        assert_eq!(
            (&json["value"], &json["gas"]),
            (&json!("0x0"), &json!("0x0"))
        );
        assert_eq!((&json["r"], &json["s"]), (&json!("0x0"), &json!("0x0")));
        let receipt = json_of(receipt(&chain, &seen.transactions[1]));
        assert_eq!(receipt["gasUsed"], "0x0");
        assert_eq!(receipt["logs"].as_array().unwrap().len(), 1);
        assert_eq!(
            receipt["logs"][0]["address"],
            json!(Address::repeat_byte(0xc))
        );
        assert_eq!(receipt["logs"][0]["logIndex"], "0x1");
    }

    #[test]
    fn a_block_counts_what_is_shown_only() {
        let (chain, seen) = shown();
        let json = json_of(block(&chain, &seen, false));
        assert_eq!(json["transactions"].as_array().unwrap().len(), 2);
        assert_eq!(json["gasUsed"], format!("{:#x}", 21_001));
        assert_eq!(json["size"], format!("{:#x}", 513));
        for root in ["stateRoot", "transactionsRoot", "receiptsRoot"] {
            assert_eq!(json[root], json!(B256::ZERO), "{root}");
        }
        let whole = json_of(block(&chain, &seen, true));
        assert_eq!(whole["transactions"][1]["transactionIndex"], "0x1");
    }

    #[test]
    fn receipts_are_read_back_by_alloy() {
        let (chain, seen) = shown();
        for view in &seen.transactions {
            let receipt = receipt(&chain, view).unwrap();
            let text = serde_json::to_string(&receipt).unwrap();
            let back: rpc::TransactionReceipt = serde_json::from_str(&text).unwrap();
            assert_eq!(back, receipt);
        }
    }
}
