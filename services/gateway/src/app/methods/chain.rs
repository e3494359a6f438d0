//! Constants and the height: the same for everybody, so that load does not show.

use alloy::rpc::types::FeeHistory;
use alloy_eips::BlockNumberOrTag;
use alloy_primitives::{U64, U256};

use super::{Answer, json};
use crate::app::failure;
use crate::app::op::Op;
use crate::rpc::RpcError;
use crate::rpc::params::Params;
use crate::upstream::sequencer::Info;

/// Most blocks of one fee history, as Ethereum nodes have it.
const MAX_FEE_HISTORY_BLOCKS: u64 = 1_024;
/// Most percentiles of one fee history.
const MAX_PERCENTILES: usize = 100;

async fn info(op: &Op<'_>) -> Result<Info, RpcError> {
    op.app
        .sequencer
        .info()
        .await
        .map_err(|error| failure::upstream(&error))
}

/// `eth_chainId`.
pub(crate) fn chain_id(op: &Op<'_>) -> Answer {
    json(&U64::from(op.app.chain_id))
}

/// `net_version`: the chain id in decimal, as a string.
pub(crate) fn net_version(op: &Op<'_>) -> Answer {
    json(&op.app.chain_id.to_string())
}

/// `web3_clientVersion`.
pub(crate) fn client_version() -> Answer {
    json(concat!("cloister/", env!("CARGO_PKG_VERSION")))
}

/// `eth_blockNumber`.
pub(crate) async fn block_number(op: &Op<'_>) -> Answer {
    json(&U64::from(info(op).await?.head.0))
}

/// `eth_gasPrice`: the base fee.
pub(crate) async fn gas_price(op: &Op<'_>) -> Answer {
    json(&U256::from(info(op).await?.base_fee_wei))
}

/// `eth_maxPriorityFeePerGas`: nobody needs to tip.
pub(crate) fn max_priority_fee() -> Answer {
    json(&U256::ZERO)
}

/// `eth_blobBaseFee`: the least that Ethereum knows; blobs are not taken.
pub(crate) fn blob_base_fee() -> Answer {
    json(&U256::from(1))
}

/// `eth_syncing`.
pub(crate) fn syncing() -> Answer {
    json(&false)
}

/// `eth_feeHistory`: constant, whatever the load was.
pub(crate) async fn fee_history(op: &Op<'_>, params: &Params<'_>) -> Answer {
    let count: U64 = params.required(0, "blockCount")?;
    let newest: BlockNumberOrTag = params.required(1, "newestBlock")?;
    let percentiles: Vec<f64> = params.optional(2, "rewardPercentiles")?.unwrap_or_default();
    if percentiles.len() > MAX_PERCENTILES {
        return Err(RpcError::invalid_params(format!(
            "`rewardPercentiles` holds more than {MAX_PERCENTILES} values"
        )));
    }
    let info = info(op).await?;
    let newest = match newest {
        BlockNumberOrTag::Number(number) if number > info.head.0 => {
            return Err(RpcError::invalid_params(
                "`newestBlock` is beyond the latest block",
            ));
        }
        BlockNumberOrTag::Number(number) => number,
        BlockNumberOrTag::Earliest => 0,
        BlockNumberOrTag::Latest
        | BlockNumberOrTag::Pending
        | BlockNumberOrTag::Safe
        | BlockNumberOrTag::Finalized => info.head.0,
    };
    let count = count
        .to::<u64>()
        .min(MAX_FEE_HISTORY_BLOCKS)
        .min(newest + 1);
    json(&constant_fees(
        newest,
        count,
        info.base_fee_wei,
        percentiles.len(),
    ))
}

fn constant_fees(newest: u64, count: u64, base_fee_wei: u64, percentiles: usize) -> FeeHistory {
    let blocks = usize::try_from(count).unwrap_or(0);
    FeeHistory {
        base_fee_per_gas: vec![u128::from(base_fee_wei); blocks + 1],
        gas_used_ratio: vec![0.0; blocks],
        base_fee_per_blob_gas: vec![1; blocks + 1],
        blob_gas_used_ratio: vec![0.0; blocks],
        oldest_block: (newest + 1).saturating_sub(count),
        reward: (percentiles > 0).then(|| vec![vec![0; percentiles]; blocks]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fee_history_is_constant_and_has_the_lengths_that_clients_expect() {
        let fees = constant_fees(9, 4, 7, 2);
        assert_eq!(fees.oldest_block, 6);
        assert_eq!(fees.base_fee_per_gas, [7; 5]);
        assert_eq!(fees.gas_used_ratio, [0.0; 4]);
        assert_eq!(fees.reward, Some(vec![vec![0, 0]; 4]));
        assert_eq!(constant_fees(0, 1, 0, 0).reward, None);
    }
}
