//! Decoding of calls and events into the typed context that policies speak of.
//!
//! Given a contract's ABI, call data becomes a function with named arguments and a log becomes an
//! event with named fields; both flatten into *facts*: a map from a path such as `order.legs.0.amount`
//! to a typed value that a policy can compare. Everything is bounded before it is allocated: a
//! decoder that stands in front of a policy engine reads the least trusted bytes of the system.
//!
//! What it refuses to know: who calls, what is allowed, where ABIs are stored, and what a contract
//! does with its arguments. A selector that the ABI does not name is *no function* (`None`), never a
//! guess; policies deny it. Bytes that a strict Solidity decoder would reject are an error.
//!
//! ```text
//!  ABI JSON ──► ContractAbi ──┐
//!                             ├─► Call { signature, arguments } ──► Facts { "to": address, "value": amount, … }
//!  call data ─────────────────┘
//! ```
//!
//! ```
//! use cloister_abi::{Limits, standards};
//!
//! let erc20 = standards::erc20();
//! let mut data = vec![0xa9, 0x05, 0x9c, 0xbb]; // transfer(address,uint256)
//! data.extend([0; 12]);
//! data.extend([0x11; 20]);
//! data.extend([0; 31]);
//! data.push(5);
//! let call = erc20.decode_call(&data, &Limits::default())?.expect("the selector is known");
//! assert_eq!(call.signature, "transfer(address,uint256)");
//! let facts = call.facts();
//! assert_eq!(facts.arguments["value"].amount.as_ref().map(|a| a.low), Some(5));
//! # Ok::<(), cloister_abi::DecodeError>(())
//! ```

mod amount;
mod contract;
mod decode;
mod facts;
mod kind;
mod registry;
pub mod standards;
mod value;

pub use amount::Amount;
pub use contract::{AbiError, Call, ContractAbi, EventLog, MAX_ABI_BYTES, MAX_ITEMS};
pub use decode::{DecodeError, Limits};
pub use facts::{Fact, Facts, MAX_TEXT_BYTES};
pub use registry::Registry;
pub use value::{Argument, Value};
