//! Block header, version 1.

use alloc::vec::Vec;
use alloy_primitives::{Address, B256, keccak256};

use crate::{
    codec::{DecodeError, Reader},
    ids::BlockNumber,
};

/// What a block's hash covers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BlockHeader {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Position in the chain.
    pub number: BlockNumber,
    /// Hash of the block before; zero for genesis.
    pub parent_hash: B256,
    /// UNIX seconds; never less than the parent's.
    pub timestamp: u64,
    /// Who receives priority fees, if any are paid.
    pub beneficiary: Address,
    /// Gas that the block may use.
    pub gas_limit: u64,
    /// Gas that the block's transactions used.
    pub gas_used: u64,
    /// Base fee in wei.
    pub base_fee_wei: u64,
    /// What PREVRANDAO returns: Keccak-256 of the parent hash, so no source of randomness.
    pub prev_randao: B256,
    /// Number of transactions.
    pub transaction_count: u32,
    /// [`transactions_hash`] of the block's transactions.
    pub transactions_hash: B256,
}

impl BlockHeader {
    /// Version of the encoding.
    pub const VERSION: u8 = 1;
    /// Length of [`Self::encode`] in bytes.
    pub const ENCODED_BYTES: usize = 169;

    /// Encoding of version 1: version u8 ‖ chain id u64 ‖ number u64 ‖ parent hash 32 ‖
    /// timestamp u64 ‖ beneficiary 20 ‖ gas limit u64 ‖ gas used u64 ‖ base fee u64 ‖
    /// `prev_randao` 32 ‖ transaction count u32 ‖ transactions hash 32.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::ENCODED_BYTES);
        out.push(Self::VERSION);
        out.extend_from_slice(&self.chain_id.to_be_bytes());
        out.extend_from_slice(&self.number.0.to_be_bytes());
        out.extend_from_slice(self.parent_hash.as_slice());
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(self.beneficiary.as_slice());
        out.extend_from_slice(&self.gas_limit.to_be_bytes());
        out.extend_from_slice(&self.gas_used.to_be_bytes());
        out.extend_from_slice(&self.base_fee_wei.to_be_bytes());
        out.extend_from_slice(self.prev_randao.as_slice());
        out.extend_from_slice(&self.transaction_count.to_be_bytes());
        out.extend_from_slice(self.transactions_hash.as_slice());
        out
    }

    /// Reads [`Self::encode`].
    ///
    /// # Errors
    /// [`DecodeError`] when `bytes` is not exactly one such encoding.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("block header", bytes);
        let header = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(header)
    }

    /// Reads [`Self::encode`] off `reader`.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not such an encoding.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.version(Self::VERSION)?;
        Ok(Self {
            chain_id: reader.u64()?,
            number: BlockNumber(reader.u64()?),
            parent_hash: reader.b256()?,
            timestamp: reader.u64()?,
            beneficiary: reader.address()?,
            gas_limit: reader.u64()?,
            gas_used: reader.u64()?,
            base_fee_wei: reader.u64()?,
            prev_randao: reader.b256()?,
            transaction_count: reader.u32()?,
            transactions_hash: reader.b256()?,
        })
    }

    /// The block's hash: Keccak-256 of [`Self::encode`].
    #[must_use]
    pub fn hash(&self) -> B256 {
        keccak256(self.encode())
    }
}

/// Keccak-256 of the transactions' hashes, one after another.
#[must_use]
pub fn transactions_hash<'a>(hashes: impl IntoIterator<Item = &'a B256>) -> B256 {
    // In one piece, because only hashes of one piece are accelerated in the guest.
    let mut bytes = Vec::new();
    for hash in hashes {
        bytes.extend_from_slice(hash.as_slice());
    }
    keccak256(bytes)
}

/// What PREVRANDAO returns in the child of `parent_hash`.
#[must_use]
pub fn prev_randao(parent_hash: &B256) -> B256 {
    keccak256(parent_hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> BlockHeader {
        BlockHeader {
            chain_id: 1,
            number: BlockNumber(2),
            parent_hash: B256::repeat_byte(3),
            timestamp: 4,
            beneficiary: Address::repeat_byte(5),
            gas_limit: 6,
            gas_used: 7,
            base_fee_wei: 8,
            prev_randao: B256::repeat_byte(9),
            transaction_count: 10,
            transactions_hash: B256::repeat_byte(11),
        }
    }

    #[test]
    fn a_header_is_read_back() {
        let bytes = header().encode();
        assert_eq!(bytes.len(), BlockHeader::ENCODED_BYTES);
        assert_eq!(BlockHeader::decode(&bytes), Ok(header()));
    }

    #[test]
    fn every_byte_is_covered_by_the_hash_or_refused() {
        let bytes = header().encode();
        for position in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[position] ^= 1;
            if let Ok(other) = BlockHeader::decode(&changed) {
                assert_ne!(other.hash(), header().hash());
            }
        }
    }

    #[test]
    fn another_version_or_length_is_refused() {
        let mut bytes = header().encode();
        bytes.push(0);
        assert!(matches!(
            BlockHeader::decode(&bytes),
            Err(DecodeError::Trailing { got: 1, .. })
        ));
        bytes[0] = 2;
        assert!(matches!(
            BlockHeader::decode(&bytes),
            Err(DecodeError::UnknownVersion { got: 2, .. })
        ));
        assert!(matches!(
            BlockHeader::decode(&[1]),
            Err(DecodeError::TooShort { .. })
        ));
    }

    #[test]
    fn no_transactions_hash_to_keccak_of_nothing() {
        assert_eq!(transactions_hash([]), alloy_primitives::KECCAK256_EMPTY);
    }
}
