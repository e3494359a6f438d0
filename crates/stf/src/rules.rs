//! The chain's rules in revm's terms.

use alloy_primitives::{Address, U256, address, bytes};
use cloister_types::{BlockHeader, ChainConfig, Fork};
use revm::{
    context::{BlockEnv, CfgEnv},
    context_interface::block::BlobExcessGasAndPrice,
    primitives::{eip4844::BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE, hardfork::SpecId},
};

/// EIP-2935's contract, which keeps the hashes of the last 8,191 blocks.
pub(crate) const HISTORY_ADDRESS: Address = address!("0x0000F90827F1C53a10cb7A02335B175320002935");

/// Code of EIP-2935's contract.
pub(crate) const HISTORY_CODE: alloy_primitives::Bytes = bytes!(
    "3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257611fff81430311604257611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500"
);

/// Number of slots in which EIP-2935's contract keeps hashes.
pub(crate) const HISTORY_SERVE_WINDOW: u64 = 8191;

pub(crate) const fn spec(fork: Fork) -> SpecId {
    match fork {
        Fork::Prague => SpecId::PRAGUE,
        Fork::Osaka => SpecId::OSAKA,
    }
}

pub(crate) fn cfg_env(config: &ChainConfig) -> CfgEnv {
    let mut cfg = CfgEnv::new_with_spec(spec(config.fork));
    cfg.chain_id = config.chain_id;
    cfg.tx_chain_id_check = true;
    cfg
}

pub(crate) fn block_env(header: &BlockHeader) -> BlockEnv {
    BlockEnv {
        number: U256::from(header.number.0),
        beneficiary: header.beneficiary,
        timestamp: U256::from(header.timestamp),
        gas_limit: header.gas_limit,
        basefee: header.base_fee_wei,
        difficulty: U256::ZERO,
        prevrandao: Some(header.prev_randao),
        // There are no blobs here; BLOBBASEFEE answers the minimum.
        blob_excess_gas_and_price: Some(BlobExcessGasAndPrice::new(
            0,
            BLOB_BASE_FEE_UPDATE_FRACTION_PRAGUE,
        )),
        slot_num: 0,
    }
}
