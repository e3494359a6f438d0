//! `GetInfo`: chain id, heads and fee rules.

use cloister_proto::sequencer::v1::GetInfoResponse;

use super::convert::{block_ref, wire_bytes};
use crate::app::node::Node;

pub(super) fn handle(node: &Node) -> GetInfoResponse {
    let head = node.chain().head();
    let rules = node.rules();
    let genesis = node.genesis();
    GetInfoResponse {
        chain_id: rules.config.chain_id,
        head: Some(block_ref(head.number, &head.hash)),
        sealed_batch: node.chain().sealed().number(),
        base_fee_wei: rules.config.base_fee_wei,
        block_gas_limit: rules.config.block_gas_limit,
        policy_root: wire_bytes(node.policy_root().as_slice()),
        genesis_batch_hash: wire_bytes(genesis.hash.as_slice()),
        genesis_state_root: wire_bytes(genesis.header.state_root.as_slice()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}
