//! `GetAccount`: nonce, balance and code at the latest block.

use cloister_proto::sequencer::v1::{GetAccountRequest, GetAccountResponse};
use tonic::Status;

use super::convert::{address, wire_bytes, wire_number};
use crate::{
    app::{node::Node, peers::Peer},
    error::Refusal as _,
};

pub(super) fn handle(
    node: &Node,
    _peer: Peer,
    request: &GetAccountRequest,
) -> Result<GetAccountResponse, Status> {
    let address = address("address", &request.address).map_err(|refused| refused.status())?;
    let (value, code) = node.account(&address, request.pending);
    Ok(GetAccountResponse {
        nonce: value.nonce,
        balance: wire_number(value.balance),
        code_hash: wire_bytes(value.code_hash.as_slice()),
        code: if request.with_code {
            code.0
        } else {
            tonic::codegen::Bytes::new()
        },
    })
}
