//! The crate against a provider on a loopback port and tokens signed by another implementation.

mod discovery;
mod fake;
mod flows;
mod hostile;
mod rotation;
mod tokens;
