//! What of a block a principal sees, by policy.

use std::collections::{BTreeMap, BTreeSet};

use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, B256};
use cloister_authz::request::{ViewLog, ViewTransaction};
use cloister_authz::{Engine, Principal};

use super::model::{Block, Log, Transaction};
use super::registry::Directory;
use super::view::Visibility;

/// The largest number that a topic can hold without counting as an address.
const LARGEST_SMALL_NUMBER: u64 = 0xffff;

/// Decides by policy and remembers decisions that depend on the same facts.
#[derive(Debug)]
pub struct PolicyVisibility<'a> {
    engine: &'a Engine,
    principal: &'a Principal,
    contracts: &'a Directory,
    transactions: BTreeMap<(Address, BTreeSet<Address>), bool>,
    logs: BTreeMap<(Address, String, BTreeSet<Address>, BTreeSet<Address>), bool>,
    rules: BTreeSet<String>,
}

impl<'a> PolicyVisibility<'a> {
    /// What `principal` sees; `contracts` holds every emitter of the block that is registered.
    #[must_use]
    pub fn new(engine: &'a Engine, principal: &'a Principal, contracts: &'a Directory) -> Self {
        Self {
            engine,
            principal,
            contracts,
            transactions: BTreeMap::new(),
            logs: BTreeMap::new(),
            rules: BTreeSet::new(),
        }
    }

    /// The policies that let something be seen.
    #[must_use]
    pub fn into_rules(self) -> BTreeSet<String> {
        self.rules
    }
}

impl Visibility for PolicyVisibility<'_> {
    fn transaction(&mut self, transaction: &Transaction) -> bool {
        let participants = participants(transaction);
        let key = (transaction.sender, participants);
        if let Some(known) = self.transactions.get(&key) {
            return *known;
        }
        let ask = ViewTransaction {
            hash: transaction.hash,
            sender: transaction.sender,
            participants: key.1.clone(),
        };
        let decision = self.engine.decide(self.principal, &ask);
        if decision.is_allowed() {
            self.rules.extend(decision.rules().iter().cloned());
        }
        self.transactions.insert(key, decision.is_allowed());
        decision.is_allowed()
    }

    fn log(&mut self, transaction: &Transaction, log: &Log) -> bool {
        let event = self.contracts.event(log);
        let key = (
            log.address,
            event,
            addresses(log),
            participants(transaction),
        );
        if let Some(known) = self.logs.get(&key) {
            return *known;
        }
        let known = self.contracts.get(&log.address);
        let ask = ViewLog {
            transaction: transaction.hash,
            index: 0,
            emitter: log.address,
            desk: known.and_then(|known| known.contract.desk.clone()),
            event: key.1.clone(),
            participants: key.2.clone(),
            transaction_participants: key.3.clone(),
        };
        let decision = self.engine.decide(self.principal, &ask);
        if decision.is_allowed() {
            self.rules.extend(decision.rules().iter().cloned());
        }
        self.logs.insert(key, decision.is_allowed());
        decision.is_allowed()
    }
}

/// Sender, target and created contract.
#[must_use]
pub fn participants(transaction: &Transaction) -> BTreeSet<Address> {
    let mut all = BTreeSet::from([transaction.sender]);
    all.extend(transaction.envelope.to());
    all.extend(transaction.receipt.contract_address);
    all
}

/// The addresses in a log's topics after the first: 12 zero bytes, then a number that is too large
/// to be a small one.
#[must_use]
pub fn addresses(log: &Log) -> BTreeSet<Address> {
    log.topics.iter().skip(1).filter_map(address_in).collect()
}

fn address_in(topic: &B256) -> Option<Address> {
    let (zeros, rest) = topic.split_at_checked(12)?;
    let address = Address::try_from(rest).ok()?;
    let (high, low) = rest.split_at_checked(12)?;
    let low = u64::from_be_bytes(low.try_into().ok()?);
    let small = high.iter().all(|byte| *byte == 0) && low <= LARGEST_SMALL_NUMBER;
    (zeros.iter().all(|byte| *byte == 0) && !small).then_some(address)
}

/// Every emitter in a block, for one lookup.
#[must_use]
pub fn emitters(block: &Block) -> Vec<Address> {
    let logs = block
        .transactions
        .iter()
        .flat_map(|transaction| &transaction.receipt.logs);
    logs.map(|log| log.address)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Bytes, U256};

    use super::*;

    fn log(topics: Vec<B256>) -> Log {
        Log {
            address: Address::repeat_byte(9),
            topics,
            data: Bytes::new(),
        }
    }

    #[test]
    fn addresses_are_found_after_the_first_topic_only() {
        let alice = Address::repeat_byte(0xa);
        let found = addresses(&log(vec![
            alice.into_word(),
            alice.into_word(),
            B256::from(U256::from(0xffff)),
            B256::repeat_byte(1),
        ]));
        assert_eq!(found, BTreeSet::from([alice]));
    }

    #[test]
    fn small_numbers_are_no_addresses() {
        let number = |n: u64| B256::from(U256::from(n));
        assert!(addresses(&log(vec![B256::ZERO, number(0), number(0xffff)])).is_empty());
        assert_eq!(addresses(&log(vec![B256::ZERO, number(0x1_0000)])).len(), 1);
    }
}
