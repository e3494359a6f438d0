//! The hash-chained audit ledger: row format, chain and its verification.
