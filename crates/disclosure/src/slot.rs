//! Where Solidity and Vyper keep the entry of a mapping.
//!
//! A token contract's storage is opaque to the chain: that a slot *is* somebody's balance follows
//! from the contract's code. A package therefore states the layout, the verifier recomputes the
//! slot from it, and the report says that the layout itself is the issuer's word (or the reader's
//! own check of the contract's source).

use alloy_primitives::{Address, B256, keccak256};
use serde::{Deserialize, Serialize};

use crate::text;

/// How the slot of a mapping's entry is derived from the mapping's own slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Derivation {
    /// keccak256(key padded to 32 bytes ‖ slot), Solidity's rule for value-type keys
    /// (Solidity documentation, "Layout of State Variables in Storage", mappings).
    SolidityMapping,
    /// keccak256(slot ‖ key padded to 32 bytes), Vyper's rule.
    VyperMapping,
}

/// Where a token contract keeps its balances: the mapping's slot and the rule for its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BalanceLayout {
    /// The rule.
    pub derivation: Derivation,
    /// The slot of the mapping itself, e.g. 0 for the ERC-20 of `OpenZeppelin`.
    #[serde(with = "text::b256")]
    pub base_slot: B256,
}

impl BalanceLayout {
    /// `OpenZeppelin`'s `ERC20`: the balances are the contract's first variable.
    pub const OPENZEPPELIN: Self = Self {
        derivation: Derivation::SolidityMapping,
        base_slot: B256::ZERO,
    };

    /// `OpenZeppelin`'s `ERC20Upgradeable` from version 5: an ERC-7201 namespace,
    /// `erc7201:openzeppelin.storage.ERC20`.
    pub const OPENZEPPELIN_UPGRADEABLE: Self = Self {
        derivation: Derivation::SolidityMapping,
        base_slot: B256::new(OPENZEPPELIN_NAMESPACE),
    };

    /// The slot of one holder's balance.
    ///
    /// ```
    /// use alloy_primitives::{Address, b256};
    /// use cloister_disclosure::BalanceLayout;
    ///
    /// let slot = BalanceLayout::OPENZEPPELIN.slot_of(Address::ZERO);
    /// let zeros = b256!("ad3228b676f7d3cd4284a5443f17f1962b36e491b30a40b2405849e597ba5fb5");
    /// assert_eq!(slot, zeros); // keccak256 of 64 zero bytes
    /// ```
    #[must_use]
    pub fn slot_of(&self, holder: Address) -> B256 {
        let key = holder.into_word();
        let (first, second) = match self.derivation {
            Derivation::SolidityMapping => (key, self.base_slot),
            Derivation::VyperMapping => (self.base_slot, key),
        };
        keccak256([first.as_slice(), second.as_slice()].concat())
    }
}

/// keccak256(keccak256("openzeppelin.storage.ERC20") - 1) with the last byte cleared (ERC-7201).
const OPENZEPPELIN_NAMESPACE: [u8; 32] = [
    0x52, 0xc6, 0x32, 0x47, 0xe1, 0xf4, 0x7d, 0xb1, 0x9d, 0x5c, 0xe0, 0x46, 0x00, 0x30, 0xc4, 0x97,
    0xf0, 0x67, 0xca, 0x4c, 0xeb, 0xf7, 0x1b, 0xa9, 0x8e, 0xea, 0xda, 0xbe, 0x20, 0xba, 0xce, 0x00,
];

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{U256, address, b256};

    #[test]
    fn the_upgradeable_slot_is_the_namespace_of_erc_7201() {
        let inner = U256::from_be_bytes(keccak256("openzeppelin.storage.ERC20").0) - U256::from(1);
        let mut slot = keccak256(inner.to_be_bytes::<32>());
        slot.0[31] = 0;
        assert_eq!(BalanceLayout::OPENZEPPELIN_UPGRADEABLE.base_slot, slot);
    }

    #[test]
    fn the_two_rules_order_key_and_slot_differently() {
        let holder = address!("00000000000000000000000000000000000000aa");
        let base_slot = b256!("0000000000000000000000000000000000000000000000000000000000000001");
        let slot = |derivation| {
            BalanceLayout {
                derivation,
                base_slot,
            }
            .slot_of(holder)
        };
        let joined = |a: B256, b: B256| keccak256([a.0, b.0].concat());
        assert_eq!(
            slot(Derivation::SolidityMapping),
            joined(holder.into_word(), base_slot)
        );
        assert_eq!(
            slot(Derivation::VyperMapping),
            joined(base_slot, holder.into_word())
        );
    }
}
