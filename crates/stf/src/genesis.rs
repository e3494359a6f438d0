//! The first state of a chain.

use alloc::{collections::BTreeMap, vec::Vec};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, address, keccak256};
use cloister_crypto::state::config_digest;
use cloister_types::{
    AccountValue, BlockHeader, BlockNumber, ChainConfig, StateKey, block::transactions_hash,
};
use revm::state::Bytecode;

use crate::{
    block::{AccountChange, BlockTrace, StorageChange},
    rules::{HISTORY_ADDRESS, HISTORY_CODE},
    state::analysed_code,
};

/// The account whose first slot holds the digest of the chain's configuration. It has no code and
/// nobody has its key, so nothing can change it; every batch is checked against it (SSTF-5).
pub const CONFIG_ADDRESS: Address = address!("0x000000000000000000000000000000000000c105");

/// The slot of [`CONFIG_ADDRESS`] that holds the digest.
pub const CONFIG_SLOT: U256 = U256::ZERO;

/// Longest code of a contract, in bytes (EIP-170).
pub const MAX_CODE_BYTES: usize = 24_576;

/// An account at genesis.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GenesisAccount {
    /// Wei.
    pub balance: U256,
    /// Nonce; a contract needs at least 1 and gets it.
    pub nonce: u64,
    /// Code; empty for a person's account.
    pub code: Bytes,
    /// Slots; only contracts may have any.
    pub storage: BTreeMap<U256, U256>,
}

/// Accounts at genesis, besides those that every chain has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GenesisAlloc(pub BTreeMap<Address, GenesisAccount>);

/// Why a chain cannot start like this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// An account that every chain has by itself.
    #[error("account `{0}` is reserved; leave it out of the genesis file")]
    Reserved(Address),
    /// Storage without code, which the EVM cannot produce.
    #[error("account `{0}` has storage but no code")]
    StorageWithoutCode(Address),
    /// Code above EIP-170's limit.
    #[error("the code of account `{address}` has {got} bytes, above the limit of {MAX_CODE_BYTES}")]
    CodeTooLong {
        /// Whose.
        address: Address,
        /// Its length.
        got: usize,
    },
    /// A chain without gas or id could execute nothing.
    #[error("the chain's {0} must not be 0")]
    Zero(&'static str),
}

/// The first block and state of a chain.
#[derive(Clone, Debug)]
pub struct Genesis {
    /// Block 0.
    pub block: BlockHeader,
    /// The state as changes to nothing.
    pub trace: BlockTrace,
}

/// Where the digest of the chain's configuration is.
#[must_use]
pub fn config_key() -> StateKey {
    StateKey::Storage(CONFIG_ADDRESS, B256::from(CONFIG_SLOT))
}

/// What must be there.
#[must_use]
pub fn config_value(config: &ChainConfig) -> U256 {
    U256::from_be_bytes(config_digest(config))
}

/// The first block and state of a chain: the given accounts, EIP-2935's contract and the digest of
/// the configuration. Seal it as batch 0.
///
/// # Errors
/// [`GenesisError`] when the accounts are not a state that the EVM could be in.
pub fn build(
    config: &ChainConfig,
    timestamp: u64,
    alloc: &GenesisAlloc,
) -> Result<Genesis, GenesisError> {
    if config.chain_id == 0 {
        return Err(GenesisError::Zero("id"));
    }
    if config.block_gas_limit == 0 {
        return Err(GenesisError::Zero("block gas limit"));
    }
    let mut accounts = alloc.0.clone();
    let contract = |code| GenesisAccount {
        nonce: 1,
        code,
        ..GenesisAccount::default()
    };
    let history = contract(HISTORY_CODE);
    let mut digest = contract(Bytes::new());
    digest.storage.insert(CONFIG_SLOT, config_value(config));
    for (address, account) in &accounts {
        check(address, account)?;
    }
    for (address, account) in [(HISTORY_ADDRESS, history), (CONFIG_ADDRESS, digest)] {
        if accounts.insert(address, account).is_some() {
            return Err(GenesisError::Reserved(address));
        }
    }
    Ok(Genesis {
        block: block(config, timestamp),
        trace: trace(accounts),
    })
}

