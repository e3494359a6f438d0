//! The hash-chained audit ledger: row format, chain and its verification.
//!
//! Every decision is a [`Row`]. Rows form a chain: each one's hash covers the one before, so a row
//! that is edited, deleted, inserted or moved breaks every later hash, and a chain that was cut short
//! misses the head that a batch header bound (and so Ethereum).
//!
//! What it refuses to know: where rows are stored, who may read them, and how decisions fall.
//!
//! ```text
//!  Row 1 ──► H1 = h(0 ‖ 1 ‖ row 1) ──► H2 = h(H1 ‖ 2 ‖ row 2) ──► … ──► Head { count, hash }
//!                                                                          └─► batch header
//! ```
//!
//! ```
//! use cloister_audit::{Chain, Head, Outcome, Row, verify};
//! use cloister_types::UnixMillis;
//!
//! let row = Row {
//!     time: UnixMillis(1_700_000_000_000),
//!     principal: "https://id.example|alice".into(),
//!     session: "s-1".into(),
//!     method: "eth_call".into(),
//!     resource: "contract:0x11".into(),
//!     rule: "call-own-desk".into(),
//!     policy_version: Default::default(),
//!     request_hash: Default::default(),
//!     outcome: Outcome::Allowed,
//! };
//! let mut chain = Chain::resume(Head::default());
//! let entries = vec![chain.append(row.clone()), chain.append(row)];
//! assert_eq!(verify(&entries, &[chain.head()])?, chain.head());
//! # Ok::<(), cloister_audit::Tampered>(())
//! ```

mod chain;
mod export;
mod row;

pub use chain::{Chain, Entry, Head, Tampered, Verifier, verify};
pub use export::{ExportError, MAX_LINE_BYTES, read_line, write_line};
pub use row::{MAX_TEXT_BYTES, Outcome, Row, UnknownOutcome};
