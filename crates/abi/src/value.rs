//! The typed value tree that decoding yields.

use alloy_primitives::{Address, B256, I256, U256};

/// A decoded value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// An address.
    Address(Address),
    /// An unsigned integer of any width.
    Uint(U256),
    /// A signed integer of any width.
    Int(I256),
    /// A truth value.
    Bool(bool),
    /// Bytes of fixed or free length, and function pointers.
    Bytes(Vec<u8>),
    /// UTF-8 text.
    Text(String),
    /// Values of one type, in order.
    Array(Vec<Value>),
    /// Named fields, in order.
    Tuple(Vec<Argument>),
    /// An indexed event field of dynamic type: only its keccak-256 hash is in the log.
    Hashed(B256),
}

/// A named value: a function's argument, an event's or a tuple's field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// The name in the ABI; empty when it has none.
    pub name: String,
    /// Its value.
    pub value: Value,
}
