//! Real Postgres, OpenID provider, Ethereum node and certificates for tests and the demo.
