//! Disclosure packages: build and offline verification.
