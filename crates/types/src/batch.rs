//! Batch header, version 1, in two layers.
//!
//! Ethereum stores the public layer's fields and can recompute the batch hash from them; the
//! private layer enters only by its digest, so counts, block numbers and roots of the private chain
//! stay off Ethereum.

use alloc::vec::Vec;
use alloy_primitives::{B256, keccak256};

use crate::{
    codec::{DecodeError, Reader},
    ids::{BatchNumber, BlockNumber},
};

/// The layer that Ethereum never sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PrivateHeader {
    /// State root before the batch; for genesis, that of the empty tree.
    pub state_root_before: B256,
    /// Root over the batch's salted transaction leaves.
    pub transaction_root: B256,
    /// Number of transactions.
    pub transaction_count: u32,
    /// Digest of the policies in force.
    pub policy_root: B256,
    /// Combined head of the audit ledgers; zero before any has reported.
    pub audit_head: B256,
    /// First block of the batch.
    pub first_block: BlockNumber,
    /// Its hash.
    pub first_block_hash: B256,
    /// Last block of the batch.
    pub last_block: BlockNumber,
    /// Its hash.
    pub last_block_hash: B256,
    /// UNIX seconds of the last block.
    pub timestamp: u64,
}

impl PrivateHeader {
    /// Version of the encoding.
    pub const VERSION: u8 = 1;
    /// Length of [`Self::encode`] in bytes.
    pub const ENCODED_BYTES: usize = 221;

    /// Encoding of version 1: version u8 ‖ state root before 32 ‖ transaction root 32 ‖ transaction
    /// count u32 ‖ policy root 32 ‖ audit head 32 ‖ first block u64 ‖ its hash 32 ‖ last block u64
    /// ‖ its hash 32 ‖ timestamp u64.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::ENCODED_BYTES);
        self.encode_to(&mut out);
        out
    }

    fn encode_to(&self, out: &mut Vec<u8>) {
        out.push(Self::VERSION);
        out.extend_from_slice(self.state_root_before.as_slice());
        out.extend_from_slice(self.transaction_root.as_slice());
        out.extend_from_slice(&self.transaction_count.to_be_bytes());
        out.extend_from_slice(self.policy_root.as_slice());
        out.extend_from_slice(self.audit_head.as_slice());
        out.extend_from_slice(&self.first_block.0.to_be_bytes());
        out.extend_from_slice(self.first_block_hash.as_slice());
        out.extend_from_slice(&self.last_block.0.to_be_bytes());
        out.extend_from_slice(self.last_block_hash.as_slice());
        out.extend_from_slice(&self.timestamp.to_be_bytes());
    }

    /// Reads [`Self::encode`].
    ///
    /// # Errors
    /// [`DecodeError`] when `bytes` is not exactly one such encoding.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("private batch header", bytes);
        let header = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(header)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.version(Self::VERSION)?;
        Ok(Self {
            state_root_before: reader.b256()?,
            transaction_root: reader.b256()?,
            transaction_count: reader.u32()?,
            policy_root: reader.b256()?,
            audit_head: reader.b256()?,
            first_block: BlockNumber(reader.u64()?),
            first_block_hash: reader.b256()?,
            last_block: BlockNumber(reader.u64()?),
            last_block_hash: reader.b256()?,
            timestamp: reader.u64()?,
        })
    }

    /// Keccak-256 of [`Self::encode`]: all of this layer that Ethereum learns.
    #[must_use]
    pub fn digest(&self) -> B256 {
        keccak256(self.encode())
    }
}

/// The layer whose fields Ethereum stores or recomputes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PublicHeader {
    /// EIP-155 id of the private chain.
    pub chain_id: u64,
    /// Position of the batch.
    pub number: BatchNumber,
    /// Hash of the batch before; zero for genesis.
    pub previous_hash: B256,
    /// State root after the batch.
    pub state_root: B256,
    /// Root of the messages to Ethereum; the empty tree's (zero) until the bridge exists.
    pub message_root: B256,
    /// Messages from Ethereum consumed so far; 0 until the bridge exists.
    pub l1_message_count: u64,
    /// Rolling hash of those messages; zero until the bridge exists.
    pub l1_message_hash: B256,
    /// [`PrivateHeader::digest`].
    pub private_digest: B256,
}

