//! The people, contracts and addresses that policy tests speak of: `policies/tests/world.json`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use alloy_primitives::Address;
use cloister_authz::request::{Contract, Target};
use cloister_authz::{Desk, Engine, PolicySet, Principal};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct World {
    people: BTreeMap<String, Principal>,
    contracts: BTreeMap<String, ContractEntry>,
    /// Addresses that belong to nobody known.
    strangers: BTreeMap<String, Address>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContractEntry {
    address: Address,
    desk: Option<Desk>,
    template: String,
}

pub(crate) fn policies_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../policies")
}

pub(crate) fn engine() -> Engine {
    Engine::new(PolicySet::load(&policies_folder()).expect("the repository's policies load"))
}

pub(crate) fn world() -> World {
    let path = policies_folder().join("tests/world.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

impl World {
    pub(crate) fn person(&self, name: &str) -> Principal {
        if name == "anonymous" {
            return Principal::anonymous();
        }
        self.people
            .get(name)
            .unwrap_or_else(|| panic!("no person `{name}`"))
            .clone()
    }

    pub(crate) fn contract(&self, name: &str) -> Contract {
        let entry = self
            .contracts
            .get(name)
            .unwrap_or_else(|| panic!("no contract `{name}`"));
        let ContractEntry {
            address,
            desk,
            template,
        } = entry;
        Contract {
            address: *address,
            desk: desk.clone(),
            template: template.clone(),
        }
    }

    /// A contract by its name, or an account by its owner's name.
    pub(crate) fn target(&self, name: &str) -> Target {
        if self.contracts.contains_key(name) {
            Target::Contract(self.contract(name))
        } else {
            Target::Account(self.address(name))
        }
    }

    /// The address of a person's first wallet, a contract or a stranger; or one in hex.
    pub(crate) fn address(&self, name: &str) -> Address {
        if let Some(person) = self.people.get(name) {
            return *person
                .wallets
                .first()
                .unwrap_or_else(|| panic!("`{name}` has no wallet"));
        }
        if let Some(contract) = self.contracts.get(name) {
            return contract.address;
        }
        match self.strangers.get(name) {
            Some(address) => *address,
            None => name
                .parse()
                .unwrap_or_else(|_| panic!("no address `{name}`")),
        }
    }
}
