//! What a grant covers.

use std::collections::BTreeSet;

use cloister_disclosure::BalanceLayout;
use cloister_types::{Address, B256};
use serde::{Deserialize, Serialize};

/// The kinds of package of version 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Nonce, native balance and code hash of an account.
    AccountState,
    /// One storage slot of a contract.
    StorageSlot,
    /// A token balance of an account.
    TokenBalance,
    /// A transaction with its receipt.
    Transaction,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [
        Self::AccountState,
        Self::StorageSlot,
        Self::TokenBalance,
        Self::Transaction,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::AccountState => "account_state",
            Self::StorageSlot => "storage_slot",
            Self::TokenBalance => "token_balance",
            Self::Transaction => "transaction",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Whose data, and which of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scope {
    /// The accounts: their state, their balances of `tokens`, transactions in which they take part.
    #[serde(default)]
    pub(crate) accounts: BTreeSet<Address>,
    /// Tokens whose balances may be shown.
    #[serde(default)]
    pub(crate) tokens: Vec<TokenScope>,
    /// Storage slots that may be shown.
    #[serde(default)]
    pub(crate) storage: Vec<StorageScope>,
    /// Only these transactions; absent: any in which an account of the scope takes part.
    #[serde(default)]
    pub(crate) transactions: Option<BTreeSet<B256>>,
}

/// A token and where its contract keeps balances, as compliance knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenScope {
    /// The token's contract.
    pub(crate) contract: Address,
    /// Absent: the layout of `OpenZeppelin`'s ERC-20.
    #[serde(default = "openzeppelin")]
    pub(crate) layout: BalanceLayout,
}

/// Slots of one contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StorageScope {
    /// The contract.
    pub(crate) contract: Address,
    /// Its slots.
    pub(crate) slots: BTreeSet<B256>,
}

fn openzeppelin() -> BalanceLayout {
    BalanceLayout::OPENZEPPELIN
}

impl Scope {
    /// How many things it lists.
    pub(crate) fn entries(&self) -> usize {
        let slots: usize = self
            .storage
            .iter()
            .map(|storage| storage.slots.len().max(1))
            .sum();
        let transactions = self.transactions.as_ref().map_or(0, BTreeSet::len);
        self.accounts.len() + self.tokens.len() + slots + transactions
    }

    /// What is missing for packages of `kind` to be possible at all.
    pub(crate) fn lacks(&self, kind: Kind) -> Option<&'static str> {
        let missing = match kind {
            Kind::AccountState | Kind::Transaction => self.accounts.is_empty(),
            Kind::TokenBalance => self.accounts.is_empty() || self.tokens.is_empty(),
            Kind::StorageSlot => self.storage.is_empty(),
        };
        missing.then_some(match kind {
            Kind::AccountState | Kind::Transaction => "accounts",
            Kind::TokenBalance => "accounts and tokens",
            Kind::StorageSlot => "storage",
        })
    }

    /// Every address whose data the grant opens.
    pub(crate) fn subjects(&self) -> BTreeSet<Address> {
        let contracts = self.storage.iter().map(|storage| storage.contract);
        self.accounts.iter().copied().chain(contracts).collect()
    }

    /// The layout by which balances of a token may be shown.
    pub(crate) fn layout(&self, token: Address) -> Option<BalanceLayout> {
        self.tokens
            .iter()
            .find(|scope| scope.contract == token)
            .map(|scope| scope.layout)
    }

    /// Whether a slot may be shown.
    pub(crate) fn covers_slot(&self, contract: Address, slot: B256) -> bool {
        let mut of_contract = self
            .storage
            .iter()
            .filter(|scope| scope.contract == contract);
        of_contract.any(|scope| scope.slots.contains(&slot))
    }

    /// Whether a transaction may be shown, if an account of the scope takes part in it.
    pub(crate) fn covers_transaction(&self, hash: B256) -> bool {
        self.transactions
            .as_ref()
            .is_none_or(|only| only.contains(&hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_without_a_layout_is_an_openzeppelin_one() {
        let scope: Scope = serde_json::from_str(
            r#"{"tokens":[{"contract":"0x00000000000000000000000000000000000070cc"}]}"#,
        )
        .expect("a scope");
        let token = scope.tokens[0].contract;
        assert_eq!(scope.layout(token), Some(BalanceLayout::OPENZEPPELIN));
        assert_eq!(scope.layout(Address::ZERO), None);
    }

    #[test]
    fn an_empty_list_of_transactions_covers_none_and_an_absent_one_all() {
        let none = Scope {
            transactions: Some(BTreeSet::new()),
            ..Scope::default()
        };
        assert!(!none.covers_transaction(B256::ZERO));
        assert!(Scope::default().covers_transaction(B256::ZERO));
    }

    #[test]
    fn names_what_a_kind_needs() {
        let scope = Scope {
            accounts: BTreeSet::from([Address::ZERO]),
            ..Scope::default()
        };
        assert_eq!(scope.lacks(Kind::AccountState), None);
        assert_eq!(scope.lacks(Kind::TokenBalance), Some("accounts and tokens"));
        assert_eq!(scope.lacks(Kind::StorageSlot), Some("storage"));
    }

    #[test]
    fn kinds_are_named_as_in_packages() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).expect("JSON"), kind.as_str());
            assert_eq!(Kind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(Kind::parse("statement"), None);
    }
}
