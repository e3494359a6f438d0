//! A whole state in plain values, and Ethereum's digests of it.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, Log, LogData, U256, keccak256};
use alloy_trie::{TrieAccount, root};
use anyhow::Result;
use cloister_stf::MemoryState;
use cloister_types::LogRecord;

use crate::fixture;

/// An account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plain {
    /// Nonce.
    pub nonce: u64,
    /// Wei.
    pub balance: U256,
    /// Code.
    pub code: Bytes,
    /// Slots that are not zero.
    pub storage: BTreeMap<U256, U256>,
}

impl Plain {
    fn is_empty(&self) -> bool {
        self.nonce == 0 && self.balance.is_zero() && self.code.is_empty() && self.storage.is_empty()
    }
}

/// Accounts that are not empty, by address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts(pub BTreeMap<Address, Plain>);

impl Accounts {
    /// The accounts of a fixture.
    ///
    /// # Errors
    /// When a number is none or too long.
    pub fn read(accounts: &BTreeMap<Address, fixture::Account>) -> Result<Self> {
        let mut all = BTreeMap::new();
        for (address, account) in accounts {
            let mut storage = BTreeMap::new();
            for (slot, value) in &account.storage {
                let slot = fixture::Number(slot.clone()).u256()?;
                let value = value.u256()?;
                if !value.is_zero() {
                    storage.insert(slot, value);
                }
            }
            let plain = Plain {
                nonce: account.nonce.u64()?,
                balance: account.balance.u256()?,
                code: account.code.clone(),
                storage,
            };
            if !plain.is_empty() {
                all.insert(*address, plain);
            }
        }
        Ok(Self(all))
    }

    /// The accounts of a state in memory, without those that only this chain has.
    #[must_use]
    pub fn of_state(state: &MemoryState, without: &[Address]) -> Self {
        let mut all: BTreeMap<Address, Plain> = BTreeMap::new();
        for (address, value) in &state.accounts {
            let code = match state.codes.get(&value.code_hash) {
                Some(code) if value.code_hash != KECCAK256_EMPTY => code.original_bytes(),
                _ => Bytes::new(),
            };
            let (nonce, balance) = (value.nonce, value.balance);
            all.insert(
                *address,
                Plain {
                    nonce,
                    balance,
                    code,
                    storage: BTreeMap::new(),
                },
            );
        }
        for ((address, slot), value) in &state.storage {
            all.entry(*address)
                .or_default()
                .storage
                .insert(*slot, *value);
        }
        all.retain(|address, plain| !without.contains(address) && !plain.is_empty());
        Self(all)
    }

    /// Root of the state as Ethereum computes it.
    #[must_use]
    pub fn root(&self) -> B256 {
        root::state_root_unhashed(self.0.iter().map(|(address, plain)| {
            let slots = plain.storage.iter();
            let storage_root =
                root::storage_root_unhashed(slots.map(|(slot, value)| (B256::from(*slot), *value)));
            let account = TrieAccount {
                nonce: plain.nonce,
                balance: plain.balance,
                storage_root,
                code_hash: keccak256(&plain.code),
            };
            (*address, account)
        }))
    }

    /// The first difference to other accounts, in words.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<String> {
        let addresses = self.0.keys().chain(other.0.keys());
        let empty = Plain::default();
        let at = |accounts: &Self, address: &Address| {
            accounts.0.get(address).cloned().unwrap_or_default()
        };
        for address in addresses {
            let (expected, got) = (at(self, address), at(other, address));
            if expected == got {
                continue;
            }
            let presence = |plain: &Plain| if *plain == empty { "absent" } else { "present" };
            let what = if expected.nonce != got.nonce {
                format!("nonce {} expected, got {}", expected.nonce, got.nonce)
            } else if expected.balance != got.balance {
                format!("balance {} expected, got {}", expected.balance, got.balance)
            } else if expected.code != got.code {
                let (expected, got) = (expected.code.len(), got.code.len());
                format!("code of {expected} bytes expected, got {got} bytes or other ones")
            } else {
                slot_difference(&expected, &got)
            };
            return Some(format!(
                "account {address} ({} expected, {} here): {what}",
                presence(&expected),
                presence(&got)
            ));
        }
        None
    }
}

fn slot_difference(expected: &Plain, got: &Plain) -> String {
    let slots = expected.storage.keys().chain(got.storage.keys());
    let at = |plain: &Plain, slot: &U256| plain.storage.get(slot).copied().unwrap_or_default();
    for slot in slots {
        let (expected, got) = (at(expected, slot), at(got, slot));
        if expected != got {
            return format!("slot {slot:#x}: {expected:#x} expected, got {got:#x}");
        }
    }
    "no difference".to_owned()
}

/// Keccak-256 of the encoded logs.
#[must_use]
pub fn logs_hash(logs: &[Log]) -> B256 {
    keccak256(alloy_rlp::encode(logs.to_vec()))
}

/// A log in Ethereum's form.
#[must_use]
pub fn log(record: &LogRecord) -> Log {
    Log {
        address: record.address,
        data: LogData::new_unchecked(record.topics.clone(), record.data.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digests_of_nothing_are_those_that_every_client_knows() {
        // keccak256(rlp("")) and keccak256(rlp([])), as in the Yellow Paper.
        let root = "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421";
        let logs = "1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347";
        assert_eq!(Accounts::default().root(), root.parse::<B256>().unwrap());
        assert_eq!(logs_hash(&[]), logs.parse::<B256>().unwrap());
    }

    #[test]
    fn names_the_first_difference() {
        let one = |nonce, slot| {
            let plain = Plain {
                nonce,
                storage: BTreeMap::from([(U256::from(1), U256::from(slot))]),
                ..Plain::default()
            };
            Accounts(BTreeMap::from([(Address::ZERO, plain)]))
        };
        assert_eq!(one(1, 2).difference(&one(1, 2)), None);
        assert!(
            one(1, 2)
                .difference(&one(3, 2))
                .unwrap()
                .ends_with("nonce 1 expected, got 3")
        );
        assert!(
            one(1, 2)
                .difference(&one(1, 4))
                .unwrap()
                .ends_with("slot 0x1: 0x2 expected, got 0x4")
        );
    }
}