impl PublicHeader {
    /// Version of the encoding.
    pub const VERSION: u8 = 1;
    /// Length of [`Self::encode`] in bytes.
    pub const ENCODED_BYTES: usize = 185;

    /// Encoding of version 1, the same as Solidity's `abi.encodePacked`: version u8 ‖ chain id u64
    /// ‖ number u64 ‖ previous hash 32 ‖ state root 32 ‖ message root 32 ‖ L1 message count u64 ‖
    /// L1 message hash 32 ‖ private digest 32.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::ENCODED_BYTES);
        self.encode_to(&mut out);
        out
    }

    fn encode_to(&self, out: &mut Vec<u8>) {
        out.push(Self::VERSION);
        out.extend_from_slice(&self.chain_id.to_be_bytes());
        out.extend_from_slice(&self.number.0.to_be_bytes());
        out.extend_from_slice(self.previous_hash.as_slice());
        out.extend_from_slice(self.state_root.as_slice());
        out.extend_from_slice(self.message_root.as_slice());
        out.extend_from_slice(&self.l1_message_count.to_be_bytes());
        out.extend_from_slice(self.l1_message_hash.as_slice());
        out.extend_from_slice(self.private_digest.as_slice());
    }

    /// Reads [`Self::encode`].
    ///
    /// # Errors
    /// [`DecodeError`] when `bytes` is not exactly one such encoding.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("public batch header", bytes);
        let header = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(header)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.version(Self::VERSION)?;
        Ok(Self {
            chain_id: reader.u64()?,
            number: BatchNumber(reader.u64()?),
            previous_hash: reader.b256()?,
            state_root: reader.b256()?,
            message_root: reader.b256()?,
            l1_message_count: reader.u64()?,
            l1_message_hash: reader.b256()?,
            private_digest: reader.b256()?,
        })
    }

    /// The batch hash: Keccak-256 of [`Self::encode`].
    #[must_use]
    pub fn hash(&self) -> B256 {
        keccak256(self.encode())
    }
}

/// Both layers of a batch's header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BatchHeader {
    /// EIP-155 id of the private chain.
    pub chain_id: u64,
    /// Position of the batch.
    pub number: BatchNumber,
    /// Hash of the batch before; zero for genesis.
    pub previous_hash: B256,
    /// State root after the batch.
    pub state_root: B256,
    /// Root of the messages to Ethereum; the empty tree's (zero) until the bridge exists.
    pub message_root: B256,
    /// Messages from Ethereum consumed so far; 0 until the bridge exists.
    pub l1_message_count: u64,
    /// Rolling hash of those messages; zero until the bridge exists.
    pub l1_message_hash: B256,
    /// The layer that Ethereum sees only by its digest.
    pub private: PrivateHeader,
}

impl BatchHeader {
    /// Length of [`Self::encode`] in bytes.
    pub const ENCODED_BYTES: usize = PublicHeader::ENCODED_BYTES + PrivateHeader::ENCODED_BYTES;

    /// The public layer, with the digest of the private one.
    #[must_use]
    pub fn public(&self) -> PublicHeader {
        PublicHeader {
            chain_id: self.chain_id,
            number: self.number,
            previous_hash: self.previous_hash,
            state_root: self.state_root,
            message_root: self.message_root,
            l1_message_count: self.l1_message_count,
            l1_message_hash: self.l1_message_hash,
            private_digest: self.private.digest(),
        }
    }

    /// Encoding of the public layer: what the batch hash covers.
    #[must_use]
    pub fn public_encoding(&self) -> Vec<u8> {
        self.public().encode()
    }

