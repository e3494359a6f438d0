//! State keys and the values that leaves commit to, version 1.

use alloc::vec::Vec;
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};

use crate::codec::{DecodeError, Reader};

/// What a leaf of the state tree holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[repr(u8)]
pub enum StateKind {
    /// Nonce, balance and code hash of an account.
    Account = 1,
    /// One storage slot of a contract.
    Storage = 2,
    /// Count and head of an address's activity chain.
    Activity = 3,
}

impl StateKind {
    /// The byte that stands for it in every encoding.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Account => 1,
            Self::Storage => 2,
            Self::Activity => 3,
        }
    }

    /// Reads [`Self::code`] off `reader`.
    ///
    /// # Errors
    /// [`DecodeError`] when the byte stands for no kind.
    #[inline]
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.u8()? {
            1 => Ok(Self::Account),
            2 => Ok(Self::Storage),
            3 => Ok(Self::Activity),
            got => Err(DecodeError::UnknownTag {
                what: "state key kind",
                got,
            }),
        }
    }
}

/// One entry of the state. Its leaf's place is a hash of it (`cloister_crypto::state::leaf_key`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
// Four bytes for the variant, so that the address lies at a word's boundary, for the guest.
#[repr(u32)]
pub enum StateKey {
    /// Nonce, balance and code hash of an account.
    Account(Address),
    /// A storage slot: contract and slot.
    Storage(Address, B256),
    /// Activity chain of an address.
    Activity(Address),
}

impl StateKey {
    /// Longest [`Self::encode`].
    pub const MAX_ENCODED_BYTES: usize = 53;

    /// Kind of the entry.
    #[must_use]
    pub const fn kind(&self) -> StateKind {
        match self {
            Self::Account(_) => StateKind::Account,
            Self::Storage(..) => StateKind::Storage,
            Self::Activity(_) => StateKind::Activity,
        }
    }

    /// Whose entry it is.
    #[must_use]
    pub const fn address(&self) -> &Address {
        match self {
            Self::Account(address) | Self::Storage(address, _) | Self::Activity(address) => address,
        }
    }

    /// Encoding of version 1: kind u8 ‖ address 20 \[‖ slot 32\].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::MAX_ENCODED_BYTES);
        self.encode_to(&mut out);
        out
    }

    /// Appends [`Self::encode`] to `out`.
    pub fn encode_to(&self, out: &mut Vec<u8>) {
        out.push(self.kind().code());
        out.extend_from_slice(self.address().as_slice());
        if let Self::Storage(_, slot) = self {
            out.extend_from_slice(slot.as_slice());
        }
    }

    /// Reads [`Self::encode`] off `reader`.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not such an encoding.
    #[inline]
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let kind = StateKind::read(reader)?;
        let address = reader.address()?;
        match kind {
            StateKind::Account => Ok(Self::Account(address)),
            StateKind::Storage => Ok(Self::Storage(address, reader.b256()?)),
            StateKind::Activity => Ok(Self::Activity(address)),
        }
    }
}

/// Value of an account leaf.
///
/// An account that is absent from the state, and one whose leaf holds [`Self::EMPTY`], are the same
/// to the EVM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AccountValue {
    /// Number of the next transaction, or of contracts created.
    pub nonce: u64,
    /// Balance in wei.
    pub balance: U256,
    /// Keccak-256 of the code.
    pub code_hash: B256,
}

impl AccountValue {
    /// Length of [`Self::encode`] in bytes.
    pub const ENCODED_BYTES: usize = 72;
    /// No nonce, no balance, no code.
    pub const EMPTY: Self = Self {
        nonce: 0,
        balance: U256::ZERO,
        code_hash: KECCAK256_EMPTY,
    };

