//! Ethereum state tests and hostile batches, through the state transition and through the guest.
//!
//! Each case becomes a batch on a chain of its own. The native execution must arrive at what the
//! fixture expects wherever the chain's rules allow it, and the guest, by plain execution of the
//! image that is proved, must say exactly what the native execution says: the same batch hash, or
//! the same class of refusal (SSTF-8, SSTF-9).
//!
//! ```text
//!  fixture ─ case ─► Chain: genesis, block, seal ─► BatchInput ─┬─ native ─► Verdict ─┐
//!     │ expected                                                └─ engine ─► Outcome ─┤ equal?
//!     └──────────── compare account by account ◄── state after                        ▼
//!  attacks: false witnesses, other blocks, cut and flipped bytes ──────────────────► Report
//! ```
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub mod accounts;
pub mod attacks;
pub mod case;
pub mod chain;
pub mod exceptions;
pub mod fixture;
pub mod generate;
pub mod guest;
pub mod reference;
pub mod report;
pub mod runner;
pub mod sign;
pub mod verdict;
