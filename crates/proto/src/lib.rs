//! Generated gRPC messages, clients and servers, and their mutual TLS.
