//! Between columns and types.

use alloy_primitives::{Address, B256};

use super::StoreError;

/// A number as `bigint`.
pub(super) fn bigint(value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::OutOfRange { value })
}

/// A number as `integer`.
pub(super) fn integer(value: u32) -> Result<i32, StoreError> {
    i32::try_from(value).map_err(|_| StoreError::OutOfRange {
        value: value.into(),
    })
}

/// A `bigint` that is not negative.
pub(super) fn u64_of(what: &'static str, value: i64) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| StoreError::Corrupt { what })
}

/// An `integer` that is not negative.
pub(super) fn u32_of(what: &'static str, value: i32) -> Result<u32, StoreError> {
    u32::try_from(value).map_err(|_| StoreError::Corrupt { what })
}

/// A `bytea` of 32 bytes.
pub(super) fn b256_of(what: &'static str, bytes: &[u8]) -> Result<B256, StoreError> {
    B256::try_from(bytes).map_err(|_| StoreError::Corrupt { what })
}

/// A `bytea` of 20 bytes.
pub(super) fn address_of(what: &'static str, bytes: &[u8]) -> Result<Address, StoreError> {
    Address::try_from(bytes).map_err(|_| StoreError::Corrupt { what })
}

/// A `bytea` of 16 bytes, as a number.
pub(super) fn u128_of(what: &'static str, bytes: &[u8]) -> Result<u128, StoreError> {
    bytes
        .try_into()
        .map(u128::from_be_bytes)
        .map_err(|_| StoreError::Corrupt { what })
}
