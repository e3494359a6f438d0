//! Identifiers, chain configuration and the frozen version-1 encodings every other crate speaks.
