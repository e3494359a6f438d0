//! What every block of a chain has in common.

use alloc::vec::Vec;
use core::{fmt, str::FromStr};

use crate::codec::{DecodeError, Reader};

/// Rules of the EVM, by the name of Ethereum's upgrade.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
pub enum Fork {
    /// Prague: EIP-7702, EIP-2935, EIP-7623 and the BLS12-381 precompiles.
    Prague,
    /// Osaka: Prague and EIP-7825 (gas limit of a transaction), EIP-7823, EIP-7883, EIP-7939,
    /// EIP-7951.
    #[default]
    Osaka,
}

impl Fork {
    /// Lower-case name as in configuration files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prague => "prague",
            Self::Osaka => "osaka",
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Prague => 1,
            Self::Osaka => 2,
        }
    }
}

impl fmt::Display for Fork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no fork this software knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the fork is unknown: use `prague` or `osaka`")]
pub struct UnknownFork;

impl FromStr for Fork {
    type Err = UnknownFork;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "prague" => Ok(Self::Prague),
            "osaka" => Ok(Self::Osaka),
            _ => Err(UnknownFork),
        }
    }
}

/// The rules of one chain, fixed at genesis.
///
/// Their digest is written into the state at genesis (`cloister_stf::genesis`), and every batch is
/// checked against it, so a proof holds for these rules and no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ChainConfig {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Rules of the EVM.
    pub fork: Fork,
    /// Gas that one block may use.
    pub block_gas_limit: u64,
    /// Base fee of every block, in wei; burnt as on Ethereum.
    pub base_fee_wei: u64,
}

impl ChainConfig {
    /// Version of [`Self::encode`].
    pub const VERSION: u8 = 1;
    /// Gas that one block may use unless configured otherwise.
    pub const DEFAULT_BLOCK_GAS_LIMIT: u64 = 100_000_000;

    /// Osaka rules, free of charge, default limits.
    #[must_use]
    pub const fn new(chain_id: u64) -> Self {
        Self {
            chain_id,
            fork: Fork::Osaka,
            block_gas_limit: Self::DEFAULT_BLOCK_GAS_LIMIT,
            base_fee_wei: 0,
        }
    }

    /// Encoding of version 1, 26 bytes: version u8 ‖ chain id u64 ‖ fork u8 (1 Prague, 2 Osaka) ‖
    /// block gas limit u64 ‖ base fee u64.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(26);
        out.push(Self::VERSION);
        out.extend_from_slice(&self.chain_id.to_be_bytes());
        out.push(self.fork.code());
        out.extend_from_slice(&self.block_gas_limit.to_be_bytes());
        out.extend_from_slice(&self.base_fee_wei.to_be_bytes());
        out
    }

    /// Reads the encoding of version 1 off `reader`.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not such an encoding.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.version(Self::VERSION)?;
        let chain_id = reader.u64()?;
        let fork = match reader.u8()? {
            1 => Fork::Prague,
            2 => Fork::Osaka,
            got => return Err(DecodeError::UnknownTag { what: "fork", got }),
        };
        let (block_gas_limit, base_fee_wei) = (reader.u64()?, reader.u64()?);
        Ok(Self {
            chain_id,
            fork,
            block_gas_limit,
            base_fee_wei,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_read_back() {
        let config = ChainConfig {
            base_fee_wei: 7,
            fork: Fork::Prague,
            ..ChainConfig::new(2_718)
        };
        let bytes = config.encode();
        assert_eq!(
            ChainConfig::read(&mut Reader::new("config", &bytes)),
            Ok(config)
        );
    }

    #[test]
    fn an_unknown_fork_is_refused() {
        assert_eq!("shanghai".parse::<Fork>(), Err(UnknownFork));
        assert_eq!("osaka".parse::<Fork>(), Ok(Fork::Osaka));
    }
}
