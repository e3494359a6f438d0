//! SHA-256 with domain separation, hiding salts and the provider through which the guest accelerates hashing and signature recovery.
