//! `GetStateProof`: openings and tree paths of state keys at a sealed batch.

use cloister_proto::sequencer::v1::{
    GetStateProofRequest, GetStateProofResponse, StateKey as WireKey, StateOpening, state_key::Key,
};
use cloister_types::StateKey;
use tonic::Status;

use super::convert::{address, at_most, batch, hash, wire_bytes};
use crate::{
    app::{node::Node, peers::Peer},
    error::{Refusal as _, RequestError},
};

pub(super) async fn handle(
    node: &Node,
    _peer: Peer,
    request: GetStateProofRequest,
) -> Result<GetStateProofResponse, Status> {
    let keys = parse(&request, node.limits().max_proof_keys).map_err(|refused| refused.status())?;
    let proved = node
        .state_proof(request.batch, &keys)
        .await
        .map_err(|refused| refused.status())?;
    let openings = request
        .keys
        .into_iter()
        .zip(proved.openings)
        .map(|(key, opening)| StateOpening {
            key: Some(key),
            salt: opening
                .leaf
                .as_ref()
                .map_or_else(Default::default, |leaf| wire_bytes(leaf.salt.as_bytes())),
            value: opening.leaf.map(|leaf| leaf.value.into()),
            proof: opening.proof.into(),
        })
        .collect();
    Ok(GetStateProofResponse {
        batch: Some(batch(&proved.batch)),
        openings,
    })
}

fn parse(request: &GetStateProofRequest, limit: usize) -> Result<Vec<StateKey>, RequestError> {
    if request.keys.is_empty() {
        return Err(RequestError::Missing { field: "keys" });
    }
    at_most("keys", request.keys.len(), limit)?;
    request.keys.iter().map(parse_key).collect()
}

fn parse_key(key: &WireKey) -> Result<StateKey, RequestError> {
    match &key.key {
        None => Err(RequestError::Missing { field: "key" }),
        Some(Key::Account(bytes)) => Ok(StateKey::Account(address("account", bytes)?)),
        Some(Key::Activity(bytes)) => Ok(StateKey::Activity(address("activity", bytes)?)),
        Some(Key::Storage(place)) => Ok(StateKey::Storage(
            address("address", &place.address)?,
            hash("slot", &place.slot)?,
        )),
    }
}
