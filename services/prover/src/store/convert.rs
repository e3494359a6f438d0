//! Between Rust's numbers and Postgres' own.

use std::time::Duration;

use cloister_l1::{Address, B256};
use sqlx::postgres::types::PgInterval;

use super::StoreError;

/// Postgres' 64-bit integers are signed.
pub(super) fn bigint(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::TooLarge)
}

/// As [`bigint`], for fees.
pub(super) fn fee_bigint(fee: u128) -> Result<i64, StoreError> {
    i64::try_from(fee).map_err(|_| StoreError::TooLarge)
}

/// A number that a CHECK keeps from being negative.
pub(super) fn u64_of(number: i64, what: &str) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| damaged(what))
}

/// As [`u64_of`], for fees.
pub(super) fn fee_of(number: i64, what: &str) -> Result<u128, StoreError> {
    u128::try_from(number).map_err(|_| damaged(what))
}

/// Bytes whose length a CHECK fixes.
pub(super) fn b256_of(bytes: &[u8], what: &str) -> Result<B256, StoreError> {
    B256::try_from(bytes).map_err(|_| damaged(what))
}

/// As [`b256_of`], for addresses.
pub(super) fn address_of(bytes: &[u8], what: &str) -> Result<Address, StoreError> {
    Address::try_from(bytes).map_err(|_| damaged(what))
}

/// The error for a row that breaks the schema's promises.
pub(super) fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(what.to_owned())
}

/// As [`u64_of`], for small numbers.
pub(super) fn u32_of(number: i32, what: &str) -> Result<u32, StoreError> {
    u32::try_from(number).map_err(|_| damaged(what))
}

/// A span of time, of at most some ten thousand years.
pub(super) fn interval(span: Duration) -> PgInterval {
    PgInterval {
        months: 0,
        days: 0,
        microseconds: i64::try_from(span.as_micros()).unwrap_or(i64::MAX / 2),
    }
}
