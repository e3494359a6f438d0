//! The contracts on Ethereum as typed calls and events.
