//! The gateway as a process, with a real sequencer, Postgres and identity provider.

mod chain;
mod faults;
mod grid;
mod login;
mod requests;
mod support;
mod visibility;
mod wallets;
