//! The service skeleton over real sockets and certificates.

mod grpc;
mod https;
mod pki;
mod process;
