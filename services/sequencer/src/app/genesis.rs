//! The first block, state and batch of a chain, from the genesis file.

use std::{collections::BTreeMap, fs::File, io::Read as _, path::Path};

use alloy_primitives::{Address, B256, Bytes, U256};
use cloister_state_tree::{MemoryStore, Tree, TreeError};
use cloister_stf::{
    BatchBuilder, Genesis, GenesisAccount, GenesisAlloc, GenesisError, SealError, SealInputs,
    genesis, seal,
};
use cloister_types::{ActivityHead, BatchNumber};
use serde::Deserialize;

use super::{model::Block, rules::Rules, sealer};
use crate::{config::MAX_GENESIS_BYTES, store::GenesisRows};

/// Why a chain cannot begin like this.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GenesisFileError {
    /// The file cannot be read.
    #[error("the genesis file `{path}` cannot be read")]
    Read {
        /// Where it should be.
        path: String,
        /// The reason.
        source: std::io::Error,
    },
    /// The file is over the limit.
    #[error("the genesis file `{path}` is longer than {MAX_GENESIS_BYTES} bytes")]
    TooLong {
        /// Where it is.
        path: String,
    },
    /// The file is not what it should be.
    #[error("the genesis file `{path}` is not understood: {source}")]
    Parse {
        /// Where it is.
        path: String,
        /// The reason.
        source: serde_json::Error,
    },
    /// The accounts are not a state that the EVM could be in.
    #[error("the genesis file describes an impossible state")]
    Accounts(#[from] GenesisError),
    /// The first batch has no header.
    #[error("the first batch cannot be sealed")]
    Seal(#[from] SealError),
    /// The first tree cannot be computed.
    #[error("the first state tree cannot be computed")]
    Tree(#[from] TreeError<std::convert::Infallible>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GenesisFile {
    /// UNIX seconds of block 0.
    timestamp: u64,
    #[serde(default)]
    alloc: BTreeMap<Address, AccountEntry>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AccountEntry {
    balance: U256,
    nonce: u64,
    code: Bytes,
    storage: BTreeMap<U256, U256>,
}

/// Reads the genesis file.
pub(crate) fn read(path: &Path, rules: &Rules) -> Result<Genesis, GenesisFileError> {
    let name = || path.display().to_string();
    let read_error = |source| GenesisFileError::Read {
        path: name(),
        source,
    };
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_GENESIS_BYTES + 1).read_to_string(&mut text))
        .map_err(read_error)?;
    if text.len() as u64 > MAX_GENESIS_BYTES {
        return Err(GenesisFileError::TooLong { path: name() });
    }
    parse(&text, rules).map_err(|error| match error {
        ParseError::Json(source) => GenesisFileError::Parse {
            path: name(),
            source,
        },
        ParseError::Accounts(error) => error.into(),
    })
}

enum ParseError {
    Json(serde_json::Error),
    Accounts(GenesisError),
}

fn parse(text: &str, rules: &Rules) -> Result<Genesis, ParseError> {
    let file: GenesisFile = serde_json::from_str(text).map_err(ParseError::Json)?;
    let accounts = file
        .alloc
        .into_iter()
        .map(|(address, entry)| {
            let AccountEntry {
                balance,
                nonce,
                code,
                storage,
            } = entry;
            (
                address,
                GenesisAccount {
                    balance,
                    nonce,
                    code,
                    storage,
                },
            )
        })
        .collect();
    genesis::build(&rules.config, file.timestamp, &GenesisAlloc(accounts))
        .map_err(ParseError::Accounts)
}

/// The rows with which the chain begins.
pub(crate) fn rows(
    genesis: &Genesis,
    rules: &Rules,
    policy_root: B256,
) -> Result<GenesisRows, GenesisFileError> {
    let salter = rules.salter.batch(BatchNumber::GENESIS);
    let inputs = SealInputs {
        config: &rules.config,
        previous: None,
        policy_root,
        audit_head: B256::ZERO,
        salter: &salter,
    };
    let batch = BatchBuilder::genesis(genesis);
    let prepared = seal::prepare(&inputs, &batch, |_| Ok(ActivityHead::default()))?;
    let tree = Tree::new(MemoryStore::new());
    let update = tree.update(0, &prepared.tree_changes())?;
    let sealed = prepared.seal(update.root());
    Ok(GenesisRows {
        chain_id: rules.config.chain_id,
        block: Block {
            header: genesis.block,
            hash: genesis.block.hash(),
            batch: 0,
            built_at_ms: genesis.block.timestamp.saturating_mul(1_000),
            transactions: Vec::new(),
        },
        codes: genesis
            .trace
            .created_codes
            .iter()
            .map(|(hash, code)| (*hash, code.original_bytes()))
            .collect(),
        sealed: sealer::rows(&sealed, genesis.block.timestamp, None, update),
    })
}

#[cfg(test)]
mod tests {
    use cloister_crypto::{Salter, StateSecret};
    use cloister_types::ChainConfig;

    use super::*;

    fn rules(secret: u8) -> Rules {
        Rules {
            config: ChainConfig::new(2_718),
            salter: Salter::new(&StateSecret::new([secret; 32])),
        }
    }

    const FILE: &str = r#"{"timestamp": 5, "alloc": {
        "0x00000000000000000000000000000000000000aa": {"balance": "0x7"},
        "0x00000000000000000000000000000000000000bb":
            {"nonce": 2, "code": "0x00", "storage": {"0x1": "0x2"}}}}"#;

    #[test]
    fn the_file_and_the_secret_determine_the_first_state_root() {
        let root = |secret| {
            let rules = rules(secret);
            let Ok(genesis) = parse(FILE, &rules) else {
                panic!("the file is understood")
            };
            super::rows(&genesis, &rules, B256::ZERO)
                .unwrap()
                .sealed
                .batch
                .header
                .state_root
        };
        assert_eq!(root(1), root(1));
        assert_ne!(root(1), root(2));
    }

    #[test]
    fn refuses_an_unknown_key() {
        let refused = parse(r#"{"timestamp": 5, "allocs": {}}"#, &rules(1));
        let Err(ParseError::Json(error)) = refused else {
            panic!("it is refused")
        };
        assert!(
            error.to_string().contains("unknown field `allocs`"),
            "{error}"
        );
    }
}
