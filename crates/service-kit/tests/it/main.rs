//! The service skeleton over real sockets and certificates.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests stop the test"
)]

mod grpc;
mod https;
mod pki;
mod process;