    /// Digest of the private layer.
    #[must_use]
    pub fn private_digest(&self) -> B256 {
        self.private.digest()
    }

    /// The batch hash.
    #[must_use]
    pub fn hash(&self) -> B256 {
        self.public().hash()
    }

    /// Encoding of version 1 for storage and transport: public layer ‖ private layer.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::ENCODED_BYTES);
        self.public().encode_to(&mut out);
        self.private.encode_to(&mut out);
        out
    }

    /// Reads [`Self::encode`] and checks that the two layers belong together.
    ///
    /// # Errors
    /// [`DecodeError`] when `bytes` is not exactly one such encoding, [`DecodeError::NotCanonical`]
    /// when the digest in the public layer is not that of the private one.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("batch header", bytes);
        let header = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(header)
    }

    /// Reads [`Self::encode`] off `reader`.
    ///
    /// # Errors
    /// As [`Self::decode`].
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let PublicHeader {
            chain_id,
            number,
            previous_hash,
            state_root,
            message_root,
            l1_message_count,
            l1_message_hash,
            private_digest,
        } = PublicHeader::read(reader)?;
        let private = PrivateHeader::read(reader)?;
        if private.digest() != private_digest {
            return Err(DecodeError::NotCanonical {
                what: "digest of the private batch header",
            });
        }
        Ok(Self {
            chain_id,
            number,
            previous_hash,
            state_root,
            message_root,
            l1_message_count,
            l1_message_hash,
            private,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> BatchHeader {
        BatchHeader {
            chain_id: 1,
            number: BatchNumber(2),
            previous_hash: B256::repeat_byte(3),
            state_root: B256::repeat_byte(4),
            message_root: B256::repeat_byte(5),
            l1_message_count: 6,
            l1_message_hash: B256::repeat_byte(7),
            private: PrivateHeader {
                state_root_before: B256::repeat_byte(8),
                transaction_root: B256::repeat_byte(9),
                transaction_count: 10,
                policy_root: B256::repeat_byte(11),
                audit_head: B256::repeat_byte(12),
                first_block: BlockNumber(13),
                first_block_hash: B256::repeat_byte(14),
                last_block: BlockNumber(15),
                last_block_hash: B256::repeat_byte(16),
                timestamp: 17,
            },
        }
    }

    #[test]
    fn a_header_is_read_back() {
        let bytes = header().encode();
        assert_eq!(bytes.len(), BatchHeader::ENCODED_BYTES);
        assert_eq!(BatchHeader::decode(&bytes), Ok(header()));
        let public = header().public_encoding();
        assert_eq!(public.len(), PublicHeader::ENCODED_BYTES);
        assert_eq!(PublicHeader::decode(&public), Ok(header().public()));
        let private = header().private.encode();
        assert_eq!(PrivateHeader::decode(&private), Ok(header().private));
    }

    #[test]
    fn every_changed_byte_is_refused_or_changes_the_hash() {
        let bytes = header().encode();
        for position in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[position] ^= 1;
            if let Ok(other) = BatchHeader::decode(&changed) {
                assert_ne!(other.hash(), header().hash(), "byte {position}");
            }
        }
    }

    #[test]
    fn layers_that_do_not_belong_together_are_refused() {
        let mut other = header();
        other.private.timestamp += 1;
        let mut bytes = header().public_encoding();
        bytes.extend(other.private.encode());
        assert_eq!(
            BatchHeader::decode(&bytes),
            Err(DecodeError::NotCanonical {
                what: "digest of the private batch header"
            })
        );
    }

    #[test]
    fn another_version_is_refused() {
        let mut bytes = header().encode();
        bytes[0] = 9;
        assert_eq!(
            BatchHeader::decode(&bytes),
            Err(DecodeError::UnknownVersion {
                what: "batch header",
                expected: 1,
                got: 9
            })
        );
    }
}
