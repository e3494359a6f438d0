//! Signing keys behind one trait; no private key is ever returned.
