//! What stays the same for the life of a chain.

use cloister_crypto::Salter;
use cloister_types::ChainConfig;

/// The chain's rules and the secret behind its salts.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// Chain id, fork, gas and fee rules.
    pub config: ChainConfig,
    /// Gives each batch its salts.
    pub salter: Salter,
}
