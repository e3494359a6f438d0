//! The four services as processes with everything around them, used from outside.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do: at once, where it happens"
)]

mod clients;
mod databases;
mod faults;
mod input;
mod leaks;
mod token;