    /// Empty in the sense of EIP-161.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::EMPTY
    }

    /// Encoding of version 1: nonce u64 ‖ balance 32 ‖ code hash 32.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::ENCODED_BYTES] {
        let mut out = [0; Self::ENCODED_BYTES];
        out[..8].copy_from_slice(&self.nonce.to_be_bytes());
        out[8..40].copy_from_slice(&self.balance.to_be_bytes::<32>());
        out[40..].copy_from_slice(self.code_hash.as_slice());
        out
    }

    /// Reads [`Self::encode`].
    ///
    /// # Errors
    /// [`DecodeError`] when `bytes` is not 72 bytes long.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("account value", bytes);
        let value = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(value)
    }

    /// Reads [`Self::encode`] off `reader`.
    ///
    /// # Errors
    /// [`DecodeError`] when fewer bytes are left.
    #[inline]
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            nonce: reader.u64()?,
            balance: reader.u256()?,
            code_hash: reader.b256()?,
        })
    }
}

impl Default for AccountValue {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// Value of an activity leaf: how many entries an address has, and the head of their chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ActivityHead {
    /// Number of entries.
    pub count: u64,
    /// Head of the chain; 32 zero bytes before the first entry.
    pub head: B256,
}

impl ActivityHead {
    /// Length of [`Self::encode`] in bytes.
    pub const ENCODED_BYTES: usize = 40;

    /// Encoding of version 1: count u64 ‖ head 32.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::ENCODED_BYTES] {
        let mut out = [0; Self::ENCODED_BYTES];
        out[..8].copy_from_slice(&self.count.to_be_bytes());
        out[8..].copy_from_slice(self.head.as_slice());
        out
    }

    /// Reads [`Self::encode`].
    ///
    /// # Errors
    /// [`DecodeError`] when `bytes` is not 40 bytes long.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("activity value", bytes);
        let value = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(value)
    }

    /// Reads [`Self::encode`] off `reader`.
    ///
    /// # Errors
    /// [`DecodeError`] when fewer bytes are left.
    #[inline]
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            count: reader.u64()?,
            head: reader.b256()?,
        })
    }
}

/// Encoding of a storage leaf's value: 32 bytes.
#[must_use]
pub fn encode_storage_value(value: U256) -> [u8; 32] {
    value.to_be_bytes()
}

/// Reads [`encode_storage_value`].
///
/// # Errors
/// [`DecodeError`] when `bytes` is not 32 bytes long.
pub fn decode_storage_value(bytes: &[u8]) -> Result<U256, DecodeError> {
    let mut reader = Reader::new("storage value", bytes);
    let value = reader.u256()?;
    reader.finish()?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_unknown_kind_of_key_is_refused() {
        let bytes = [9; 21];
        assert_eq!(
            StateKey::read(&mut Reader::new("key", &bytes)),
            Err(DecodeError::UnknownTag {
                what: "state key kind",
                got: 9
            })
        );
    }

    #[test]
    fn a_value_of_the_wrong_length_is_refused() {
        assert!(AccountValue::decode(&[0; 71]).is_err());
        assert!(AccountValue::decode(&[0; 73]).is_err());
        assert!(ActivityHead::decode(&[0; 41]).is_err());
        assert!(decode_storage_value(&[0; 31]).is_err());
    }

    proptest! {
        #[test]
        fn values_are_read_back(nonce: u64, balance: [u8; 32], hash: [u8; 32]) {
            let account = AccountValue {
                nonce,
                balance: U256::from_be_bytes(balance),
                code_hash: B256::new(hash),
            };
            prop_assert_eq!(AccountValue::decode(&account.encode()), Ok(account));
            let activity = ActivityHead { count: nonce, head: B256::new(hash) };
            prop_assert_eq!(ActivityHead::decode(&activity.encode()), Ok(activity));
        }

        #[test]
        fn keys_are_read_back(kind in 0..3u8, address: [u8; 20], slot: [u8; 32]) {
            let address = Address::new(address);
            let key = match kind {
                0 => StateKey::Account(address),
                1 => StateKey::Storage(address, B256::new(slot)),
                _ => StateKey::Activity(address),
            };
            let bytes = key.encode();
            let mut reader = Reader::new("key", &bytes);
            prop_assert_eq!(StateKey::read(&mut reader), Ok(key));
            prop_assert_eq!(reader.finish(), Ok(()));
        }
    }
}