fn check(address: &Address, account: &GenesisAccount) -> Result<(), GenesisError> {
    if account.code.is_empty() && !account.storage.is_empty() {
        return Err(GenesisError::StorageWithoutCode(*address));
    }
    let got = account.code.len();
    if got > MAX_CODE_BYTES {
        return Err(GenesisError::CodeTooLong {
            address: *address,
            got,
        });
    }
    Ok(())
}

fn block(config: &ChainConfig, timestamp: u64) -> BlockHeader {
    BlockHeader {
        chain_id: config.chain_id,
        number: BlockNumber::GENESIS,
        timestamp,
        gas_limit: config.block_gas_limit,
        base_fee_wei: config.base_fee_wei,
        prev_randao: cloister_types::block::prev_randao(&B256::ZERO),
        transactions_hash: transactions_hash([]),
        ..BlockHeader::default()
    }
}

fn trace(accounts: BTreeMap<Address, GenesisAccount>) -> BlockTrace {
    let mut trace = BlockTrace::default();
    let mut codes: BTreeMap<B256, Bytecode> = BTreeMap::new();
    for (
        address,
        GenesisAccount {
            balance,
            nonce,
            code,
            storage,
        },
    ) in accounts
    {
        let code_hash = if code.is_empty() {
            KECCAK256_EMPTY
        } else {
            let hash = keccak256(&code);
            codes
                .entry(hash)
                .or_insert_with(|| analysed_code(code.clone()));
            hash
        };
        let nonce = if code.is_empty() { nonce } else { nonce.max(1) };
        let after = AccountValue {
            nonce,
            balance,
            code_hash,
        };
        trace.accessed.insert(StateKey::Account(address));
        if !after.is_empty() {
            trace.accounts.push(AccountChange {
                address,
                before: AccountValue::EMPTY,
                after,
            });
        }
        for (slot, after) in storage {
            trace
                .accessed
                .insert(StateKey::Storage(address, B256::from(slot)));
            if !after.is_zero() {
                trace.storage.push(StorageChange {
                    address,
                    slot,
                    before: U256::ZERO,
                    after,
                });
            }
        }
    }
    trace.created_codes = codes.into_iter().collect::<Vec<_>>();
    trace
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(address: Address, account: GenesisAccount) -> GenesisAlloc {
        GenesisAlloc(BTreeMap::from([(address, account)]))
    }

    #[test]
    fn refuses_what_the_evm_cannot_produce() {
        let config = ChainConfig::new(1);
        let who = Address::repeat_byte(1);
        let storage = GenesisAccount {
            storage: BTreeMap::from([(U256::ZERO, U256::from(1))]),
            ..GenesisAccount::default()
        };
        assert_eq!(
            build(&config, 0, &with(who, storage)).err(),
            Some(GenesisError::StorageWithoutCode(who))
        );
        let code = GenesisAccount {
            code: vec![0; 24_577].into(),
            ..GenesisAccount::default()
        };
        assert_eq!(
            build(&config, 0, &with(who, code)).err(),
            Some(GenesisError::CodeTooLong {
                address: who,
                got: 24_577
            })
        );
        assert_eq!(
            build(&config, 0, &with(CONFIG_ADDRESS, GenesisAccount::default())).err(),
            Some(GenesisError::Reserved(CONFIG_ADDRESS))
        );
        assert_eq!(
            build(&ChainConfig::new(0), 0, &GenesisAlloc::default()).err(),
            Some(GenesisError::Zero("id"))
        );
    }

    #[test]
    fn the_history_contract_is_that_of_eip_2935() {
        assert_eq!(
            HISTORY_ADDRESS,
            alloy_eips::eip2935::HISTORY_STORAGE_ADDRESS
        );
        assert_eq!(
            HISTORY_CODE,
            alloy_eips::eip2935::HISTORY_STORAGE_CODE.clone()
        );
    }
}
