//! The authenticated, role-scoped door: JSON-RPC over HTTPS, OpenID Connect, policies and the audit ledger.

fn main() {}
